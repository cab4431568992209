"""What the collector brings home from a real SSH server, through a shell or line by line."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from controller.ports import Collected, Collector, Failure
from controller.transports.ssh.collect import SshCollector
from tests.transports.collecting import ANSWERS, LINES, LOG, SYSTEM, Start, bodies, so
from tests.transports.scripted_adapter import QUICK, Script


class TestWhatIsCollected:
    async def test_every_line_comes_back_byte_for_byte(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        collector: Collector = SshCollector()

        collected = await collector.collect(adapter.target, LINES, QUICK)

        assert (collected.failure, collected.detail) == (None, "")
        assert bodies(collected) == ANSWERS
        assert [item.failure for item in collected.printed] == [None, None]
        assert all(item.started_at.tzinfo and 0 <= item.duration_s < 5 for item in collected.printed)

    async def test_the_session_is_left_with_the_logout_word(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        await SshCollector().collect(adapter.target, LINES, QUICK)
        await so(lambda: adapter.seen.open_now == 0)

        assert adapter.seen.lines == ["show system", "show log", "exit"]

    async def test_the_terminal_is_wide_and_nothing_of_ours_is_passed_on(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        await SshCollector().collect(adapter.target, LINES, QUICK)

        assert adapter.seen.terminal == ("vt100", (511, 9999, 0, 0))
        assert adapter.seen.environment == {}

    async def test_the_series_set_up_comes_first_and_is_no_result(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, series_name="seil3"), LINES, QUICK)

        assert bodies(collected) == ANSWERS
        assert adapter.seen.lines[:3] == ["environment pager off", "environment terminal column 511", "show system"]

    async def test_a_pager_is_paged_through(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, page=1))

        collected = await SshCollector().collect(adapter.target, LINES, QUICK)

        assert bodies(collected) == ANSWERS
        assert adapter.seen.pages_asked == 4

    async def test_a_device_without_echo_is_understood(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({"show system": SYSTEM, "show log": b"one line\r\n"}, echo=False))

        collected = await SshCollector().collect(adapter.target, LINES, QUICK)

        assert [item.body for item in collected.printed] == [b"\r\n" + SYSTEM, b"\r\none line\r\n"]

    async def test_a_prompt_look_alike_before_a_pause_does_not_end_the_answer(self, adapter_with: Start) -> None:
        answer = b"x" * 9 + b"\r\n# " + b"y" * 11 + b"\r\n"  # its halves meet right after the "# "
        script = Script({"show log": answer, "show system": SYSTEM}, pause_in="show log")
        adapter = await adapter_with(script)

        collected = await SshCollector().collect(adapter.target, ("show log", "show system"), QUICK)

        assert bodies(collected) == script.answers

    async def test_output_over_the_limit_is_cut_and_the_next_line_is_whole(self, adapter_with: Start) -> None:
        huge = b"0123456789abcdef 0123456789abcdef\r\n" * 90_000
        adapter = await adapter_with(Script({"show log": huge, "show system": SYSTEM}))

        collected = await SshCollector().collect(adapter.target, ("show log", "show system"), replace(QUICK, line_s=20))

        log, system = collected.printed
        assert collected.failure is None
        assert log.truncated
        assert log.body == huge[: 1 << 20]
        assert (system.body, system.truncated) == (SYSTEM, False)

    async def test_an_error_line_marks_the_run_and_the_other_lines_still_run(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({**ANSWERS, "show version": b"% unknown command: show version\r\n"}))

        collected = await SshCollector().collect(adapter.target, ("show version", "show log"), QUICK)

        assert collected.failure is Failure.DEVICE_REFUSED
        assert "refused 'show version': % unknown command: show version" in collected.detail
        assert [item.failure for item in collected.printed] == [Failure.DEVICE_REFUSED, None]
        assert collected.printed[1].body == LOG

    async def test_no_lines_means_a_login_and_a_logout(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script())

        assert await SshCollector().collect(adapter.target, (), QUICK) == Collected((), None, "")


class TestExecMode:
    WITHOUT_TERMINAL: ClassVar[dict[str, tuple[bytes, int]]] = {
        "show system": (
            b"0123abcd: line 1\r\n0123abcd: success of it\r\n00000000: success\r\n0123abcd: exit(0).\r\n",
            0,
        ),
        "show log": (b"plain\r\nsuccess\r\n", 0),
        "show key": (b"0123abcd: no key\r\n0123abcd: exit(1).\r\n", 0),
        "show status arp": (b"", 3),
    }

    async def test_a_series_that_allows_it_runs_each_line_by_itself(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(exec_answers=self.WITHOUT_TERMINAL))
        target = replace(adapter.target, series_name="seil3")

        collected = await SshCollector(prefer_exec=True).collect(target, LINES, QUICK)

        assert collected.failure is None
        assert bodies(collected) == {"show system": b"line 1\r\nsuccess of it\r\n", "show log": b"plain\r\nsuccess\r\n"}
        assert adapter.seen.terminal is None
        assert adapter.seen.connections == 1

    @pytest.mark.parametrize("line", ["show key", "show status arp"])
    async def test_an_exit_code_is_a_refusal(self, adapter_with: Start, line: str) -> None:
        adapter = await adapter_with(Script(exec_answers=self.WITHOUT_TERMINAL))
        target = replace(adapter.target, series_name="seil3")

        collected = await SshCollector(prefer_exec=True).collect(target, (line, "show log"), QUICK)

        assert [item.failure for item in collected.printed] == [Failure.DEVICE_REFUSED, None]

    async def test_the_others_get_their_shell(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        assert bodies(await SshCollector(prefer_exec=True).collect(adapter.target, LINES, QUICK)) == ANSWERS
        assert adapter.seen.terminal is not None

    async def test_its_output_is_cut_at_the_limit(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(exec_answers={"show log": (b"0123456789", 0)}))
        target = replace(adapter.target, series_name="seil3")

        collected = await SshCollector(prefer_exec=True).collect(target, ("show log",), replace(QUICK, max_bytes=4))

        assert (collected.printed[0].body, collected.printed[0].truncated) == (b"0123", True)
