"""Bytes of a file to a plain TCP socket by sendfile: as often as the kernel has room, without waking a task for it.

asyncio's own `loop.sendfile` takes the socket out of the loop and puts it back for each call, and wakes a task each
time the socket has room: with 64 readers that is half as much CPU again as nginx takes.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from io import FileIO

_AT_ONCE = 8 << 20
"""Bytes per call: so much at most, and then it is another reader's turn. Kernels hold 4 MiB for one socket; a fast
reader's costs a fifth more in pieces of 1 MiB."""
_PAUSE_S = 0.01


class FileEnded(Exception):
    """The file has fewer bytes than when it was opened."""


class Sendfile:
    """One download's way from `file` to the socket of `transport`, which nobody else writes to meanwhile.

    moved: called with the number of bytes after each call. The socket is watched under a descriptor of our own, because
    the event loop lets nobody else watch a transport's; `close` gives it back.
    """

    def __init__(self, transport: asyncio.Transport, file: FileIO, moved: Callable[[int], None]) -> None:
        self._transport, self._file, self._moved = transport, file.fileno(), moved
        self._socket = transport.get_extra_info("socket")
        self._loop = asyncio.get_running_loop()
        self._watched = -1
        self._at = self._stop = 0
        self._whole: asyncio.Future[None] | None = None

    async def send(self, at: int, stop: int) -> None:
        """Raises FileEnded, OSError; ConnectionResetError when the transport is closing."""
        self._at, self._stop = at, stop
        # The header waits for an earlier answer's end. asyncio tells its protocol when, which is not ours to be.
        while self._transport.get_write_buffer_size():  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE_S)
        if self._go(self._socket.fileno()):
            return
        if self._watched < 0:
            self._watched = os.dup(self._socket.fileno())
            self._no_delay(False)  # between two calls nothing is gained by sending half a segment
        self._whole = self._loop.create_future()
        self._loop.add_writer(self._watched, self._has_room)
        try:
            await self._whole
        finally:
            self._loop.remove_writer(self._watched)
            self._whole = None

    def fail(self, error: Exception) -> None:
        """Whoever waits in `send` gets this error."""
        if self._whole is not None and not self._whole.done():
            self._whole.set_exception(error)

    def close(self) -> None:
        """Give back what was taken; the last bytes leave now."""
        if self._watched >= 0:
            if not self._transport.is_closing():
                self._no_delay(True)
            os.close(self._watched)
            self._watched = -1

    def _no_delay(self, on: bool) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, on)

    def _has_room(self) -> None:
        assert self._whole is not None
        if self._whole.done():
            return
        try:
            whole = self._go(self._watched)
        except (FileEnded, OSError) as error:
            self._whole.set_exception(error)
            return
        if whole:
            self._whole.set_result(None)

    def _go(self, to: int) -> bool:
        """Whether that was all. The transport is asked first: of a closed one, the number may be somebody else's."""
        if self._transport.is_closing():
            raise ConnectionResetError
        try:
            count = os.sendfile(to, self._file, self._at, min(_AT_ONCE, self._stop - self._at))
        except BlockingIOError:
            return False
        if not count:
            raise FileEnded
        self._at += count
        self._moved(count)
        return self._at == self._stop
