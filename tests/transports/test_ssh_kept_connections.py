"""Connections are kept between runs: reused only where all is as it was, given up by themselves, at most one each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.ports import Failure, Login, Target
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.kept import Kept
from tests.transports.collecting import ANSWERS, LINES, SYSTEM, Start, bodies, so
from tests.transports.scripted_adapter import QUICK, Script

KEPT = Kept(idle_s=60, keepalive_s=60, most=10)
Collecting = Callable[[Kept], SshCollector]


@pytest.fixture
async def collecting() -> AsyncIterator[Collecting]:
    """Make collectors that keep connections; all are closed after the test."""
    made: list[SshCollector] = []

    def make(kept: Kept) -> SshCollector:
        made.append(SshCollector(kept=kept))
        return made[-1]

    yield make
    for collector in made:
        await collector.close()


class TestReuse:
    async def test_the_next_run_needs_no_login(self, adapter_with: Start, collecting: Collecting) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)

        runs = [await collector.collect(adapter.target, LINES, QUICK) for _ in range(3)]

        assert [bodies(collected) for collected in runs] == [ANSWERS] * 3
        assert (adapter.seen.connections, len(adapter.seen.logins)) == (1, 1)
        assert adapter.seen.lines == [*LINES] * 3

    async def test_runs_at_the_same_time_share_the_one_connection(
        self, adapter_with: Start, collecting: Collecting
    ) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)

        runs = await asyncio.gather(*(collector.collect(adapter.target, LINES, QUICK) for _ in range(4)))

        assert [bodies(collected) for collected in runs] == [ANSWERS] * 4
        assert adapter.seen.connections == 1

    async def test_without_the_setting_each_run_logs_in_and_out(self, adapter_with: Start) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), SshCollector()

        for _ in range(2):
            await collector.collect(adapter.target, LINES, QUICK)

        await so(lambda: adapter.seen.lines == [*LINES, "exit"] * 2)

    async def test_the_limits_are_those_of_the_run(self, adapter_with: Start, collecting: Collecting) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)
        await collector.collect(adapter.target, LINES, QUICK)

        cut = await collector.collect(adapter.target, LINES, replace(QUICK, max_bytes=4))

        assert [(item.body, item.truncated) for item in cut.printed] == [(SYSTEM[:4], True), (b"641 ", True)]
        assert adapter.seen.connections == 1

    async def test_a_run_that_left_the_adapter_in_the_middle_of_a_line_keeps_nothing(
        self, adapter_with: Start, collecting: Collecting
    ) -> None:
        adapter, collector = await adapter_with(Script({**ANSWERS, "show status arp": None})), collecting(KEPT)

        hung = await collector.collect(adapter.target, ("show status arp",), replace(QUICK, line_s=0.1))
        later = await collector.collect(adapter.target, LINES, QUICK)

        assert (hung.failure, later.failure) == (Failure.TIMEOUT, None)
        assert adapter.seen.connections == 2
        await so(lambda: adapter.seen.open_now == 1)

    async def test_a_refused_line_does_not_cost_the_connection(
        self, adapter_with: Start, collecting: Collecting
    ) -> None:
        script = Script({**ANSWERS, "show log": b"% unknown command\r\n"})
        adapter, collector = await adapter_with(script), collecting(KEPT)

        for _ in range(2):
            assert (await collector.collect(adapter.target, LINES, QUICK)).failure is Failure.DEVICE_REFUSED

        assert adapter.seen.connections == 1


class TestEviction:
    @pytest.mark.parametrize(
        "changed",
        [
            lambda target: replace(target, since=datetime(2026, 1, 1, tzinfo=UTC)),
            lambda target: replace(target, username="support"),
            lambda target: replace(target, previous=Login("old", "older")),
            lambda target: replace(target, host_key=target.host_key + " comment"),
            lambda target: replace(target, address="127.0.0.2"),
        ],
        ids=["registration", "login", "previous login", "host key", "address"],
    )
    async def test_what_differs_in_anything_logs_in_anew_after_the_old_one_has_ended(
        self, adapter_with: Start, collecting: Collecting, changed: Callable[[Target], Target]
    ) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)
        await collector.collect(adapter.target, LINES, QUICK)

        await collector.collect(changed(adapter.target), LINES, QUICK)

        assert adapter.seen.lines[:3] == [*LINES, "exit"]
        await so(lambda: adapter.seen.open_now <= 1)
        assert adapter.seen.most_open == 1

    async def test_evicted_it_is_logged_out(self, adapter_with: Start, collecting: Collecting) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)
        await collector.collect(adapter.target, LINES, QUICK)

        collector.evict(adapter.target.serial)
        collector.evict("BAA-unknown")

        await so(lambda: adapter.seen.open_now == 0 and adapter.seen.lines == [*LINES, "exit"])

    async def test_evicted_while_in_use_it_ends_with_its_run(self, adapter_with: Start, collecting: Collecting) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS, pause_in="show system")), collecting(KEPT)
        run = asyncio.ensure_future(collector.collect(adapter.target, LINES, QUICK))
        await so(lambda: adapter.seen.lines == ["show system"])

        collector.evict(adapter.target.serial)

        assert bodies(await run) == ANSWERS
        await so(lambda: adapter.seen.open_now == 0)
        await collector.collect(adapter.target, LINES, QUICK)
        assert adapter.seen.open_now == 1

    async def test_idle_for_long_enough_it_is_logged_out(self, adapter_with: Start, collecting: Collecting) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(replace(KEPT, idle_s=0.05))

        await collector.collect(adapter.target, LINES, QUICK)

        await so(lambda: adapter.seen.open_now == 0 and adapter.seen.lines == [*LINES, "exit"])

    async def test_no_more_are_kept_than_allowed_and_the_oldest_goes(
        self, adapter_with: Start, collecting: Collecting
    ) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(replace(KEPT, most=2))
        one, two, three = (replace(adapter.target, serial=f"S{number}") for number in range(3))

        for target in (one, two, one, three):
            await collector.collect(target, LINES, QUICK)
        await so(lambda: adapter.seen.open_now == 2)
        await collector.collect(one, LINES, QUICK)

        assert adapter.seen.connections == 3

    async def test_closing_ends_all_and_keeps_none_any_more(self, adapter_with: Start, collecting: Collecting) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)
        await collector.collect(adapter.target, LINES, QUICK)

        await collector.close()
        await so(lambda: adapter.seen.open_now == 0)
        await collector.collect(adapter.target, LINES, QUICK)

        await so(lambda: adapter.seen.open_now == 0)


class TestTheAdaptersOwnWill:
    async def test_one_that_it_ended_is_replaced_by_a_fresh_login(
        self, adapter_with: Start, collecting: Collecting
    ) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)
        await collector.collect(adapter.target, LINES, QUICK)

        adapter.connections[0].abort()
        await so(lambda: adapter.seen.open_now == 0)

        assert bodies(await collector.collect(adapter.target, LINES, QUICK)) == ANSWERS

    async def test_a_shell_that_logged_out_by_itself_closes_the_connection_too(
        self, adapter_with: Start, collecting: Collecting
    ) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)
        await collector.collect(adapter.target, LINES, QUICK)

        adapter.shells[0].say(b"\r\nidle for too long\r\n", exits=True)

        await so(lambda: adapter.seen.open_now == 0)
        assert bodies(await collector.collect(adapter.target, LINES, QUICK)) == ANSWERS

    async def test_one_that_says_something_unasked_is_not_trusted_any_more(
        self, adapter_with: Start, collecting: Collecting
    ) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)
        await collector.collect(adapter.target, LINES, QUICK)

        adapter.shells[0].say(b"\r\nshutdown in 5 minutes\r\n# ")
        await so(lambda: adapter.seen.open_now == 0)

        assert bodies(await collector.collect(adapter.target, LINES, QUICK)) == ANSWERS
        assert adapter.seen.connections == 2

    async def test_one_that_does_not_answer_any_more_is_given_up_after_three_questions(
        self, adapter_with: Start, collecting: Collecting
    ) -> None:
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(replace(KEPT, keepalive_s=0.03))
        await collector.collect(adapter.target, LINES, QUICK)

        adapter.go_deaf()

        await so(lambda: adapter.seen.open_now == 0)

    async def test_a_dead_one_is_found_out_before_a_line_is_sent(
        self, adapter_with: Start, collecting: Collecting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("controller.transports.ssh.session._SURELY_THERE_S", 0.0)
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)
        await collector.collect(adapter.target, LINES, QUICK)
        adapter.go_deaf()

        collected = await collector.collect(adapter.target, LINES, replace(QUICK, connect_s=1))

        assert bodies(collected) == ANSWERS
        assert adapter.seen.connections == 2
        assert adapter.seen.lines == [*LINES] * 2

    async def test_one_that_answers_is_used(
        self, adapter_with: Start, collecting: Collecting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("controller.transports.ssh.session._SURELY_THERE_S", 0.0)
        adapter, collector = await adapter_with(Script(ANSWERS)), collecting(KEPT)

        for _ in range(3):
            await collector.collect(adapter.target, LINES, QUICK)

        assert adapter.seen.connections == 1
