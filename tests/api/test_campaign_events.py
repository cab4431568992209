"""A campaign as server-sent events, as a browser reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import pytest

from controller.faces.api import campaign_events
from controller.services import campaign_events as service
from controller.services import campaigns
from controller.services.selections import Selection
from controller.store import claims
from tests.services.campaigning import fleet
from tests.waiting import until

__all__ = ["fleet"]


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.02)


@dataclass
class Event:
    name: str
    id: str
    data: dict


async def read(answer: aiohttp.ClientResponse) -> AsyncIterator[Event | str]:
    """Events as the HTML standard has them parsed; comments as text."""
    fields: dict[str, str] = {}
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            yield line
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}


async def heard(answer: aiohttp.ClientResponse, last: str = "end") -> list[Event]:
    events = []
    async with asyncio.timeout(20):
        async for event in read(answer):
            if isinstance(event, Event):
                events.append(event)
                if event.name == last:
                    break
    return events


@pytest.fixture
async def campaign(fleet, registry) -> int:
    for _ in range(3):
        await fleet.entry()
    asked = await campaigns.ask(
        registry.db, ["show system"], Selection(group=fleet.group), "", caller=registry.operator, now=registry.clock()
    )
    return asked.campaign


async def end_all(registry) -> None:
    now = registry.clock.forward(seconds=1)
    for row in await claims.claim(registry.db, now, timedelta(seconds=60), 100):
        finished = claims.Finished(row["id"], row["fence"], row["since"], "", (), None, "", None)
        await claims.finish(registry.db, finished, now)
    await claims.turn(registry.db, now)


async def test_progress_tasks_and_the_end_come_as_they_happen(client, campaign, registry) -> None:
    olga = await client("olga")
    async with olga.get(f"campaigns/{campaign}/events") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        (first,) = await heard(answer, "progress")
        assert (first.data["id"], first.data["waiting"]) == (campaign, 3)

        await end_all(registry)
        events = await heard(answer)

    assert [event.data["state"] for event in events if event.name == "task"] == ["done"] * 3
    assert (events[-1].data["state"], events[-1].data["done"]) == ("finished", 3)


async def test_a_reader_who_comes_back_goes_on_where_it_was(client, campaign, registry) -> None:
    await end_all(registry)
    olga = await client("olga")
    async with olga.get(f"campaigns/{campaign}/events") as answer:
        before = await heard(answer)
    registry.clock.forward(seconds=60)

    async with olga.get(f"campaigns/{campaign}/events", headers={"Last-Event-ID": before[-1].id}) as answer:
        after = await heard(answer)

    assert len(before) == 4
    assert {event.data["id"] for event in after} <= {event.data["id"] for event in before}
    assert after[-1].name == "end"


async def test_tasks_can_be_left_out(client, campaign, registry) -> None:
    await end_all(registry)

    async with (await client("olga")).get(f"campaigns/{campaign}/events?tasks=false") as answer:
        assert [event.name for event in await heard(answer)] == ["end"]


async def test_a_comment_comes_when_nothing_happens(client, campaign, monkeypatch) -> None:
    monkeypatch.setattr(campaign_events, "COMMENT_S", 0.05)

    async with (await client("olga")).get(f"campaigns/{campaign}/events") as answer, asyncio.timeout(20):
        assert ": still here" in [event async for event in _two(read(answer))]


async def _two(events: AsyncIterator[Event | str]) -> AsyncIterator[Event | str]:
    yield await anext(events)
    yield await anext(events)


async def test_a_stream_does_not_outlive_its_time(client, campaign, monkeypatch) -> None:
    monkeypatch.setattr(campaign_events, "LONGEST_S", 0.0)

    async with (await client("olga")).get(f"campaigns/{campaign}/events") as answer:
        assert [event.name for event in await heard(answer)] == ["progress"]


async def test_there_is_a_bound_on_open_streams_and_places_come_back(client, campaign, api, monkeypatch) -> None:
    """At once, and not when the reader is told something next: who comes back is not kept out by who has gone."""
    monkeypatch.setattr(api.context.streams, "most_each", 1)
    olga = await client("olga")

    async with olga.get(f"campaigns/{campaign}/events") as first:
        await heard(first, "progress")
        async with olga.get(f"campaigns/{campaign}/events") as second:
            assert second.status == 429
            assert int(second.headers["Retry-After"]) > 0
        first.close()

    async def free() -> bool:
        return api.context.streams.open.total() == 0

    assert await until(free)


async def test_a_stream_ends_when_the_controller_stops(client, campaign, api) -> None:
    async with (await client("olga")).get(f"campaigns/{campaign}/events") as answer:
        await heard(answer, "progress")
        api.context.stopping.set()
        try:
            assert await heard(answer) == []
        finally:
            api.context.stopping.clear()


@pytest.mark.parametrize(
    ("account", "path", "headers", "status"),
    [
        ("otto", "campaigns/{}/events", {}, 404),
        ("olga", "campaigns/0/events", {}, 404),
        ("olga", "campaigns/{}/events", {"Last-Event-ID": "yesterday"}, 422),
    ],
)
async def test_what_is_not_theirs_or_makes_no_sense_is_refused(
    client, campaign, account: str, path: str, headers: dict, status: int
) -> None:
    async with (await client(account)).get(path.format(campaign), headers=headers) as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
