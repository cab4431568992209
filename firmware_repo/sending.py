"""Getting a stretch of one file to one connection: sendfile on plain TCP, slices under TLS; never waiting for ever.

Memory per download is bounded: nothing in user space on plain TCP, about three slices under TLS (one read, one
encrypted, one in the socket's buffer).

Slices are read (preadv) rather than mapped: the CPU is the same within the noise, but a file that is cut short or a bad
sector under a mapping would end the whole process by SIGBUS, and a page that is not in memory would block the loop.
"""

import asyncio
import errno
import os
from dataclasses import dataclass
from io import FileIO
from typing import Protocol

from firmware_repo.hooks import Outcome, Turn
from firmware_repo.sendfile import FileEnded, Sendfile
from firmware_repo.watch import Leave, Watch, break_off

SLICE = 256 << 10
"""Bytes that are read, encrypted and written at one time under TLS, and that `Turn.share` is asked for."""
_SPARE = 8


class Out(Protocol):
    """A connection on which the header has been written."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """None when it is gone."""

    async def write(self, data: bytes | memoryview) -> None:
        """Write, and wait until the transport took it. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Sent:
    """count: body bytes that the connection took."""

    count: int
    outcome: Outcome


async def send(out: Out, file: FileIO, start: int, stop: int, leave: Leave) -> Sent:
    """Send these bytes of `file` as the body of an answer whose header was written.

    Does not raise for what a peer or a disk can do: anything but COMPLETE has broken the connection.
    """
    transport = out.transport
    if transport is None or transport.is_closing():
        return Sent(0, Outcome.LOST)
    is_plain = transport.get_extra_info("sslcontext") is None
    taken = _at_once(transport, file, start, stop) if is_plain and leave.turn.share is None else 0
    if taken == stop - start:
        return Sent(taken, Outcome.COMPLETE)
    watch = Watch(transport, start, stop, leave)
    watch.moved(taken)
    try:
        if is_plain:
            await _send_plain(transport, file, watch, leave.turn)
        else:
            await _send_encrypted(out, file, watch, leave.turn)
    except (FileEnded, OSError) as error:
        break_off(transport)
        return Sent(watch.at - start, watch.why or _outcome(error))
    finally:
        watch.close()
    return Sent(stop - start, Outcome.COMPLETE)


def _at_once(transport: asyncio.Transport, file: FileIO, start: int, stop: int) -> int:
    """How much of a small piece the kernel takes now; most often all of it, and then there is nothing to watch over."""
    if stop - start > SLICE or transport.get_write_buffer_size():
        return 0
    try:
        return os.sendfile(transport.get_extra_info("socket").fileno(), file.fileno(), start, stop - start)
    except OSError:
        return 0  # whoever sends the rest finds out what it was


async def _send_plain(transport: asyncio.Transport, file: FileIO, watch: Watch, turn: Turn) -> None:
    kernel = Sendfile(transport, file, watch.moved)
    watch.breaks = kernel.fail
    try:
        while watch.at < watch.stop:
            count = watch.stop - watch.at
            if turn.share is not None:
                count = min(SLICE, count)
                await watch.shared(turn.share(count))
            await kernel.send(watch.at, watch.at + count)
    finally:
        kernel.close()


async def _send_encrypted(out: Out, file: FileIO, watch: Watch, turn: Turn) -> None:
    # So that a write waits until the reader took everything. Not 0: under TLS, Python 3.11 then pauses for ever.
    assert out.transport is not None
    out.transport.set_write_buffer_limits(high=1)
    while watch.at < watch.stop:
        count = min(SLICE, watch.stop - watch.at)
        if turn.share is not None:
            await watch.shared(turn.share(count))
        await _write(out, file, watch.at, count)
        watch.moved(count)


_spare: list[bytearray] = []
"""Buffers between two slices; a new one would have to be zeroed first, which costs as much as reading into it."""


async def _write(out: Out, file: FileIO, at: int, count: int) -> None:
    buffer = _spare.pop() if _spare else bytearray(SLICE)
    data = memoryview(buffer)[:count]
    if not _read_cached(file, at, data):
        await asyncio.to_thread(_read, file, at, data)
    await out.write(data)
    transport = out.transport
    if len(_spare) < _SPARE and transport is not None and not transport.get_write_buffer_size():
        _spare.append(buffer)  # asyncio has let go of it


def _read_cached(file: FileIO, at: int, data: memoryview) -> bool:
    """Whether the bytes were in the page cache, all; otherwise the disk is to be asked, in a thread."""
    try:
        return os.preadv(file.fileno(), [data], at, os.RWF_NOWAIT) == len(data)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):  # some file systems cannot tell
            raise
        return False


def _read(file: FileIO, at: int, data: memoryview) -> None:
    if os.preadv(file.fileno(), [data], at) != len(data):
        raise FileEnded


def _outcome(error: Exception) -> Outcome:
    match error:
        case FileEnded() | OSError(errno=errno.EIO):
            return Outcome.DAMAGED
        case _:
            return Outcome.LOST
