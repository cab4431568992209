"""The inner names of asyncssh that tuned.py leans on are still what it takes them for."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable

import asyncssh
import pytest
from asyncssh.connection import SSHConnection
from asyncssh.logging import SSHLogger

from controller.ports import Login
from controller.series import ALL, Series
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.tuned import TunedConnection, options_for
from tests.transports.scripted_adapter import QUICK, Script, ScriptedAdapter

Start = Callable[[Script], Awaitable[ScriptedAdapter]]


def parameters(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)


def overridden() -> set[str]:
    members = vars(TunedConnection).items()
    return {name for name, value in members if inspect.isfunction(value) or isinstance(value, property)}


def options_of(
    adapter: ScriptedAdapter, series_name: str = "seil8"
) -> tuple[asyncssh.SSHClientConnectionOptions, asyncio.Future[None]]:
    login = Login("admin", "secret")
    return options_for("127.0.0.1", adapter.target.port, login, series_name, "ssh-ed25519", asyncssh.SSHClient)


async def untuned(adapter: ScriptedAdapter) -> asyncssh.SSHClientConnection:
    options, _ = options_of(adapter)
    return asyncssh.SSHClientConnection(asyncio.get_running_loop(), options, wait="auth")


def test_every_override_replaces_something_and_every_addition_is_one() -> None:
    added = {"_flush", "open_shell", "ask", "carries", "lead_to"}

    for name in overridden() - added:
        assert hasattr(asyncssh.SSHClientConnection, name), f"asyncssh has no {name} any more"
    for name in added | {"_unsent", "_wire", "_silent"}:
        assert not hasattr(asyncssh.SSHClientConnection, name), f"asyncssh has a {name} of its own now"
    for name in ("_ask", "open_shell"):
        assert not hasattr(asyncssh.SSHClientChannel, name), f"asyncssh has a {name} of its own now"


def test_overridden_methods_take_what_they_took() -> None:
    assert parameters(SSHConnection._send) == ["self", "data"]
    assert parameters(SSHConnection.send_packet) == ["self", "pkttype", "args", "handler"]
    assert parameters(SSHConnection.connection_made) == ["self", "transport"]
    assert parameters(SSHLogger.log) == ["self", "level", "msg", "args", "kwargs"]
    assert parameters(SSHLogger.get_child) == ["self", "child", "context"]


async def test_what_is_set_on_a_connection_exists_on_a_plain_one(adapter_with: Start) -> None:
    plain = await untuned(await adapter_with(Script()))

    assert plain._auth_methods == [b"none"]
    assert plain._enc_alg_cs == b""
    assert isinstance(plain.logger, SSHLogger)


async def test_what_the_channel_leans_on_exists_on_a_plain_one(adapter_with: Start) -> None:
    plain = await untuned(await adapter_with(Script()))
    with contextlib.suppress(asyncssh.ChannelOpenError):  # it is not connected
        asyncssh.SSHClientChannel(plain, asyncio.get_running_loop(), "strict", None, "strict", 1, 1)

    assert parameters(asyncssh.SSHClientChannel.__init__)[1:] == [
        "conn",
        "loop",
        "utf8_decode_errors",
        "encoding",
        "errors",
        "window",
        "max_pktsize",
    ]
    assert parameters(asyncssh.SSHClientChannel._open) == ["self", "chantype", "args"]
    assert parameters(asyncssh.SSHClientChannel._send_request) == ["self", "request", "args", "want_reply"]
    assert inspect.iscoroutinefunction(asyncssh.SSHClientChannel._start_reading)
    assert "self._request_waiters.append(waiter)" in inspect.getsource(asyncssh.SSHClientChannel._make_request)


async def test_what_is_set_on_the_options_exists_on_plain_ones(adapter_with: Start) -> None:
    adapter = await adapter_with(Script())
    plain = vars(asyncssh.SSHClientConnectionOptions(config=None, username="x", client_keys=None))
    options, logged_in = options_of(adapter)

    assert {"host", "port", "username", "password", "protocol_factory"} <= set(plain)
    assert set(vars(options)) - set(plain) == {"waiter"}
    assert not logged_in.done()


async def test_options_are_never_shared_between_targets(adapter_with: Start) -> None:
    one, _ = options_of(await adapter_with(Script()))
    two, _ = options_of(await adapter_with(Script()))

    assert one.port != two.port
    assert one.waiter is not two.waiter


@pytest.mark.parametrize("series", ALL, ids=lambda series: series.name)
async def test_old_algorithms_come_last_and_only_where_declared(adapter_with: Start, series: Series) -> None:
    adapter = await adapter_with(Script())
    options, _ = options_of(adapter, series.name)
    old = series.old_algorithms

    assert options.encryption_algs[0] == b"aes128-gcm@openssh.com"
    assert options.kex_algs[0] == b"curve25519-sha256"
    for offered, declared in (
        (options.kex_algs, old.key_exchange),
        (options.encryption_algs, old.ciphers),
        (options.mac_algs, old.macs),
    ):
        weak = [name for name in offered if name.endswith((b"sha1", b"cbc", b"md5", b"arcfour"))]
        assert weak == [name.encode() for name in declared]
        assert list(offered[len(offered) - len(weak) :]) == weak


async def test_asyncssh_is_silent_unless_it_is_asked(adapter_with: Start, caplog: pytest.LogCaptureFixture) -> None:
    adapter = await adapter_with(Script({"show log": b"x\r\n"}))
    heard = {}

    for level in (logging.INFO, logging.DEBUG):
        caplog.clear()
        caplog.set_level(level, logger="asyncssh")
        await SshCollector().collect(adapter.target, ("show log",), QUICK)
        heard[level] = [record for record in caplog.records if "Connected to SSH server at" in record.message]

    assert heard[logging.INFO] == []
    assert len(heard[logging.DEBUG]) == 1


class Wire(asyncio.Transport):
    """Writes down what is written, until it is aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


def connected(adapter: ScriptedAdapter) -> tuple[TunedConnection, Wire]:
    options, _ = options_of(adapter)
    connection, wire = TunedConnection(asyncio.get_running_loop(), options), Wire()
    connection.connection_made(wire)
    return connection, wire


async def test_turns_of_the_loop_are_one_write_each(adapter_with: Start) -> None:
    connection, wire = connected(await adapter_with(Script()))
    connection._send(b"and ")
    connection._send(b"more")
    await asyncio.sleep(0)
    connection._send(b"later")
    await asyncio.sleep(0)

    assert len(wire.written) == 2
    assert wire.written[0].startswith(b"SSH-2.0-")
    assert wire.written[0].endswith(b"\r\nand more")
    assert wire.written[1] == b"later"
    connection.abort()


async def test_aborted_it_sends_nothing_more_not_even_what_was_about_to_leave(adapter_with: Start) -> None:
    connection, wire = connected(await adapter_with(Script()))
    await asyncio.sleep(0)
    connection._send(b"about to leave")
    connection.abort()
    for _ in range(3):
        await asyncio.sleep(0)

    assert [data[:8] for data in wire.written] == [b"SSH-2.0-"]
    assert wire.aborted


async def test_what_questions_and_jump_hosts_lean_on_exists_on_a_plain_one(adapter_with: Start) -> None:
    plain = await untuned(await adapter_with(Script()))

    assert plain._channels == {}
    assert parameters(asyncssh.SSHClientConnection._make_global_request) == ["self", "request", "args"]
