"""https-simple from the adapter's end: a TLS listener on its own address to which the server connects for every push.

As the real client (protocol reference §2, §3.4): a new listener for every confirmation; the certificate is the one that
the resolve server issued; a client certificate is asked for, and one of a stranger's CA ends the handshake. A call is
one request and one answer. Assumed: the port (any free one; the real one's is configured).
"""

from __future__ import annotations

import asyncio
import hmac
import os
import socket
import ssl
from functools import lru_cache
from urllib.parse import urlsplit

from agent.exchange import DEADLINE_S, Unanswered
from agent.push import requests
from agent.push.contact import Contact
from protocol.arms.messages import Response
from protocol.arms.simple import PushCall, PushReader, PushRefusal, encode_reply
from protocol.errors import PeerMistake

CALL_S = 60.0
"""Real seconds for a call, from the connection to its end; a command may take half of that."""

MAX_CALLS = 8
"""At a time; assumed."""


async def open_listener(contact: Contact) -> Listener:
    """Listen on a free port of the adapter's own address. Raises Unanswered."""
    terms, server = contact.adapter.volatile.terms, contact.adapter.volatile.server
    assert server is not None
    address = contact.host.speaks_from(contact.adapter) or _way_to(terms.urls[0])
    listener = Listener(contact)
    try:
        context = _identity(terms.certificate, terms.private_key, server.certificate)
        listener.server = await asyncio.get_running_loop().create_server(
            lambda: _Call(listener), address, 0, ssl=context, ssl_handshake_timeout=DEADLINE_S, ssl_shutdown_timeout=1.0
        )
    except (OSError, ValueError) as error:
        raise Unanswered(f"nothing can be listened on: {error}") from error
    listener.url = f"https://{address}:{listener.server.sockets[0].getsockname()[1]}/"
    return listener


class Listener:
    """Where the server pushes to. expected: the transaction ids of the confirmation under way, one for each RS.

    confirmation: done when the server has shown that it can push.
    """

    has_numbers = False

    def __init__(self, contact: Contact) -> None:
        self.contact = contact
        self.url = ""
        self.server: asyncio.Server | None = None
        self.expected: set[int] = set()
        self.calls: set[_Call] = set()
        self.is_confirmed = False
        loop = asyncio.get_running_loop()
        self.confirmation: asyncio.Future[None] = loop.create_future()
        self._asked: asyncio.Future[None] = loop.create_future()

    def expect(self, transaction_id: int) -> None:
        self.expected.add(transaction_id)

    def has_asked(self) -> None:
        """Every RS has answered or failed to: what is not expected now never will be."""
        if not self._asked.done():
            self._asked.set_result(None)

    async def expects(self, transaction_id: int) -> bool:
        """A server may connect before its answer to the start has been read here."""
        if transaction_id not in self.expected and not self._asked.done():
            await asyncio.wait([self._asked], timeout=DEADLINE_S)
        return transaction_id in self.expected

    def confirmed(self) -> None:
        self.is_confirmed = True
        if not self.confirmation.done():
            self.confirmation.set_result(None)

    def came(self, answer: str | int, message: Response) -> bool:
        """No answers come in calls; those to what the adapter says itself are its own connections'."""
        return False

    def close(self) -> None:
        """Take no more calls; those under way are answered."""
        self.is_confirmed = False
        if self.server:
            self.server.close()
        self.has_asked()

    def abort(self) -> None:
        """Break off, calls included."""
        self.close()
        for call in list(self.calls):
            call.abort()


class _Call(asyncio.Protocol):
    """One connection of the server's."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._reader = PushReader()
        self._is_read = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._listener.calls) >= MAX_CALLS:
            transport.abort()
            return
        self._listener.calls.add(self)
        self._timer = asyncio.get_running_loop().call_later(CALL_S, self.abort)

    def data_received(self, data: bytes) -> None:
        if self._is_read:
            return
        try:
            call = self._reader.feed(data)
        except PeerMistake:
            self.abort()
            return
        if call is not None:
            self._is_read = True
            self._take(call)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.calls.discard(self)
        if self._timer:
            self._timer.cancel()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def _take(self, call: PushCall | PushRefusal) -> None:
        if isinstance(call, PushRefusal):
            self._write(call.reply)
        elif not self._is_ours(call):
            self._write(encode_reply(401))
        else:
            requests.receive(self._listener.contact, _Channel(self._listener, self), call.body, self._answer)

    def _is_ours(self, call: PushCall) -> bool:
        adapter = self._listener.contact.adapter
        server = adapter.volatile.server
        right = server is not None and hmac.compare_digest(call.key.encode(), server.key.encode())
        return right and call.distribution_id == adapter.distribution_id

    def _answer(self, message: bytes) -> None:
        self._write(encode_reply(200, message))

    def _write(self, reply: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(reply)
            self._transport.close()


class _Channel:
    """What a call is to `requests`: the listener, only that breaking off is the call's."""

    has_numbers = False

    def __init__(self, listener: Listener, call: _Call) -> None:
        self.expects, self.came, self.confirmed = listener.expects, listener.came, listener.confirmed
        self.drop = call.abort


@lru_cache(maxsize=32)
def _identity(certificate: str, private_key: str, anchor: str) -> ssl.SSLContext:
    """The adapter as TLS server. Raises ValueError or OSError (ssl.SSLError) for PEM that will not do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=anchor)
    pem = os.memfd_create("sa-certificate")  # OpenSSL reads files only, and no key of an adapter's belongs on a disk
    try:
        os.write(pem, f"{private_key}\n{certificate}\n".encode("ascii"))
        context.load_cert_chain(f"/proc/self/fd/{pem}")
    finally:
        os.close(pem)
    return context


def _way_to(url: str) -> str:
    """The address from which this machine would speak to the server; nothing is sent."""
    parts = urlsplit(url)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((parts.hostname or "", parts.port or 443))
        return str(probe.getsockname()[0])
