"""`hikitsugi subscription` and `delivery` against the real API, with bearers of news and a real receiver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller.cli.app import root, run
from controller.cli.failures import Exit
from controller.cli.groups import ALL
from controller.services import news
from tests.api.conftest import Api, api
from tests.receivers import Hook, hook
from tests.registry_fixtures import Registry, registry
from tests.services import newsroom as room

__all__ = ["api", "registry"]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Terminal = Callable[..., Awaitable[Ended]]


@pytest.fixture
def terminal(api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """`await terminal("subscription", …)`: as olga."""

    async def call(*arguments: str) -> Ended:
        key = tmp_path / "olga.key"
        key.write_text(api.keys["olga"])
        options = ("--url", api.base.removesuffix("/api/v1/"), "--key-file", str(key))
        with capture_logs():  # the controller's would mix with what the command prints
            code = await asyncio.to_thread(run, root(ALL), [*arguments, *options])
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return call


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


async def test_who_subscribes_a_webhook_is_told_its_secret_once_and_can_try_it(terminal, receiver) -> None:
    added = await terminal(
        "subscription", "add", receiver.base, "--topic", "exchange.overdue", "--topic", "exchange.stuck"
    )
    assert added.code == Exit.OK and "whsec_" in added.out and "not shown again" in added.err
    (listed,) = (await terminal("subscription", "ls", "--json")).json
    number = str(listed["id"])
    assert listed["topics"] == ["exchange.overdue", "exchange.stuck"]
    tested = await terminal("subscription", "test", number)

    assert tested.code == Exit.OK and receiver.base in tested.out
    assert len(receiver.posted) == 1
    assert "whsec_" not in (await terminal("subscription", "show", number)).out


async def test_a_test_that_does_not_get_through_says_so_and_where_to_look(terminal, receiver) -> None:
    receiver.status = 500
    number = str((await terminal("subscription", "add", receiver.base, "--json")).json["subscription"])
    tested = await terminal("subscription", "test", number)
    assert tested.code == Exit.SOME_FAILED and "refused" in tested.err and "delivery show" in tested.err

    (delivery,) = (await terminal("delivery", "ls", "--subscription", number, "--json")).json
    shown = await terminal("delivery", "show", str(delivery["id"]))
    assert "refused" in shown.out and "500" in shown.out
    receiver.status = 200
    assert (await terminal("delivery", "replay", str(delivery["id"]))).code == Exit.OK
    changed = await terminal("subscription", "change", number, "--topic", "*", "--json")
    assert changed.json["topics"] == ["*"]


async def test_a_subscription_ends_and_is_taken_up_again(terminal, receiver) -> None:
    number = str(
        (await terminal("subscription", "add", "olga@example.com", "--language", "en", "--json")).json["subscription"]
    )

    assert (await terminal("subscription", "end", number)).code == Exit.OK
    assert (await terminal("subscription", "end", number)).code == Exit.REFUSED
    refused = await terminal("subscription", "test", number)
    assert refused.code == Exit.REFUSED and "--enable" in refused.err
    assert (await terminal("subscription", "change", number, "--enable")).code == Exit.OK
