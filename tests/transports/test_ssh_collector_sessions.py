"""How many sessions there are at once, and sessions that are kept for several runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.ports import Failure
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.failures import NotOpened
from tests.transports.collecting import ANSWERS, LINES, SYSTEM, Start, bodies, so
from tests.transports.scripted_adapter import QUICK, Script


class TestHowManyAtOnce:
    async def test_one_session_per_adapter(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        collector = SshCollector()

        runs = await asyncio.gather(*(collector.collect(adapter.target, LINES, QUICK) for _ in range(3)))

        assert [run.failure for run in runs] == [None] * 3
        await so(lambda: len(adapter.seen.lines) == 9)
        assert adapter.seen.lines == ["show system", "show log", "exit"] * 3

    async def test_a_bounded_number_of_sessions(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        collector = SshCollector(at_once=2)
        one, two, three = (replace(adapter.target, serial=f"S{number}") for number in range(3))
        sessions = [await collector.open(one, QUICK), await collector.open(two, QUICK)]

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collector.collect(three, LINES, QUICK), 0.1)
        assert adapter.seen.connections == 2
        await sessions[0].close()

        assert (await collector.collect(three, LINES, QUICK)).failure is None
        await sessions[1].close()

    async def test_different_adapters_at_the_same_time(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({"show log": None}))
        collector = SshCollector(at_once=5)
        targets = [replace(adapter.target, serial=f"S{number}") for number in range(3)]

        await asyncio.gather(*(collector.collect(t, ("show log",), replace(QUICK, line_s=0.5)) for t in targets))

        assert adapter.seen.most_open == 3


class TestKeptSessions:
    async def test_several_runs_share_one_connection(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        session = await SshCollector().open(adapter.target, QUICK)

        first = await session.run("show system")
        second = await session.run_all(LINES)
        alive = session.alive
        await session.close()

        assert alive
        assert not session.alive
        assert first.body == SYSTEM
        assert bodies(second) == ANSWERS
        assert (adapter.seen.connections, len(adapter.seen.logins)) == (1, 1)
        await so(lambda: adapter.seen.open_now == 0)
        assert adapter.seen.lines == ["show system", *LINES, "exit"]

    async def test_a_kept_session_keeps_the_adapter_for_itself(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        collector = SshCollector()
        session = await collector.open(adapter.target, QUICK)

        collected = await collector.collect(adapter.target, LINES, replace(QUICK, total_s=0.2))
        await session.close()
        later = await collector.collect(adapter.target, LINES, QUICK)

        assert collected.failure is Failure.TIMEOUT
        assert "busy with another session" in collected.detail
        assert later.failure is None

    async def test_a_session_that_was_ended_says_so(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        session = await SshCollector().open(adapter.target, QUICK)
        adapter.connections[0].abort()
        await so(lambda: not session.alive)

        with pytest.raises(NotOpened, match="ended the connection"):
            await session.run("show system")
        await session.close()

        assert (await SshCollector().collect(adapter.target, LINES, QUICK)).failure is None

    async def test_a_session_left_in_the_middle_of_a_line_is_used_up(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({**ANSWERS, "show status arp": None}))
        session = await SshCollector().open(adapter.target, replace(QUICK, line_s=0.2))

        hung = await session.run("show status arp")
        with pytest.raises(NotOpened, match="left in the middle of a line"):
            await session.run("show system")
        await session.close()

        assert (hung.failure, hung.body) == (Failure.TIMEOUT, b"the beginning\r\nof")
        assert adapter.seen.lines == ["show status arp"]

    async def test_a_cancelled_line_uses_the_session_up(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({**ANSWERS, "show status arp": None}))
        session = await SshCollector().open(adapter.target, QUICK)
        run = asyncio.ensure_future(session.run("show status arp"))
        await so(lambda: adapter.seen.lines == ["show status arp"])

        run.cancel()
        await asyncio.wait([run])

        assert not session.alive
        await session.close()
        await so(lambda: adapter.seen.open_now == 0)

    async def test_a_failed_opening_gives_the_adapter_back(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        collector = SshCollector(at_once=1)

        with pytest.raises(NotOpened):
            await collector.open(replace(adapter.target, password="wrong"), QUICK)

        assert (await collector.collect(adapter.target, LINES, QUICK)).failure is None

    async def test_an_undeclared_line_is_refused_there_too(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        session = await SshCollector().open(adapter.target, QUICK)

        with pytest.raises(ValueError, match="nothing was sent"):
            await session.run("hostname x")

        assert (await session.run("show system")).body == SYSTEM
        await session.close()
