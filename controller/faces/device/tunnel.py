"""The wire of one tunnel: its header, chunks, echoes, and what may be written when (reference arms-protocol 4).

One object and no task for each tunnel, so that thousands cost little. Who may open one and what messages mean is the
keeper's (tunnels.py). Each write is one TLS record; that is what the rules of section 4.4 are about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

import structlog

from controller.services.reaches import Admitted
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Refusal
from protocol.arms.tunnel import (
    ACCEPTED,
    ECHO_RESPONSE,
    END,
    Assembler,
    ChunkReader,
    EchoRequest,
    EchoResponse,
    End,
    Event,
    HeaderReader,
    Piece,
    RequestHeader,
    encode_message,
    refused,
)
from protocol.arms.xml import encode
from protocol.errors import PeerMistake

log = structlog.get_logger()

HIGH_WATER = 192 << 10
"""Bytes on their way to an adapter that does not read; from here on requests wait. The socket below holds 64 KiB."""

MAX_UNREAD = HIGH_WATER + (64 << 10)
"""Answers do not wait. An adapter that lets this much pile up reads nothing and is hung up on."""

_READ_AHEAD = 32 << 10  # bytes that the TLS layer takes while reading is paused
_LAST_ID = (1 << 31) - 1

_PULL_AGAIN = encode(Refusal("push-confirmation-start", ResultCode.INVALID_PARAMETER, "Pull again", transaction_id=0))
"""Has a client pull again. HTTP has no word for it: refused, one that was confirmed once tries again for ever."""

_SHORT = 4096  # bytes of what somebody says who is only told that
_SEND_AWAY_S = 30.0  # clients give up by then


class Keeper(Protocol):
    """What a tunnel asks of, and tells, whoever keeps all of them."""

    def now(self) -> float:
        """Seconds of a monotonic clock."""

    async def admit(self, header: RequestHeader, source: str) -> Admitted | int | None:
        """Who it is; or the HTTP status of the refusal; None when it is to be told to pull, and nothing else."""

    def opened(self, tunnel: Tunnel) -> int:
        """The adapter has been let in; returns the tunnel's number."""

    def heard(self, tunnel: Tunnel, body: bytes) -> None:
        """A whole message has come in."""

    def lost(self, tunnel: Tunnel) -> None:
        """A tunnel that was opened is gone."""

    def mistaken(self, tunnel: Tunnel, error: PeerMistake) -> None:
        """It sent what is no tunnel; it is being closed."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:  # Any: what nobody sends and nobody gets
        """Run it as a task that somebody waits for."""


class Tunnel(asyncio.Protocol):
    """Handed to a connection whose first bytes ask for a tunnel. settled: called once, when the header is complete."""

    __slots__ = (
        "_assembler",
        "_chunks",
        "_ended",
        "_header",
        "_id",
        "_keeper",
        "_resumed",
        "_sending",
        "_settled",
        "_transport",
        "admitted",
        "heard_at",
        "legacy",
        "number",
        "source",
    )

    admitted: Admitted
    """Whose it is; set, like number, from the moment the keeper is told `opened`."""

    def __init__(self, keeper: Keeper, settled: Callable[[], None]) -> None:
        self._keeper, self._settled = keeper, settled
        self._transport: asyncio.Transport | None = None
        self._header: HeaderReader | None = HeaderReader()
        self._chunks: ChunkReader | None = None
        self._assembler = Assembler()
        self._id = 0
        self._ended = False
        self._sending: asyncio.Lock | None = None
        self._resumed: asyncio.Event | None = None  # present while the write buffer is above its high water
        self.number = 0
        self.source = ""
        self.legacy = False  # it speaks TLS 1.0, maybe nothing newer
        self.heard_at = keeper.now()

    @property
    def serial(self) -> str:
        return self.admitted.serial

    @property
    def held(self) -> int:
        """Bytes of incomplete messages."""
        return self._assembler.held

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.source = str(transport.get_extra_info("peername")[0])
        secured = transport.get_extra_info("ssl_object")
        self.legacy = secured is not None and secured.version() in ("TLSv1", "TLSv1.1")
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        read_limits = getattr(self._transport, "set_read_buffer_limits", None)  # of TLS transports only
        if read_limits is not None:
            read_limits(high=_READ_AHEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.resume_writing()
        self._end()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._keeper.now()
        try:
            if self._chunks is not None:
                self._take(self._chunks.feed(data))
            elif self._header is not None:
                self._read_header(self._header, data)
        except PeerMistake as error:
            self._keeper.mistaken(self, error)
            self._refuse(400) if self._chunks is None else self.close()

    def pause_writing(self) -> None:
        self._resumed = asyncio.Event()

    def resume_writing(self) -> None:
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    def pause_reading(self) -> None:
        """Hear nothing more until `resume_reading`: what came in has to be dealt with first."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def answer(self, body: bytes) -> None:
        """Send a short message at once, in one chunk and one record, past requests that wait to be read."""
        for record in self._records(body):
            self._write(record)

    async def send(self, body: bytes) -> None:
        """See transports.arms.tunnels.Line."""
        if self._sending is None:
            self._sending = asyncio.Lock()
        async with self._sending:
            for position, record in enumerate(self._records(body)):
                try:
                    await self._writable()
                except asyncio.CancelledError:
                    if position:
                        self.hang_up("It did not read a whole message in time.")
                    raise
                if self._transport is None or not self.is_open:
                    raise ConnectionError("it was closed")
                self._transport.write(record)

    def hang_up(self, why: str) -> None:
        """Say good-bye (the adapter then connects again after its retry interval) and close."""
        if self.is_open:
            log.info("A tunnel is closed.", adapter=self.serial, tunnel=self.number, why=why)
            self.say_good_bye()

    def say_good_bye(self) -> None:
        """As `hang_up`, and nobody needs to know."""
        self._write(END)
        self.close()

    def close(self) -> None:
        """Close without a word; what was written still goes out, for a few seconds."""
        if self._transport is not None:
            self._transport.close()
            self._end()

    def _end(self) -> None:
        """Tell the keeper once, not only when the peer has said good-bye, too."""
        if self.number and not self._ended:
            self._ended = True
            self._keeper.lost(self)

    def _read_header(self, reader: HeaderReader, data: bytes) -> None:
        header = reader.feed(data)
        if header is not None:
            self._header = None
            self._settled()
            self.pause_reading()
            self._keeper.spawn(self._open(header, reader.rest))

    async def _open(self, header: RequestHeader, rest: bytes) -> None:
        answer = await self._keeper.admit(header, self.source)
        if not self.is_open or self._transport is None:
            return
        if isinstance(answer, int):
            self._refuse(answer)
            return
        if answer is None:
            self._chunks, self._assembler = ChunkReader(max_chunk=_SHORT), Assembler(max_message=_SHORT, max_partial=1)
            asyncio.get_running_loop().call_later(_SEND_AWAY_S, self.close)
        else:
            self.admitted = answer
            self.number = self._keeper.opened(self)
            self._chunks = ChunkReader()
        self._transport.write(ACCEPTED)  # alone in its record: what shares it is dropped by clients
        self.resume_reading()
        if rest:
            self.data_received(rest)

    def _refuse(self, status: int) -> None:
        self._write(refused(status))
        self.close()

    def _send_away(self) -> None:
        """The answer to its first message, whose XML nobody reads."""
        self.answer(_PULL_AGAIN)
        self.close()

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if not self.is_open:
                return
            match event:
                case EchoRequest():
                    self._write(ECHO_RESPONSE)
                case Piece():
                    body = self._assembler.take(event)
                    if body is not None:
                        self._keeper.heard(self, body) if self.number else self._send_away()
                case End():
                    self.close()
                case EchoResponse():
                    pass  # nobody asked

    def _records(self, body: bytes) -> tuple[bytes, ...]:
        self._id = self._id % _LAST_ID + 1
        return encode_message(body, self._id)

    def _write(self, record: bytes) -> None:
        if self._transport is None or not self.is_open:
            return
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            log.info("A tunnel is cut: the adapter reads nothing.", source=self.source, tunnel=self.number)
            self._transport.abort()
            return
        self._transport.write(record)

    async def _writable(self) -> None:
        while self._resumed is not None:
            await self._resumed.wait()
