"""Getting a stretch of one file to one connection: sendfile on plain TCP, slices under TLS; never waiting for ever.

Memory per download is bounded: nothing in user space on plain TCP, about three slices under TLS (one read, one
encrypted, one in the socket's buffer).

Slices are read (preadv) rather than mapped: the CPU is the same within the noise, but a file that is cut short or a bad
sector under a mapping would end the whole process by SIGBUS, and a page that is not in memory would block the loop.
"""

import asyncio
import errno
import os
import time
from dataclasses import dataclass
from io import FileIO

from aiohttp import web

from firmware_repo.hooks import Grant, Outcome, Turn

SLICE = 256 << 10
SENDFILE_SLICE = 1 << 20
RECHECK_S = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The slowest reader that is waited for: each slice may take grace_s + bytes / least_bytes_per_s seconds."""

    grace_s: float = 10.0
    least_bytes_per_s: int = 4096

    def deadline_s(self, count: int) -> float:
        return self.grace_s + count / self.least_bytes_per_s


@dataclass(frozen=True, slots=True)
class Sent:
    """count: body bytes that the connection took."""

    count: int
    outcome: Outcome


class _FileEnded(Exception):
    """The file has fewer bytes than when it was opened."""


class _NoLonger(Exception):
    """Who had the grant has it no more."""


@dataclass(frozen=True, slots=True)
class Leave:
    """What was granted to one download, and the slowest reader that is waited for."""

    grant: Grant
    turn: Turn
    pace: Pace


async def send(
    request: web.Request, response: web.StreamResponse, file: FileIO, start: int, stop: int, leave: Leave
) -> Sent:
    """Prepare `response` (its Content-Length is stop - start) and send these bytes of `file` as its body.

    Does not raise for what a peer or a disk can do: anything but COMPLETE has broken the connection.
    """
    transport = request.transport
    if transport is None:
        return Sent(0, Outcome.LOST)
    # So that a drain waits until the reader took everything. Not 0: under TLS, Python 3.11 then pauses for ever.
    transport.set_write_buffer_limits(high=1)
    plain = transport.get_extra_info("sslcontext") is None and isinstance(
        asyncio.get_running_loop(), asyncio.BaseEventLoop
    )
    step, largest = (_sendfile, SENDFILE_SLICE) if plain else (_write, SLICE)
    at, asked_at, pace = start, time.monotonic(), leave.pace
    try:
        await response.prepare(request)
        while at < stop:
            count = min(largest, stop - at)
            if leave.turn.share is not None:
                await leave.turn.share(count)
            if (now := time.monotonic()) - asked_at >= RECHECK_S:
                asked_at = now
                if not await leave.grant.allowed(at - start):
                    raise _NoLonger  # noqa: TRY301
            async with asyncio.timeout(pace.deadline_s(count)):
                await step(transport, response, file, at, count)
            at += count
        async with asyncio.timeout(pace.deadline_s(0)):
            await response.write_eof()
    except (_FileEnded, _NoLonger, OSError) as error:
        transport.abort()
        return Sent(at - start, _outcome(error))
    return Sent(at - start, Outcome.COMPLETE)


async def _sendfile(
    transport: asyncio.Transport, response: web.StreamResponse, file: FileIO, at: int, count: int
) -> None:
    if transport.is_closing():
        raise ConnectionResetError
    try:
        sent = await asyncio.get_running_loop().sendfile(transport, file, at, count, fallback=False)
    except asyncio.SendfileNotAvailableError:
        # Said of a file system without sendfile and of a broken connection alike; writing tells them apart.
        await _write(transport, response, file, at, count)
    else:
        if sent != count:
            raise _FileEnded


async def _write(transport: asyncio.Transport, response: web.StreamResponse, file: FileIO, at: int, count: int) -> None:
    data = _cached(file, at, count)
    await response.write(data if data is not None else await asyncio.to_thread(_read, file, at, count))


def _cached(file: FileIO, at: int, count: int) -> bytearray | None:
    """The bytes if they are in the page cache; None = ask the disk, in a thread."""
    data = bytearray(count)
    try:
        return data if os.preadv(file.fileno(), [data], at, os.RWF_NOWAIT) == count else None
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):  # some file systems cannot tell
            raise
        return None


def _read(file: FileIO, at: int, count: int) -> bytes:
    data = os.pread(file.fileno(), count, at)
    if len(data) != count:
        raise _FileEnded
    return data


def _outcome(error: Exception) -> Outcome:
    match error:
        case TimeoutError():
            return Outcome.STALLED
        case _FileEnded() | OSError(errno=errno.EIO):
            return Outcome.DAMAGED
        case _NoLonger():
            return Outcome.REFUSED
        case _:
            return Outcome.LOST
