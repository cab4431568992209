"""A connection on which images are asked for, one after the other, without an HTTP server between.

Whoever asks for something else on it, or in another form, is handed to the HTTP server with all that was not answered.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import structlog

from firmware_repo.answers import Answer
from firmware_repo.hooks import Asker
from firmware_repo.requests import MAX_HEAD, Incomplete, Request, read

if TYPE_CHECKING:
    from firmware_repo.web import Serving

IDLE_S = 10.0
_LEAVE_S = 120.0
_log = structlog.stdlib.get_logger("hikitsugi.firmware")


class Connection(asyncio.Protocol):
    """http: makes the protocol of the HTTP server (`AppRunner.server`). Idle, or with half a request: IDLE_S."""

    def __init__(self, serving: Serving, http: Callable[[], asyncio.BaseProtocol]) -> None:
        self._serving, self._http = serving, http
        self._transport: asyncio.Transport | None = None
        self._source = ""
        self._seen = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._stays, self._head, self._is_last = True, False, False
        self._paused = False
        self._room: asyncio.Future[None] | None = None
        self._since = 0.0

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._source = str(peer[0]) if peer else ""
        self._serving.connections.add(self)
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        self._tidying = loop.call_later(IDLE_S, self._tidy)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._forget()
        if self._room is not None and not self._room.done():
            self._room.set_exception(ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._task is None:
            self._next()
        elif len(self._seen) > MAX_HEAD and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Who says that no more requests come gets the answers to those that came, as nginx has it; TLS allows no such
        half of a connection in asyncio."""
        self._is_last = self._task is not None
        return self._is_last and self._transport is not None and self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def write(self, data: bytes | memoryview) -> None:
        """Write, and wait until the transport took it. Raises ConnectionResetError."""
        if self._transport is None:
            raise ConnectionResetError
        self._transport.write(data)
        await self._taken()

    async def begin(self, answer: Answer) -> None:
        """Write the header, and the text if the answer has one."""
        if self._transport is None:
            return
        text = answer.text.encode()
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", f"Date: {_date()}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if answer.span is None and answer.status != HTTPStatus.NOT_MODIFIED:
            lines.append(f"Content-Length: {len(text)}")
        if not self._stays:
            lines.append("Connection: close")
        self._transport.write("\r\n".join((*lines, "", "")).encode("latin-1") + (b"" if self._head else text))

    def cut(self) -> None:
        """End it now, and what is being sent."""
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        try:
            found = read(self._seen)
        except Incomplete:
            return
        if found is None:
            self._hand_over()
            return
        request, length = found
        del self._seen[:length]
        self._task = asyncio.create_task(self._respond(request))

    async def _respond(self, request: Request) -> None:
        self._stays, self._head = request.stays, request.head
        try:
            await self._serving.respond(Asker(self._source, request.headers), request, self)
            await (self._read() if self._stays else self._left())
        except Exception:
            _log.exception("A mistake of ours in a download.", source=self._source)
            self._stays = False
        self._task = None
        self._go_on()

    def _go_on(self) -> None:
        if self._transport is None:
            return
        if not self._stays:
            self._transport.close()
            return
        self._since = asyncio.get_running_loop().time()
        if self._seen:
            self._next()
        if self._transport is None:
            return
        if self._is_last and self._task is None:
            self._transport.close()
        elif len(self._seen) <= MAX_HEAD:
            self._transport.resume_reading()

    async def _taken(self) -> None:
        """Wait until the transport has room. Raises ConnectionResetError."""
        if self._paused:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    async def _read(self) -> None:
        """Who asks and does not read what is answered would fill the memory: no answer before there is room for it."""
        try:
            async with asyncio.timeout(IDLE_S):
                await self._taken()
        except (TimeoutError, ConnectionResetError):
            self._stays = False
            if self._transport is not None:
                self._transport.abort()

    async def _left(self) -> None:
        """Wait until the kernel has all: what TLS still holds when it is closed has only seconds.

        asyncio does not say how much it holds below TLS; but it holds nothing when the kernel has nothing to send.
        """
        ends_at, pause_s = time.monotonic() + _LEAVE_S, 0.001
        while self._transport is not None and not self._transport.is_closing() and time.monotonic() < ends_at:
            if not _unsent(self._transport):
                return
            await asyncio.sleep(pause_s)
            pause_s = min(0.5, pause_s * 2)

    def _hand_over(self) -> None:
        transport = self._transport
        if transport is None:
            return
        self._forget()
        self._transport = None
        transport.set_write_buffer_limits()
        protocol = self._http()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        cast(asyncio.Protocol, protocol).data_received(bytes(self._seen))

    def _forget(self) -> None:
        self._serving.connections.discard(self)
        self._tidying.cancel()

    def _tidy(self) -> None:
        if self._transport is None:
            return
        loop = asyncio.get_running_loop()
        left_s = self._since + IDLE_S - loop.time()
        if self._task is None and left_s <= 0:
            self._transport.close()
            return
        self._tidying = loop.call_later(max(left_s, 1.0), self._tidy)


def _unsent(transport: asyncio.Transport) -> int:
    """Bytes that the peer has not acknowledged yet."""
    socket = transport.get_extra_info("socket")
    return int(struct.unpack("i", fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4)))[0])


_now, _text = 0, ""


def _date() -> str:
    """As a Date header field has it."""
    global _now, _text
    if (now := int(time.time())) != _now:
        _now, _text = now, formatdate(now, usegmt=True)
    return _text
