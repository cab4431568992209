"""R3.7 over SSH: the connection that is kept with an adapter ends when it is put out, and so does the run under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from controller.services import kept_sessions
from controller.store import registry as units
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.kept import Kept
from tests.device.put_out import PutOut, lock, number, put_out
from tests.registry_fixtures import Registry
from tests.services import tasks_at_work as at_work
from tests.services.tasks_at_work import Scripted
from tests.transports.collecting import ANSWERS, LINES, so
from tests.transports.scripted_adapter import QUICK, Script, ScriptedAdapter
from tests.waiting import until

__all__ = ["number", "put_out"]

clean = at_work.clean


@pytest.fixture
async def device() -> AsyncIterator[ScriptedAdapter]:
    adapter = ScriptedAdapter(Script(ANSWERS))
    await adapter.start()
    yield adapter
    await adapter.stop()


@pytest.fixture
async def collector(registry: Registry) -> AsyncIterator[SshCollector]:
    """It keeps its connections, and what they rest on is looked at."""
    made = SshCollector(kept=Kept(idle_s=60, keepalive_s=60, most=10))
    looking = asyncio.create_task(kept_sessions.run(registry.db, made.kept_sessions))
    yield made
    looking.cancel()
    await made.close()


async def test_the_connection_that_is_kept_with_it_ends(
    registry: Registry, number: int, device: ScriptedAdapter, collector: SshCollector, put_out: PutOut
) -> None:
    """R3.7. It is looked twice a second."""
    row = await units.adapter(registry.db, f"SER{number:05d}")
    assert row is not None
    target = replace(device.target, serial=row["serial"], since=row["since"])
    await collector.collect(target, LINES, QUICK)
    assert len(collector.kept_sessions) == 1 and device.seen.open_now == 1

    await put_out(number)

    await so(lambda: len(collector.kept_sessions) == 0 and device.seen.open_now == 0)
    assert kept_sessions.EVERY_S <= 0.5


@pytest.mark.usefixtures("clean")
async def test_a_run_under_way_is_stopped_and_says_why(registry: Registry, numbers, put_out: PutOut) -> None:
    """R3.7: what is running goes no further than the line it is at."""
    codes = await at_work.adapters(registry, numbers, 2)
    made = await at_work.campaign(registry, codes)
    scripted = Scripted()
    async with at_work.working(registry, scripted):
        await so(lambda: len(scripted.begun) == 2)

        await put_out(int(codes[0][1:]))

        async def ended():
            rows = await at_work.rows(registry, made)
            return rows if rows[0]["state"] != "running" else None

        first, second = await until(ended)
        assert (first["state"], second["state"]) == ("cancelled", "running")
        assert "locked out" in first["detail"]


@pytest.mark.usefixtures("clean")
async def test_a_harmful_line_under_way_is_said_to_be_in_doubt(registry: Registry, numbers) -> None:
    """R3.7; and nobody is told that a reboot did not happen."""
    codes = await at_work.adapters(registry, numbers, 1)
    made = await at_work.campaign(registry, codes, lines=["reboot"], kind="management")
    scripted = Scripted(on_stop=lambda lines: (at_work.printed(lines[0], at_work.Failure.STOPPED),))
    async with at_work.working(registry, scripted):
        await so(lambda: len(scripted.begun) == 1)
        await lock(registry, int(codes[0][1:]))
        (row,) = await until(await at_work.settled(registry, made))

    assert (row["state"], row["failure"]) == ("failed", "unknown")
    assert "locked out" in row["detail"] and "may or may not" in row["detail"]


@pytest.mark.usefixtures("clean")
async def test_what_was_to_run_on_it_is_not_begun(registry: Registry, numbers, put_out: PutOut) -> None:
    """R3.7."""
    codes = await at_work.adapters(registry, numbers, 1)
    made = await at_work.campaign(registry, codes)
    await put_out(int(codes[0][1:]))
    scripted = Scripted()
    scripted.gate.set()

    async with at_work.working(registry, scripted):
        (row,) = await until(await at_work.settled(registry, made))

    assert scripted.begun == []
    assert row["state"] == "failed" and row["failure"] in ("not-permitted", "registration-changed")
