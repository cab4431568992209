"""A campaign summed up, for all and for one contract; and followed as it goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.domain.errors import NotFound
from controller.ports import Failure
from controller.services import campaign_events, campaigns
from controller.services.campaign_events import Position
from controller.services.selections import Selection
from controller.store import claims
from tests.services.outputs import campaign as finished_campaign
from tests.services.outputs import ran


async def test_a_summary_has_outcomes_the_slowest_models_and_who_is_odd(fleet, registry) -> None:
    made = await finished_campaign(registry)
    for _ in range(4):
        await ran(registry, await fleet.entry(), {"show system": b"Hostname : a\r\n"}, in_campaign=made)
    odd = await fleet.entry()
    task = await ran(registry, odd, {"show system": b"Hostname : a\r\nsomething else\r\n"}, in_campaign=made)
    lost = await fleet.entry(series="seil3")
    await ran(registry, lost, {}, in_campaign=made, failure=Failure.UNREACHABLE)

    told = await campaigns.summary(registry.db, made, caller=registry.operator)

    assert [(o["state"], o["failure"], o["tasks"]) for o in told.numbers.outcomes] == [
        ("done", None, 5),
        ("failed", "unreachable", 1),
    ]
    assert [(m["series"], m["firmware"], m["done"], m["failed"]) for m in told.numbers.models] == [
        ("seil8", "3.42", 5, 0),
        ("seil3", "", 0, 1),
    ]
    assert len(told.numbers.slowest) == 6
    assert [(one.task, one.code) for one in told.odd] == [(task, odd)]
    assert [(one.printed, one.different, one.alike) for one in told.spreads] == [(5, 2, 4)]


async def test_an_operator_is_told_of_the_own_adapters_only(fleet, registry) -> None:
    made = await finished_campaign(registry, caller=registry.administrator)
    await ran(registry, await fleet.entry(), {"show system": b"a\r\n"}, in_campaign=made)
    for _ in range(2):
        await ran(registry, await fleet.entry(contract="C2"), {"show system": b"b\r\n"}, in_campaign=made)

    told = await campaigns.summary(registry.db, made, caller=registry.operator)

    assert (told.campaign["tasks"], [o["tasks"] for o in told.numbers.outcomes]) == (1, [1])
    assert len(told.numbers.slowest) == 1
    assert (await campaigns.summary(registry.db, made, caller=registry.stranger)).campaign["tasks"] == 2
    only_theirs = await finished_campaign(registry, caller=registry.administrator)
    await ran(registry, await fleet.entry(contract="C2"), {}, in_campaign=only_theirs)
    with pytest.raises(NotFound):
        await campaigns.summary(registry.db, only_theirs, caller=registry.operator)


@pytest.fixture
async def under_way(fleet, registry, clean) -> int:
    """A campaign with three waiting tasks."""
    for _ in range(3):
        await fleet.entry()
    asked = await campaigns.ask(
        registry.db,
        ["show system"],
        Selection(group=fleet.group),
        "",
        caller=registry.operator,
        now=registry.clock(),
    )
    return asked.campaign


async def end(registry, limit: int, failure: Failure | None = None) -> list[int]:
    """Run up to `limit` tasks; their ids."""
    now = registry.clock.forward(seconds=1)
    taken = await claims.claim(registry.db, now, timedelta(seconds=60), limit)
    for row in taken:
        finished = claims.Finished(row["id"], row["fence"], row["since"], "", (), failure, "", None)
        assert await claims.finish(registry.db, finished, now)
    return [row["id"] for row in taken]


def follow(registry, campaign: int, after: Position | None = None, **more):
    options = {"contract": None, "with_tasks": True, "stopping": asyncio.Event(), "silence_s": 60.0} | more
    return campaign_events.follow(registry.db, campaign, after=after or Position(), **options)


async def told(news, kinds: tuple[str, ...] = ("end",)) -> list:
    """What is told up to the first of these kinds."""
    heard = []
    async with asyncio.timeout(20):
        async for one in news:
            heard.append(one)
            if one is not None and one.kind in kinds:
                break
    return heard


async def test_it_is_told_how_far_it_is_who_ended_and_that_it_is_over(under_way, registry, monkeypatch) -> None:
    monkeypatch.setattr(campaign_events, "LOOK_S", 0.02)
    news = follow(registry, under_way)
    first = await told(news, ("progress",))
    assert [(one.kind, one.row["waiting"]) for one in first] == [("progress", 3)]

    done = await end(registry, 1)
    second = await told(news, ("progress",))
    assert [(one.kind, one.row["id"]) for one in second] == [("task", *done), ("progress", under_way)]

    failed = await end(registry, 2, Failure.TIMEOUT)
    await claims.turn(registry.db, registry.clock())
    last = await told(news)
    assert {one.row["id"] for one in last if one.kind == "task"} == set(failed)
    assert (last[-1].row["state"], last[-1].row["failed"]) == ("finished", 2)


async def test_whoever_comes_back_is_told_the_rest(under_way, registry) -> None:
    first = await end(registry, 1)
    position = (await told(follow(registry, under_way), ("task",)))[-1].position
    registry.clock.forward(seconds=10)
    rest = await end(registry, 2)
    await claims.turn(registry.db, registry.clock())

    after = Position.parse(str(position))
    heard = {one.row["id"] for one in await told(follow(registry, under_way, after)) if one.kind == "task"}

    assert set(rest) <= heard <= set(rest) | set(first)  # around the position a task may be told twice


async def test_a_task_that_becomes_visible_late_is_told_in_the_end(under_way, registry, monkeypatch) -> None:
    """A worker whose clock is slow, or whose commit takes long, ends a task before others that are told already."""
    monkeypatch.setattr(campaign_events, "LOOK_S", 0.02)
    late = await claims.claim(registry.db, registry.clock(), timedelta(seconds=600), 1)
    earlier = registry.clock()
    registry.clock.forward(seconds=60)
    await end(registry, 2)
    news = follow(registry, under_way)
    await told(news, ("progress",))
    finished = claims.Finished(late[0]["id"], late[0]["fence"], late[0]["since"], "", (), None, "", None)
    await claims.finish(registry.db, finished, earlier)
    await claims.turn(registry.db, registry.clock())

    assert [one.row["id"] for one in await told(news) if one.kind == "task"] == [late[0]["id"]]


async def test_silence_is_told_and_stopping_ends_it(under_way, registry, monkeypatch) -> None:
    monkeypatch.setattr(campaign_events, "LOOK_S", 0.02)
    stopping = asyncio.Event()
    news = follow(registry, under_way, silence_s=0.05, stopping=stopping)
    assert (await anext(news)).kind == "progress"
    assert await anext(news) is None

    stopping.set()
    assert [one async for one in news] == []


@pytest.mark.parametrize("text", ["x", "1", "-1-2", "1-x", "１-２", "99999999999999999-1", f"1-{2**63}"])
def test_a_position_that_was_never_given_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="position"):
        Position.parse(text)
