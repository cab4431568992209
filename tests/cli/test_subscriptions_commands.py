"""`hikitsugi subscription` and `delivery` against the real API, with bearers of news and a real receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.cli.failures import Exit
from controller.services import news
from tests.api.conftest import Api
from tests.cli.conftest import By
from tests.receivers import Hook, hook
from tests.registry_fixtures import Registry
from tests.services import newsroom as room


@pytest.fixture
async def receiver(api: Api, registry: Registry) -> AsyncIterator[Hook]:
    """A receiver, a controller that may post to it, and its bearers at work."""
    object.__setattr__(api.context, "news_terms", room.TERMS)
    work = room.work(registry, wake=api.context.wake_news)
    async with hook() as taking:
        bearing = asyncio.create_task(news.run(work))
        yield taking
        work.stopping.set()
        work.wake.set()
        await bearing


async def test_who_subscribes_a_webhook_is_told_its_secret_once_and_can_try_it(by: By, receiver) -> None:
    added = await by(
        "olga", "subscription", "add", receiver.base, "--topic", "exchange.overdue", "--topic", "exchange.stuck"
    )
    assert added.code == Exit.OK and "whsec_" in added.out and "not shown again" in added.err
    (listed,) = (await by("olga", "subscription", "ls", "--json")).json()
    number = str(listed["id"])
    assert listed["topics"] == ["exchange.overdue", "exchange.stuck"]
    tested = await by("olga", "subscription", "test", number)

    assert tested.code == Exit.OK and receiver.base in tested.out
    assert len(receiver.posted) == 1
    assert "whsec_" not in (await by("olga", "subscription", "show", number)).out


async def test_a_test_that_does_not_get_through_says_so_and_where_to_look(by: By, receiver) -> None:
    receiver.status = 500
    number = str((await by("olga", "subscription", "add", receiver.base, "--json")).json()["subscription"])
    tested = await by("olga", "subscription", "test", number)
    assert tested.code == Exit.SOME_FAILED and "refused" in tested.err and "delivery show" in tested.err

    (delivery,) = (await by("olga", "delivery", "ls", "--subscription", number, "--json")).json()
    shown = await by("olga", "delivery", "show", str(delivery["id"]))
    assert "refused" in shown.out and "500" in shown.out
    receiver.status = 200
    assert (await by("olga", "delivery", "replay", str(delivery["id"]))).code == Exit.OK
    changed = await by("olga", "subscription", "change", number, "--topic", "*", "--json")
    assert changed.json()["topics"] == ["*"]


async def test_a_subscription_ends_and_is_taken_up_again(by: By, receiver) -> None:
    added = await by("olga", "subscription", "add", "olga@example.com", "--language", "en", "--json")
    number = str(added.json()["subscription"])

    assert (await by("olga", "subscription", "end", number)).code == Exit.OK
    assert (await by("olga", "subscription", "end", number)).code == Exit.REFUSED
    refused = await by("olga", "subscription", "test", number)
    assert refused.code == Exit.REFUSED and "--enable" in refused.err
    assert (await by("olga", "subscription", "change", number, "--enable")).code == Exit.OK
