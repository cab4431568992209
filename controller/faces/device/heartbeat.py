"""The UDP socket of the heartbeats. It answers nothing, so it can be used to flood nobody.

A plain socket that is drained whenever it is readable, not an asyncio datagram endpoint: that costs a callback, a
protocol call and a flow-control look for each datagram, more than half of what a heartbeat costs here altogether.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from controller.services.heartbeats import Intake, Outcome
from controller.startup import CannotStart
from protocol.arms.heartbeat import MAX_DATAGRAM

log = structlog.get_logger()

BUFFER = 32 << 20
"""Bytes asked of the kernel for datagrams that wait: half a second of 50,000 a second (measured: 1.3 KB each)."""
_AT_ONCE = 200  # datagrams, about 2 ms; then the others on this event loop get their turn
_SO_MEMINFO, _DROPS = 55, 8  # Linux: nine 32-bit figures of the socket, the last is what its buffer had no room for
_SO_RCVBUFFORCE = 33  # Linux: more than net.core.rmem_max, for those with CAP_NET_ADMIN


@dataclass(slots=True)
class HeartbeatListener:
    """Takes datagrams off the wire and hands them to the intake, which judges them."""

    intake: Intake
    clock: Callable[[], datetime]
    _socket: socket.socket | None = None
    _lost: int = 0
    _counted_at: float = 0.0
    _loop: asyncio.AbstractEventLoop = field(init=False)

    def start(self, host: str, port: int) -> int:
        """Listen on a numeric address (IPv4 or IPv6, an IPv6 one alone); returns the port. Raises CannotStart."""
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            if family is socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            enlarge(opened)
            opened.bind((host, port))
        except OSError as error:
            opened.close()
            raise CannotStart(
                f"Cannot listen for heartbeats on {host}, UDP port {port}: {error.strerror}. "
                "Is another controller running?"
            ) from error
        self._socket = opened
        self._loop.add_reader(opened, self._drain)
        bound: int = opened.getsockname()[1]
        return bound

    def close(self) -> None:
        """Take what has arrived (of an endless flood a bufferful), stop listening. Twice or without start: nothing."""
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket)
        for _ in range(BUFFER // (_AT_ONCE * MAX_DATAGRAM)):
            if not self._drain():
                break
        self._count_lost()
        self._socket.close()
        self._socket = None

    def _drain(self) -> bool:
        """Take what is there, a bounded number; False when that was all. Those of one turn arrived at the same time."""
        assert self._socket is not None
        receive, take, now, at = self._socket.recvfrom, self.intake.take, self._loop.time(), self.clock()
        if now - self._counted_at >= 1:
            self._counted_at = now
            self._count_lost()
        try:
            for _ in range(_AT_ONCE):
                datagram, address = receive(MAX_DATAGRAM + 1)  # of a longer one enough to see that it is
                source = address[0]
                take(datagram, source.partition("%")[0] if "%" in source else source, now, at)  # without IPv6 scope
        except BlockingIOError:
            return False
        return True

    def _count_lost(self) -> None:
        """What the kernel had no room for since the last time."""
        assert self._socket is not None
        lost = struct.unpack("9I", self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36))[_DROPS]
        self.intake.counts[Outcome.LOST] += (lost - self._lost) % (1 << 32)
        self._lost = lost


def enlarge(opened: socket.socket) -> None:
    """Ask for BUFFER; what the kernel does not grant is said."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        granted = opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # Linux reports twice what it grants
        if granted < BUFFER:
            log.info("The heartbeats' buffer is smaller than asked for.", bytes=granted, setting="net.core.rmem_max")
