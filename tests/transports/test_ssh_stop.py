"""A run that is told to stop sends nothing more, wherever it is, and says what it had."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.ports import Failure
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.kept import Kept
from tests.transports.collecting import ANSWERS, LINES, SYSTEM, Start, bodies, so
from tests.transports.scripted_adapter import QUICK, Script


async def test_told_before_it_began_it_does_not_connect(adapter_with: Start) -> None:
    adapter, stop = await adapter_with(Script(ANSWERS)), asyncio.Event()
    stop.set()

    collected = await SshCollector().collect(adapter.target, LINES, QUICK, stop=stop)

    assert (collected.failure, collected.printed) == (Failure.STOPPED, ())
    assert adapter.seen.connections == 0


@pytest.mark.parametrize("script", [Script(stalls_login=True), Script(greeting=b"no prompt")], ids=["login", "prompt"])
async def test_told_during_the_login_it_hangs_up(adapter_with: Start, script: Script) -> None:
    adapter, stop = await adapter_with(script), asyncio.Event()
    run = asyncio.ensure_future(SshCollector().collect(adapter.target, LINES, QUICK, stop=stop))
    await so(lambda: adapter.seen.open_now == 1)

    stop.set()
    collected = await asyncio.wait_for(run, 2)

    assert (collected.failure, collected.printed) == (Failure.STOPPED, ())
    await so(lambda: adapter.seen.open_now == 0)


async def test_told_while_it_waits_for_a_place_it_goes(adapter_with: Start) -> None:
    adapter, stop = await adapter_with(Script({"show log": None})), asyncio.Event()
    collector = SshCollector(at_once=1)
    busy = asyncio.ensure_future(collector.collect(adapter.target, ("show log",), QUICK))
    await so(lambda: adapter.seen.lines == ["show log"])
    waiting = asyncio.ensure_future(collector.collect(replace(adapter.target, serial="S2"), LINES, QUICK, stop=stop))
    await asyncio.sleep(0)

    stop.set()

    assert (await waiting).failure is Failure.STOPPED
    assert not busy.done()
    busy.cancel()
    await asyncio.wait([busy])


async def test_told_in_the_middle_of_a_line_it_keeps_what_came_and_does_not_even_log_out(adapter_with: Start) -> None:
    adapter, stop = await adapter_with(Script({**ANSWERS, "show log": None})), asyncio.Event()
    lines = ("show system", "show log", "show status arp")
    run = asyncio.ensure_future(SshCollector().collect(adapter.target, lines, QUICK, stop=stop))
    await so(lambda: len(adapter.seen.lines) == 2)

    stop.set()
    collected = await asyncio.wait_for(run, 2)

    assert collected.failure is Failure.STOPPED
    assert bodies(collected)["show system"] == SYSTEM
    assert [(item.line, item.failure) for item in collected.printed] == [
        ("show system", None),
        ("show log", Failure.STOPPED),
    ]
    await so(lambda: adapter.seen.open_now == 0)
    assert adapter.seen.lines == ["show system", "show log"]


async def test_what_is_stopped_is_not_kept(adapter_with: Start) -> None:
    adapter, stop = await adapter_with(Script({**ANSWERS, "show status arp": None})), asyncio.Event()
    collector = SshCollector(kept=Kept())
    run = asyncio.ensure_future(collector.collect(adapter.target, ("show status arp",), QUICK, stop=stop))
    await so(lambda: adapter.seen.lines == ["show status arp"])

    stop.set()
    await run

    assert len(collector.kept_sessions) == 0
    assert bodies(await collector.collect(adapter.target, LINES, QUICK, stop=asyncio.Event())) == ANSWERS
    await collector.close()


async def test_told_afterwards_it_changes_nothing(adapter_with: Start) -> None:
    adapter, stop = await adapter_with(Script(ANSWERS)), asyncio.Event()
    collector = SshCollector(kept=Kept())

    first = await collector.collect(adapter.target, LINES, QUICK, stop=stop)
    stop.set()
    second = await collector.collect(adapter.target, LINES, QUICK)
    await collector.close()

    assert (bodies(first), bodies(second)) == (ANSWERS, ANSWERS)
    assert adapter.seen.connections == 1
