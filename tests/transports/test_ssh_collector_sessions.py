"""How many sessions there are at once, and who waits for whom."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.ports import Failure
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.kept import Kept
from tests.transports.collecting import ANSWERS, LINES, Start, so
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
        adapter = await adapter_with(Script({**ANSWERS, "show status arp": None}))
        collector = SshCollector(at_once=2)
        one, two, three = (replace(adapter.target, serial=f"S{number}") for number in range(3))
        hung = [
            asyncio.ensure_future(collector.collect(target, ("show status arp",), replace(QUICK, line_s=0.4)))
            for target in (one, two)
        ]
        await so(lambda: len(adapter.seen.lines) == 2)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collector.collect(three, LINES, QUICK), 0.1)
        assert adapter.seen.connections == 2

        assert (await collector.collect(three, LINES, QUICK)).failure is None
        assert [(await run).failure for run in hung] == [Failure.TIMEOUT] * 2

    async def test_different_adapters_at_the_same_time(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({"show log": None}))
        collector = SshCollector(at_once=5)
        targets = [replace(adapter.target, serial=f"S{number}") for number in range(3)]

        runs = [asyncio.ensure_future(collector.collect(target, ("show log",), QUICK)) for target in targets]

        await so(lambda: adapter.seen.open_now == 3)
        for run in runs:
            run.cancel()
        await asyncio.wait(runs)

    async def test_an_adapter_that_is_busy_all_the_time_is_given_up(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({**ANSWERS, "show status arp": None}))
        collector = SshCollector()
        hung = asyncio.ensure_future(
            collector.collect(adapter.target, ("show status arp",), replace(QUICK, line_s=0.5))
        )
        await so(lambda: adapter.seen.lines == ["show status arp"])

        collected = await collector.collect(adapter.target, LINES, replace(QUICK, total_s=0.1))
        await hung
        later = await collector.collect(adapter.target, LINES, QUICK)

        assert collected.failure is Failure.TIMEOUT
        assert "busy with another session" in collected.detail
        assert later.failure is None


class TestAfterwards:
    async def test_a_failed_login_gives_the_adapter_and_the_place_back(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        collector = SshCollector(at_once=1)

        refused = await collector.collect(replace(adapter.target, password="wrong"), LINES, QUICK)

        assert refused.failure is Failure.AUTHENTICATION_REFUSED
        assert (await collector.collect(adapter.target, LINES, QUICK)).failure is None

    @pytest.mark.parametrize("asked", [False, True], ids=["in a line", "while it is asked whether it is there"])
    async def test_a_cancelled_run_uses_a_kept_connection_up(
        self, adapter_with: Start, asked: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("controller.transports.ssh.session._SURELY_THERE_S", 0.0)
        adapter = await adapter_with(Script({**ANSWERS, "show status arp": None}))
        collector = SshCollector(kept=Kept())
        await collector.collect(adapter.target, LINES, QUICK)
        if asked:
            adapter.go_deaf()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collector.collect(adapter.target, ("show status arp",), QUICK), 0.1)

        await so(lambda: adapter.seen.open_now == 0)
        assert len(collector.kept_sessions) == 0
        assert (await collector.collect(adapter.target, LINES, QUICK)).failure is None
        await collector.close()

    async def test_an_eviction_during_a_login_that_fails_is_over_with_it(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, stalls_login=True))
        collector = SshCollector(kept=Kept())
        run = asyncio.ensure_future(collector.collect(adapter.target, LINES, replace(QUICK, login_s=0.2)))
        await so(lambda: adapter.seen.open_now == 1)

        collector.evict(adapter.target.serial)
        failed = await run
        adapter.script.stalls_login = False
        await collector.collect(adapter.target, LINES, QUICK)

        assert failed.failure is Failure.TIMEOUT
        assert len(collector.kept_sessions) == 1
        await collector.close()
