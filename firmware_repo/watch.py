"""What is looked at once a second while a body goes out: does the reader take enough, and may it still have it?"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from firmware_repo.hooks import Grant, Outcome, Turn

_STRETCH = 256 << 10
_EVERY_S = 1.0
_NO_LINGER = struct.pack("ii", 1, 0)

_log = structlog.stdlib.get_logger("hikitsugi.firmware")


@dataclass(frozen=True, slots=True)
class Pace:
    """The slowest reader that is waited for: 256 KiB may take grace_s + bytes / least_bytes_per_s seconds."""

    grace_s: float = 10.0
    least_bytes_per_s: int = 4096

    def deadline_s(self, count: int) -> float:
        return self.grace_s + count / self.least_bytes_per_s


@dataclass(frozen=True, slots=True)
class Leave:
    """What one download may: still (grant), when and how fast (turn), how slowly (pace)."""

    grant: Grant
    turn: Turn
    pace: Pace


class Watch:
    """Over one body. at: the first byte that the connection has not taken. why: set when the watch has ended it.

    breaks: called besides breaking the connection, for whoever waits for something else than the transport.
    """

    def __init__(self, transport: asyncio.Transport, start: int, stop: int, leave: Leave) -> None:
        self.at, self.stop = start, stop
        self.why: Outcome | None = None
        self.breaks: Callable[[Exception], None] = _nobody
        self._transport, self._start, self._leave = transport, start, leave
        self._loop = asyncio.get_running_loop()
        self._every_s = min(_EVERY_S, leave.pace.grace_s)
        self._asking: asyncio.Task[None] | None = None
        self._holding = False
        self._begin_stretch()
        self._timer = self._loop.call_later(self._every_s, self._look)

    def moved(self, count: int) -> None:
        """The connection took so many more bytes."""
        self.at += count

    async def shared(self, share: Awaitable[None]) -> None:
        """Wait for this; the reader is not to blame for that time."""
        self._holding = True
        try:
            await share
        finally:
            self._holding = False
            self._begin_stretch()

    def close(self) -> None:
        self._timer.cancel()
        if self._asking is not None:
            self._asking.cancel()

    def _begin_stretch(self) -> None:
        self._stretch = min(self.at + _STRETCH, self.stop)
        self._until = self._loop.time() + self._leave.pace.deadline_s(self._stretch - self.at)

    def _look(self) -> None:
        if self.at >= self._stretch:
            self._begin_stretch()
        elif not self._holding and self._loop.time() > self._until:
            self._end(Outcome.STALLED)
            return
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        self._timer = self._loop.call_later(self._every_s, self._look)

    async def _ask(self) -> None:
        try:
            allowed = await self._leave.grant.allowed(self.at - self._start)
        except Exception:
            _log.exception("A mistake of ours; the download is ended.")
            allowed = False
        self._asking = None
        if not allowed:
            self._end(Outcome.REFUSED)

    def _end(self, why: Outcome) -> None:
        self.why = why
        self._timer.cancel()
        break_off(self._transport)
        self.breaks(ConnectionAbortedError())


def break_off(transport: asyncio.Transport) -> None:
    """End the connection at once; what the kernel still holds for the peer is thrown away."""
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _nobody(error: Exception) -> None:
    return
