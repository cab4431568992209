"""`hikitsugi run`, `campaign`, `task` and `selection` against the real API, with a worker that plays the adapters."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from controller.cli.failures import Exit
from controller.ports import Failure
from controller.store import claims
from tests.cli.conftest import By
from tests.registry_fixtures import Registry
from tests.services.campaigning import Fleet
from tests.services.outputs import campaign as finished_campaign
from tests.services.outputs import ran


@pytest.fixture
async def adapters(registry: Registry, fleet: Fleet) -> AsyncIterator[dict[str, Failure]]:
    """A worker in the background; codes that are put into the value fail so."""
    failing: dict[str, Failure] = {}

    async def work() -> None:
        while True:
            now = registry.clock.forward(milliseconds=1)
            for row in await claims.claim(registry.db, now, timedelta(seconds=60), 100):
                failure = failing.get(row["code"])
                finished = claims.Finished(row["id"], row["fence"], row["since"], "", (), failure, "", None)
                await claims.finish(registry.db, finished, now)
            await claims.turn(registry.db, now)
            await asyncio.sleep(0.02)

    working = asyncio.create_task(work())
    yield failing
    working.cancel()


async def test_a_run_is_followed_to_its_end(by: By, fleet, adapters) -> None:
    codes = [await fleet.entry(), await fleet.entry()]
    empty = await fleet.entry(empty=True)

    ended = await by("olga", "run", "show system", "--group", fleet.group, "--reason", "look")

    assert (ended.code, all(code in ended.out for code in codes)) == (Exit.OK, True)
    assert "2 of 2 done, 0 failed" in ended.out
    assert ended.err == f"Left out: {empty}: It holds no adapter.\n"


async def test_a_failed_task_is_an_exit_code(by: By, fleet, adapters) -> None:
    adapters[await fleet.entry()] = Failure.TIMEOUT
    await fleet.entry()

    ended = await by("olga", "run", "show system", "--group", fleet.group, "--json")

    assert ended.code == Exit.SOME_FAILED
    assert (ended.json()["done"], ended.json()["failed"]) == (1, 1)
    assert sorted(one["failure"] or "" for one in ended.json()["task_list"]) == ["", "timeout"]


async def test_a_preview_sends_nothing(by: By, fleet) -> None:
    entry = await fleet.entry(firmware="3.42", connected=True)
    locked = await fleet.entry(locked=True)

    ended = await by("olga", "run", "show system", "--group", fleet.group, "--preview")
    found = (await by("olga", "run", "show system", "--group", fleet.group, "--preview", "--json")).json()

    assert (ended.code, entry in ended.out, locked in ended.out) == (Exit.OK, True, True)
    assert "status commands on 1 adapters, 1 left out. Nothing was sent." in ended.out
    assert ([one["code"] for one in found["targets"]], [one["code"] for one in found["skips"]]) == ([entry], [locked])
    assert (await by("olga", "task", "ls", "--code", entry, "--json")).json() == []


async def test_a_run_for_later_only_says_when(by: By, fleet, registry) -> None:
    await fleet.entry()

    ended = await by("olga", "run", "show system", "--group", fleet.group, "--at", "2026-12-24T18:00", "--jitter", "60")

    assert ended.code == Exit.OK
    assert "2026-12-24 18:00:00 JST" in ended.out
    assert "hikitsugi campaign watch" in ended.out


async def test_somebody_has_to_say_on_which_adapters(by: By) -> None:
    ended = await by("olga", "run", "show system")

    assert (ended.code, "--selection" in ended.err) == (Exit.REFUSED, True)


async def test_what_is_refused_names_every_line(by: By, fleet) -> None:
    await fleet.entry()

    ended = await by("olga", "run", "show nothing", "reboot now", "--group", fleet.group)

    assert ended.code == Exit.REFUSED
    assert "lines.0" in ended.err and "lines.1" in ended.err and "What to do:" in ended.err


async def test_a_campaign_is_paused_resumed_moved_watched_and_aborted(by: By, fleet) -> None:
    await fleet.entry()
    started = await by("olga", "run", "show system", "--group", fleet.group, "--at", "2026-12-24T18:00", "--json")
    number = str(started.json()["id"])

    assert "paused" in (await by("olga", "campaign", "pause", number, "--reason", "lunch")).out
    assert "lunch" in (await by("olga", "campaign", "show", number)).out
    assert (await by("olga", "campaign", "resume", number, "--json")).json()["state"] == "running"
    assert "2026-12-25" in (await by("olga", "campaign", "move", number, "--at", "2026-12-25T18:00")).out
    assert (await by("olga", "campaign", "watch", number, "--wait", "0")).code == Exit.SOME_FAILED
    assert (await by("olga", "campaign", "abort", number, "--json")).json()["cancelled"] == 1
    assert (await by("olga", "campaign", "resume", number)).code == Exit.REFUSED
    listed = await by("olga", "campaign", "ls", "--state", "aborted", "--json")
    assert int(number) in [one["id"] for one in listed.json()]


async def test_one_task_is_moved_and_taken_back(by: By, fleet) -> None:
    code = await fleet.entry()
    await by("olga", "run", "show system", "--code", code, "--at", "2026-12-24T18:00")
    (task,) = (await by("olga", "task", "ls", "--code", code, "--json")).json()

    moved = await by("olga", "task", "move", str(task["id"]), "--at", "2026-12-25T09:00")
    cancelled = await by("olga", "task", "cancel", str(task["id"]), "--reason", "no need")

    assert "2026-12-25 09:00:00 JST" in moved.out
    assert cancelled.out == f"Task {task['id']} is cancelled.\n"
    assert "no need" in (await by("olga", "task", "show", str(task["id"]))).out


async def test_a_summary_is_readable(by: By, fleet, registry) -> None:
    made = await finished_campaign(registry)
    for printed in (b"a\r\n", b"a\r\n", b"a\r\n"):
        await ran(registry, await fleet.entry(), {"show system": printed}, in_campaign=made)
    odd = await fleet.entry()
    await ran(registry, odd, {"show system": b"b\r\n"}, in_campaign=made)
    await ran(registry, await fleet.entry(), {}, in_campaign=made, failure=Failure.UNREACHABLE)

    ended = await by("olga", "campaign", "summary", str(made))

    assert ended.code == Exit.OK
    for part in ("4 of 5 done, 1 failed", "unreachable", "By model and firmware", "Slowest", "Odd ones out", odd):
        assert part in ended.out
    assert "Left out" not in ended.out
    found = (await by("olga", "campaign", "summary", str(made), "--json")).json()
    assert [one["code"] for one in found["odd"]] == [odd]


async def test_what_was_printed_is_shown(by: By, fleet, registry) -> None:
    task = await ran(registry, await fleet.entry(), {"show system": b"Hostname : a\r\n"})

    shown = await by("olga", "task", "show", str(task))

    assert "Hostname : a\n" in shown.out


async def test_selections_are_kept_used_and_dropped(by: By, fleet, adapters) -> None:
    code = await fleet.entry(series="seil3", firmware="3.42")
    await fleet.entry(series="seil8")

    chosen = ("--group", fleet.group, "--series", "seil3", "--firmware", ">=3.10,<3.50")
    kept = await by("olga", "selection", "save", fleet.group, *chosen)
    assert f"hikitsugi run --selection {fleet.group}" in kept.out
    assert "firmware=>=3.10,<3.50" in (await by("olga", "selection", "ls")).out
    assert "seil3" in (await by("olga", "selection", "show", fleet.group)).out
    ended = await by("olga", "run", "show system", "--selection", fleet.group, "--json")
    assert [one["code"] for one in ended.json()["task_list"]] == [code]
    assert (await by("olga", "selection", "rm", fleet.group)).code == Exit.OK
    assert (await by("olga", "selection", "show", fleet.group)).code == Exit.REFUSED


async def test_of_a_large_campaign_people_see_what_failed(by: By, fleet, adapters, monkeypatch) -> None:
    from controller.cli.groups import runs

    monkeypatch.setattr(runs, "_LISTED", 1)
    good, bad = await fleet.entry(), await fleet.entry()
    adapters[bad] = Failure.UNREACHABLE

    ended = await by("olga", "run", "show system", "--group", fleet.group)

    assert (good in ended.out, bad in ended.out, ended.code) == (False, True, Exit.SOME_FAILED)
    assert "hikitsugi campaign summary" in ended.out


class Person(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


async def test_a_person_is_asked_before_more_than_looking_is_done(by: By, fleet, monkeypatch) -> None:
    code = await fleet.entry()
    monkeypatch.setattr("sys.stdin", Person("n\n"))

    refused = await by("olga", "run", "clear log", "--code", code)

    assert refused.code != Exit.OK
    assert "Run clear commands on 1 adapters?" in refused.err
    assert (await by("olga", "task", "ls", "--code", code, "--json")).json() == []
    assert (await by("olga", "run", "clear log", "--code", code, "--yes", "--wait", "0")).code == Exit.OK


async def test_whoever_stops_watching_is_told_how_to_go_on(by: By, fleet, monkeypatch) -> None:
    code = await fleet.entry()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("controller.cli.looks.looks", interrupted)
    ended = await by("olga", "run", "show system", "--code", code)

    assert (ended.code, "hikitsugi campaign watch" in ended.err) == (Exit.INTERRUPTED, True)
