"""A real SSH server that is away, slow or gone in the middle: how each failure is told from the others."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from controller.ports import Failure, Limits, Target
from controller.transports.ssh.collect import SshCollector
from tests.transports.collecting import ANSWERS, LINES, SYSTEM, Start, bodies, so
from tests.transports.scripted_adapter import QUICK, Script


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
            adapter.target, ("show system", "show log", "show status arp"), replace(QUICK, line_s=1)
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

        collected = await SshCollector().collect(adapter.target, ("show log",), replace(QUICK, total_s=2))

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
        adapter = await adapter_with(Script({"clear log": b""}, hang_up_in="clear log"))

        collected = await SshCollector(attempts=3).collect(adapter.target, ("clear log",), QUICK)

        assert collected.failure is Failure.CONNECTION_LOST
        assert adapter.seen.lines == ["clear log"]
        assert adapter.seen.connections == 1

    async def test_a_cancelled_run_leaves_no_connection(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script({"show log": None}))
        run = asyncio.ensure_future(SshCollector().collect(adapter.target, ("show log",), QUICK))
        await so(lambda: adapter.seen.lines == ["show log"])

        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

        await so(lambda: adapter.seen.open_now == 0)


def test_default_limits_are_positive() -> None:
    limits = Limits()

    assert 0 < limits.connect_s <= limits.login_s <= limits.line_s <= limits.total_s
