"""One tunnel, from the adapter's end: header, chunks, echoes, and its end. What comes through is `requests`' business.

As the real client (protocol reference §4): the header waits for "HTTP/1.1 200" alone; every chunk is written as three
TLS records; an echo that is not answered by the next one's time is the end. No client certificate is offered, since
nobody asks for one.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from urllib.parse import urlsplit

from agent.exchange import DEADLINE_S, Unanswered, explained
from agent.faults import Fault
from agent.push import requests
from agent.push.contact import Contact
from agent.trust import anchored
from protocol.arms.codes import ResultCode
from protocol.arms.messages import OtherResponse, PushConfirmationStart, Response
from protocol.arms.tunnel import (
    ECHO_REQUEST,
    END,
    MAX_MESSAGE,
    Assembler,
    ChunkReader,
    EchoResponse,
    End,
    Event,
    Piece,
    ReplyHeaderReader,
    encode_message_as_adapter,
    encode_request_header,
)
from protocol.errors import PeerMistake

LEAST_ECHO_S = 1.0
"""Real seconds between two echoes, however fast the device's time passes: the server's answer takes real time."""


async def open_tunnel(contact: Contact, url: str) -> Tunnel:
    """Connect, and wait for the server to accept. Raises Unanswered."""
    adapter, server = contact.adapter, contact.adapter.volatile.server
    assert server is not None
    parts = urlsplit(url)
    local = contact.host.speaks_from(adapter)
    with explained():
        header = encode_request_header(parts.netloc, parts.path or "/", adapter.distribution_id, server.key)
        tunnel = Tunnel(contact, url, header)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: tunnel,
                    parts.hostname or "",
                    parts.port or 443,
                    ssl=anchored(server.certificate),
                    server_hostname="",  # the real client sends no name
                    local_addr=(local, 0) if local else None,
                    ssl_shutdown_timeout=1.0,
                )
                await tunnel.accepted
        except BaseException:
            tunnel.abort()
            raise
    return tunnel


_CONFIRMED = "confirmed"
_NOTHING = OtherResponse("", ResultCode.SUCCESS, "", None)


class Tunnel(asyncio.Protocol):
    """See the module. accepted: done when the server has. is_confirmed: it has shown that it can push through it.

    expected: the transaction id of the confirmation, from the answer to its start on.
    """

    has_numbers = True

    __slots__ = (
        "_assembler",
        "_chunks",
        "_contact",
        "_echo_is_late",
        "_greeting",
        "_header",
        "_is_unanswered",
        "_timer",
        "_transport",
        "_waiting",
        "accepted",
        "expected",
        "is_confirmed",
        "url",
    )

    def __init__(self, contact: Contact, url: str, greeting: bytes) -> None:
        self.url = url
        self.expected: int | None = None
        self.is_confirmed = False
        self.accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._contact = contact
        self._greeting = greeting
        self._header: ReplyHeaderReader | None = ReplyHeaderReader()
        self._chunks = ChunkReader(max_chunk=MAX_MESSAGE)
        self._assembler = Assembler()
        self._waiting: dict[str | int, asyncio.Future[Response]] | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_unanswered = self._echo_is_late = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._greeting)
        self._greeting = b""

    def data_received(self, data: bytes) -> None:
        try:
            if self._header:
                self._read_header(data)
                return
            for event in self._chunks.feed(data):
                self._take(event)
        except PeerMistake as mistake:
            self._break(mistake.detail)

    def connection_lost(self, exc: Exception | None) -> None:
        self._break(str(exc) if exc else "closed by the server")

    def send(self, message: bytes) -> None:
        """Send one ARMS message, cut into chunks. Nothing happens when the tunnel is gone."""
        if self._transport:
            for record in encode_message_as_adapter(message, secrets.randbelow(2**31)):
                self._transport.write(record)

    def expect(self, answer: str | int) -> asyncio.Future[Response]:
        """The answer of this type, or to the outcome of this transaction; Unanswered when the tunnel breaks before."""
        if self._waiting is None:
            self._waiting = {}
        self._waiting[answer] = future = asyncio.get_running_loop().create_future()
        if self._transport is None:
            future.set_exception(Unanswered("the tunnel is gone"))
        return future

    def came(self, answer: str | int, message: Response) -> bool:
        """An answer came; False when nobody waits for it."""
        if isinstance(message, PushConfirmationStart):
            self.expected = message.transaction_id
        future = self._waiting.pop(answer, None) if self._waiting else None
        if future and not future.done():
            future.set_result(message)
        return future is not None

    async def expects(self, transaction_id: int) -> bool:
        """Whether a push-confirmation-done of this number belongs to the confirmation under way."""
        return self.expected == transaction_id

    def confirmed(self) -> None:
        """The server has shown that it can push."""
        self.is_confirmed = True
        self.came(_CONFIRMED, _NOTHING)

    def confirmation(self) -> asyncio.Future[Response]:
        """Done when it has."""
        return self.expect(_CONFIRMED)

    def catch_up(self) -> None:
        """The adapter is no longer busy: send the echo that was due meanwhile."""
        if self._echo_is_late:
            self._echo_is_late = False
            self._tick()

    def close(self, *, orderly: bool = True) -> None:
        """Close from our side; orderly: with the zero chunk before."""
        if self._transport:
            if orderly and self._header is None:
                self._transport.write(END)
            self._transport.close()
        self._gone("closed")

    def abort(self) -> None:
        """Break off, as a power cut does."""
        if self._transport:
            self._transport.abort()
        self._gone("broken off")

    def drop(self) -> None:
        """Break by itself: the contact makes another."""
        if self._transport:
            self._transport.abort()
        self._break("dropped")

    def _read_header(self, data: bytes) -> None:
        assert self._header is not None
        status = self._header.feed(data)
        if status is None:
            return
        if status != 200:
            why = f"the tunnel was refused with HTTP status {status}"
            _fail(self.accepted, Unanswered(why))
            self._break(why)
            return
        self._header = None  # what came in the same piece after it is dropped, as by the real client
        if not self.accepted.done():
            self.accepted.set_result(None)
        self._arm()

    def _take(self, event: Event) -> None:
        match event:
            case Piece():
                if message := self._assembler.take(event):
                    requests.receive(self._contact, self, message, self.send)
            case EchoResponse():
                self._is_unanswered = False
            case End():
                self._break("ended by the server")

    def _arm(self) -> None:
        contact = self._contact
        wait_s = max(contact.adapter.volatile.terms.echo_s * contact.host.time_scale, LEAST_ECHO_S)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)

    def _tick(self) -> None:
        """Time for an echo. An adapter that is busy comes late, as it has one thread."""
        if self._transport is None:
            return
        if self._contact.is_busy:
            self._echo_is_late = True
            return
        if self._is_unanswered:
            self._break("the echo was not answered")
            return
        if not self._contact.adapter.faults.strikes(Fault.IGNORE_ECHO):
            self._is_unanswered = True
            self._transport.write(ECHO_REQUEST)
        self._arm()

    def _break(self, why: str) -> None:
        """It ends not by our doing; the contact hears of it once."""
        if self._transport is None:
            return
        self._transport.close()
        self._gone(why)
        self._contact.lost(self, why)

    def _gone(self, why: str) -> None:
        self._transport = None
        self.is_confirmed = False
        if self._timer:
            self._timer.cancel()
        waiting, self._waiting = self._waiting or {}, None
        reason = Unanswered(f"the tunnel is gone: {why}")
        _fail(self.accepted, reason)
        for future in waiting.values():
            _fail(future, reason)


def _fail(future: asyncio.Future[Any], reason: Unanswered) -> None:
    """Any: whatever was expected."""
    if not future.done():
        future.set_exception(reason)
        future.exception()  # nobody may be waiting any more
