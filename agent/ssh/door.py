"""The one door to all adapters: whose connection is this, and how does that adapter receive it.

The local address (or, with ports, the local port) names the adapter, so one listening socket does for thousands on
127/8: no start time and no memory per adapter. Only loopback gets in: the socket is bound to the device "lo" where the
kernel lets us, and in any case a connection to an address that is not loopback is reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from functools import partial

from agent.adapter import Adapter
from agent.faults import Fault
from agent.ssh.connection import connection_for, key_pair, prepared_options
from agent.ssh.login import Login
from agent.ssh.session import Host

BACKLOG = 2048
SILENCE_S = 600.0

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST
_NOISE = b"\x00\xff\x1b[2J%%garbage%%\r\n\x80\x81\x82\r\n" * 16


class CannotListen(Exception):
    """A port cannot be had; the text says which and what to do."""


class Door:
    """Listens on ports and receives for whoever `find` names: find(address, port) -> adapter or None."""

    def __init__(self, find: Callable[[str, int], Adapter | None], host: Host) -> None:
        self._find = find
        self._host = host
        self._options = prepared_options()
        self._servers: list[asyncio.Server] = []

    async def open(self, address: str, port: int, *, loopback_only: bool = True) -> None:
        """Listen on one port of `address` ("0.0.0.0" = all of them). Raises CannotListen."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if loopback_only:
                with contextlib.suppress(PermissionError):  # before Linux 5.7 only root may; _Visitor checks as well
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
            listener.bind((address, port))
        except OSError as error:
            listener.close()
            advice = "Ports below 1024 need root." if port < 1024 else "Pass another --ssh-port, or stop what uses it."
            raise CannotListen(f"SSH port {port} cannot be opened ({error.strerror}). {advice}") from error
        visitor = partial(_Visitor, self, loopback_only)
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(visitor, sock=listener, backlog=BACKLOG))

    def close(self) -> None:
        """Stop listening; connections under way are the host's to end."""
        for server in self._servers:
            server.close()

    def receive(self, transport: asyncio.Transport, loopback_only: bool) -> asyncio.Protocol | None:
        """The protocol that goes on with this connection; None when it was reset."""
        address, port, *_ = transport.get_extra_info("sockname")
        adapter = self._find(address, port)
        if loopback_only and not address.startswith("127."):
            adapter = None
        if adapter is None or not adapter.answers_ssh or adapter.faults.strikes(Fault.REFUSE):
            _reset(transport)
            return None
        if adapter.faults.strikes(Fault.SILENT):
            return _Mute(transport, b"")
        if adapter.faults.strikes(Fault.GARBAGE):
            return _Mute(transport, _NOISE)
        purpose = "ssh host key"
        if adapter.faults.strikes(Fault.WRONG_HOST_KEY):
            purpose = "another ssh host key"
        key = key_pair(adapter.seed, adapter.serial, purpose)
        return connection_for(self._options, key, partial(Login, adapter, self._host))


class _Visitor(asyncio.Protocol):
    """A connection of which only the addresses are known yet."""

    def __init__(self, door: Door, loopback_only: bool) -> None:
        self._door = door
        self._loopback_only = loopback_only

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if protocol := self._door.receive(transport, self._loopback_only):
            transport.set_protocol(protocol)
            protocol.connection_made(transport)


class _Mute(asyncio.Protocol):
    """Takes everything, says at most one thing, and hangs up: at once after noise, else after ten minutes."""

    def __init__(self, transport: asyncio.Transport, noise: bytes) -> None:
        self._timer: asyncio.TimerHandle | None = None
        if noise:
            transport.write(noise)
            transport.close()
        else:
            self._timer = asyncio.get_running_loop().call_later(SILENCE_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()


def _reset(transport: asyncio.Transport) -> None:
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
