"""Pulls as adapters send them, without an HTTP server: a short request that is there at once, one answer, good-bye.

That is all real clients ever say to /ls and /rs (reference arms-protocol 2), and most of what thousands that boot at
once cost is an HTTP server's work. So only the plainest form is read here: POST with Content-Length, whole within a few
reads. Whatever else it is, a mistake included, is left to the HTTP server, which has the last word on it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import structlog
from aiohttp import web

log = structlog.get_logger()

MAX_HEADER = 8 << 10
MAX_BODY = 64 << 10
_SEND_S = 300.0  # for the answer to leave; a config of 4 MiB on a line of 128 kbit/s
_FAREWELL_S = 1.0

_FIELDS = "Content-Type: text/xml\r\nConnection: close\r\n"
_REQUEST_LINE = re.compile(rb"POST (/ls|/rs) HTTP/1\.[01]\r\n")
_BEGINNINGS = b"POST /ls HTTP/1.", b"POST /rs HTTP/1."
_FIELD = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([!-~](?:[ -~]*[!-~])?)[ \t]*\r\n")
_LENGTH = re.compile(rb"[0-9]{1,5}")
_NOT_PLAIN = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"content-encoding"})


@dataclass(frozen=True, slots=True)
class Pull:
    path: str
    authorization: str
    body: bytes


class Incomplete(Exception):
    """The rest of a plain request may be on its way."""


def read(seen: bytes) -> Pull | None:
    """The request, None when it is not of the plainest form. Raises Incomplete."""
    end = seen.find(b"\r\n\r\n", 0, MAX_HEADER)
    if end < 0:
        if len(seen) < MAX_HEADER and any(seen.startswith(each[: len(seen)]) for each in _BEGINNINGS):
            raise Incomplete
        return None
    line = _REQUEST_LINE.match(seen)
    fields = None if line is None else _fields(seen, line.end(), end + 2)
    if line is None or fields is None:
        return None
    length, body = fields.get(b"content-length", b""), seen[end + 4 :]
    if not _LENGTH.fullmatch(length) or int(length) > MAX_BODY or len(body) > int(length):
        return None
    if len(body) < int(length):
        raise Incomplete
    return Pull(line[1].decode(), fields.get(b"authorization", b"").decode(), body)


def _fields(seen: bytes, at: int, end: int) -> dict[bytes, bytes] | None:
    """Header fields by lower-case name; None when there is one that we do not read, or one twice."""
    fields: dict[bytes, bytes] = {}
    while at < end:
        field = _FIELD.match(seen, at, end)
        if field is None or (name := field[1].lower()) in fields or name in _NOT_PLAIN:
            return None
        fields[name] = field[2]
        at = field.end()
    return fields


class ShortPulls:
    """Answers them. answer: PullFace.answer."""

    def __init__(self, answer: Callable[[str, str, str, bytes], Awaitable[bytes]]) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()

    def protocol(self, seen: bytes) -> asyncio.Protocol | None:
        """For a connection on which this has come; None when it is for the HTTP server. Raises Incomplete."""
        pull = read(seen)
        return None if pull is None else _Connection(self, pull)

    def serve(self, connection: _Connection, pull: Pull, source: str) -> None:
        task = asyncio.create_task(self._serve(connection, pull, source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cut off what is not answered yet; the adapters ask again."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_FAREWELL_S)
        for task in self._tasks:
            task.cancel()

    async def _serve(self, connection: _Connection, pull: Pull, source: str) -> None:
        status, body = "200 OK", b""
        try:
            body = await self._answer(pull.path, pull.authorization, source, pull.body)
        except web.HTTPException as refused:
            status = f"{refused.status} {refused.reason}"
        except Exception:
            log.exception("A mistake of ours in a pull.", source=source)
            status = "500 Internal Server Error"
        head = f"HTTP/1.1 {status}\r\n{_FIELDS}Content-Length: {len(body)}\r\n\r\n"
        await connection.finish(head.encode("ascii") + body)


class _Connection(asyncio.Protocol):
    """One request, and its answer in one write."""

    __slots__ = ("_pull", "_pulls", "_resumed", "_transport")

    def __init__(self, pulls: ShortPulls, pull: Pull) -> None:
        self._pulls, self._pull = pulls, pull
        self._transport: asyncio.Transport | None = None
        self._resumed: asyncio.Event | None = None  # present while the answer is on its way

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._pulls.serve(self, self._pull, str(transport.get_extra_info("peername")[0]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """The request was read before; after it there is nothing to say."""

    def pause_writing(self) -> None:
        self._resumed = asyncio.Event()

    def resume_writing(self) -> None:
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    async def finish(self, answer: bytes) -> None:
        """Send it and close, once it has left: what TLS still holds when it closes has only seconds."""
        if self._transport is None:
            return
        transport = self._transport
        transport.write(answer)
        try:
            if self._resumed is not None:
                async with asyncio.timeout(_SEND_S):
                    await self._resumed.wait()
        except TimeoutError:
            transport.abort()
        finally:
            transport.close()
