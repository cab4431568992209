"""The collector against a real SSH server: what it brings home, and how each failure is told from the others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from controller.ports import Collected, Collector, Failure, Limits, Target
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.failures import NotOpened
from tests.transports.scripted_adapter import QUICK, Script, ScriptedAdapter
from tests.waiting import until

Start = Callable[[Script], Awaitable[ScriptedAdapter]]

SYSTEM = b'SEIL/X4 Ver. 3.42\r\n\r\nHost    : "branch-a"\r\n'
LOG = b"641 Nov 22 06:30:01    info system link up lan1\r\n# not a prompt\r\n\xff\xfe\r\n"
ANSWERS: dict[str, bytes | None] = {"show system": SYSTEM, "show log": LOG}
LINES = ("show system", "show log")


def bodies(collected: Collected) -> dict[str, bytes]:
    return {printed.line: printed.body for printed in collected.printed}


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


class TestWhatIsRefusedBeforeAnythingIsSent:
    @pytest.mark.parametrize("line", ["show systems", "show system\rreboot", "show system; reboot", "exit", "password"])
    async def test_a_line_that_is_not_declared(self, adapter_with: Start, line: str) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        with pytest.raises(ValueError, match="nothing was sent"):
            await SshCollector().collect(adapter.target, ("show system", line), QUICK)

        assert adapter.seen.connections == 0

    async def test_an_unknown_series(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script())

        with pytest.raises(LookupError, match="no series 'seil9'"):
            await SshCollector().collect(replace(adapter.target, series_name="seil9"), LINES, QUICK)

    @pytest.mark.parametrize(
        ("pin", "reason"),
        [
            ("", "no host key is pinned"),
            ("ssh-ed25519", "not of the form"),
            ("ssh-ed25519 AAAA*", "not valid base64"),
            ("ssh-ed25519 AAAAB3NzaC1yc2E=", "of another type"),
        ],
    )
    async def test_an_adapter_without_a_usable_pin(self, adapter_with: Start, pin: str, reason: str) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, host_key=pin), LINES, QUICK)

        assert collected.failure is Failure.HOST_KEY_UNKNOWN
        assert reason in collected.detail
        assert adapter.seen.connections == 0


class TestTheHostKey:
    async def test_a_changed_key_is_never_accepted_and_both_fingerprints_are_shown(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        other = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, host_key=other.public_key()), LINES, QUICK)

        assert collected.failure is Failure.HOST_KEY_CHANGED
        assert collected.printed == ()
        assert adapter.fingerprint() in collected.detail
        assert other.fingerprint() in collected.detail
        assert (adapter.seen.connections, adapter.seen.logins, adapter.seen.lines) == (1, [], [])

    async def test_a_key_of_another_type_is_a_changed_key(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, host_keys=["ecdsa-sha2-nistp256"]))
        other = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, host_key=other.public_key()), LINES, QUICK)

        assert collected.failure is Failure.HOST_KEY_CHANGED
        assert adapter.fingerprint() in collected.detail

    @pytest.mark.parametrize("index", [0, 1, 2])
    async def test_of_several_keys_the_pinned_one_is_asked_for(self, adapter_with: Start, index: int) -> None:
        adapter = await adapter_with(Script(ANSWERS, host_keys=["ecdsa-sha2-nistp256", "ssh-rsa", "ssh-ed25519"]))
        target = replace(adapter.target, host_key=adapter.public_key(index) + " with a comment")

        assert (await SshCollector().collect(target, LINES, QUICK)).failure is None


class TestTheLogin:
    async def test_a_wrong_password_is_tried_once(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, password="wrong"), LINES, QUICK)

        assert collected.failure is Failure.AUTHENTICATION_REFUSED
        assert "'admin'" in collected.detail
        assert "wrong" not in collected.detail
        assert adapter.seen.logins == [("admin", "wrong")]

    async def test_a_password_never_shows_in_a_target(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script())

        assert "secret" not in repr(adapter.target)

    async def test_a_password_asked_for_as_a_question_is_answered(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, keyboard_interactive=True))

        assert (await SshCollector().collect(adapter.target, LINES, QUICK)).failure is None
        assert adapter.seen.logins == [("admin", "secret")]

    async def test_a_wrong_answer_to_the_question_is_given_once(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, keyboard_interactive=True))

        collected = await SshCollector().collect(replace(adapter.target, password="wrong"), LINES, QUICK)

        assert collected.failure is Failure.AUTHENTICATION_REFUSED
        assert adapter.seen.logins == [("admin", "wrong")]

    async def test_an_adapter_without_a_password_lets_the_user_name_in(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, password=""))

        assert (await SshCollector().collect(replace(adapter.target, password=""), LINES, QUICK)).failure is None
        assert adapter.seen.logins == []

    async def test_nothing_of_the_accounts_own_ssh_is_used(
        self, adapter_with: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        asked: list[object] = []
        agent = await asyncio.start_unix_server(lambda *streams: asked.append(streams), tmp_path / "agent")
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh" / "config").write_text("Host *\n  ProxyCommand false\n  User mallory\n  Ciphers none\n")
        (tmp_path / ".ssh" / "known_hosts").write_text("@revoked * " + adapter.public_key() + "\n")
        (tmp_path / ".ssh" / "id_ed25519").write_text("not a key")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))

        collected = await SshCollector().collect(adapter.target, LINES, QUICK)

        agent.close()
        assert collected.failure is None
        assert adapter.seen.logins == [("admin", "secret")]
        assert asked == []


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
class TestOldAlgorithms:
    OLD: ClassVar[dict[str, object]] = {
        "kex_algs": ["diffie-hellman-group14-sha1"],
        "encryption_algs": ["aes128-cbc"],
        "mac_algs": ["hmac-sha1"],
    }

    async def test_they_are_spoken_with_the_series_that_needs_them(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, options=self.OLD))

        collected = await SshCollector().collect(replace(adapter.target, series_name="seil3"), LINES, QUICK)

        assert bodies(collected) == ANSWERS

    async def test_and_with_no_other(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, options=self.OLD))

        collected = await SshCollector().collect(adapter.target, LINES, QUICK)

        assert collected.failure is Failure.UNREACHABLE
        assert "No matching key exchange algorithm" in collected.detail
        assert adapter.seen.connections == 1


class TestUnreachable:
    async def test_a_closed_port(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script())
        await adapter.stop()

        collected = await SshCollector().collect(adapter.target, LINES, QUICK)

        assert collected.failure is Failure.UNREACHABLE
        assert "Connection refused" in collected.detail
        assert adapter.target.serial in collected.detail

    async def test_a_connection_dropped_before_the_login_is_tried_again(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, dropped_connections=2))

        collected = await SshCollector(attempts=3).collect(adapter.target, LINES, QUICK)

        assert bodies(collected) == ANSWERS
        assert adapter.seen.connections == 3

    async def test_the_tries_are_limited(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, dropped_connections=100))

        collected = await SshCollector(attempts=2).collect(adapter.target, LINES, QUICK)

        assert collected.failure is Failure.UNREACHABLE
        assert adapter.seen.connections == 2

    @pytest.mark.parametrize(
        "noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-1.5-old\r\n", b"SSH-2.0-\xff\r\n", bytes(9000)]
    )
    async def test_something_that_is_not_ssh(self, noise: bytes) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(noise)
            await writer.drain()
            await reader.read(10_000)
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAQkbGq8ok0f1tk4A4WfSJfqaGBDI9HPd9ZPlkFzWpkQ"

        collected = await SshCollector().collect(
            Target("S", "seil8", "127.0.0.1", port, "admin", "x", key), LINES, replace(QUICK, connect_s=1)
        )

        server.close()
        assert collected.failure in (Failure.UNREACHABLE, Failure.TIMEOUT)
        assert collected.detail.startswith("S at 127.0.0.1:")

    async def test_a_login_that_gets_no_shell(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(gives_shell=False))

        collected = await SshCollector().collect(adapter.target, LINES, QUICK)

        assert collected.failure is Failure.UNREACHABLE
        assert "sessions may be in use" in collected.detail


class TestDeadlines:
    async def test_a_port_that_says_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            target = Target(
                "S",
                "seil8",
                "127.0.0.1",
                silent.getsockname()[1],
                "admin",
                "x",
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAQkbGq8ok0f1tk4A4WfSJfqaGBDI9HPd9ZPlkFzWpkQ",
            )

            collected = await SshCollector().collect(target, LINES, replace(QUICK, connect_s=0.2))

        assert collected.failure is Failure.TIMEOUT
        assert "no SSH connection within 0.2 s" in collected.detail

    async def test_a_login_that_takes_too_long(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(stalls_login=True))

        collected = await SshCollector().collect(adapter.target, LINES, replace(QUICK, login_s=0.2))

        assert collected.failure is Failure.TIMEOUT
        assert "no prompt after the login within 0.2 s" in collected.detail

    async def test_a_shell_without_a_prompt(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(greeting=b"branch-a login: "))

        collected = await SshCollector().collect(adapter.target, LINES, replace(QUICK, login_s=0.2))

        assert collected.failure is Failure.TIMEOUT
        assert "no prompt after the login" in collected.detail

    async def test_a_line_that_hangs_keeps_its_beginning_and_ends_the_run(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({"show system": SYSTEM, "show log": None, "show status arp": b"x\r\n"}))

        collected = await SshCollector().collect(
            adapter.target, ("show system", "show log", "show status arp"), replace(QUICK, line_s=0.3)
        )

        assert collected.failure is Failure.TIMEOUT
        assert "did not finish 'show log'" in collected.detail
        assert [(item.line, item.body, item.failure) for item in collected.printed] == [
            ("show system", SYSTEM, None),
            ("show log", b"the beginning\r\nof", Failure.TIMEOUT),
        ]
        assert "show status arp" not in adapter.seen.lines

    async def test_the_whole_run_has_a_deadline_too(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({"show log": None}))

        collected = await SshCollector().collect(adapter.target, ("show log",), replace(QUICK, total_s=0.3))

        assert collected.failure is Failure.TIMEOUT
        assert collected.printed[0].body == b"the beginning\r\nof"


class TestLostConnections:
    async def test_a_cut_in_the_middle_keeps_what_came(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({**ANSWERS, "show log": b"line 1\r\nli"}, hang_up_in="show log"))

        collected = await SshCollector().collect(adapter.target, (*LINES, "show status arp"), QUICK)

        assert collected.failure is Failure.CONNECTION_LOST
        assert [(item.line, item.body, item.failure) for item in collected.printed] == [
            ("show system", SYSTEM, None),
            ("show log", b"line 1\r\nli", Failure.CONNECTION_LOST),
        ]

    async def test_a_line_that_was_sent_is_never_sent_again(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({"reboot": b""}, hang_up_in="reboot"))

        collected = await SshCollector(attempts=3).collect(adapter.target, ("reboot",), QUICK)

        assert collected.failure is Failure.CONNECTION_LOST
        assert adapter.seen.lines == ["reboot"]
        assert adapter.seen.connections == 1

    async def test_a_cancelled_run_leaves_no_connection(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({"show log": None}))
        run = asyncio.ensure_future(SshCollector().collect(adapter.target, ("show log",), QUICK))
        await so(lambda: adapter.seen.lines == ["show log"])

        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

        await so(lambda: adapter.seen.open_now == 0)


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


async def so(condition: Callable[[], bool]) -> None:
    """Wait until it is so: something that the adapter's side does in its own time."""

    async def asked() -> bool:
        return condition()

    await until(asked, deadline_s=5, every_s=0.005)


def test_default_limits_are_positive() -> None:
    limits = Limits()

    assert 0 < limits.connect_s <= limits.login_s <= limits.line_s <= limits.total_s
