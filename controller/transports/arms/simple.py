"""https-simple: one request over one TLS connection to the adapter's own endpoint (reference arms-protocol 2, 3.4).

Nobody is told anything before we know who it is: the certificate must be the very one issued to the registration, which
an exchange revokes. Requests are never chunked; the reply has no length and ends with its message.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from controller.ports import AnswerLost, NotSent, Pushable, Reach
from controller.transports.arms.answers import Answer, as_answer, encoded, kind_of
from protocol.arms.http import Reply, ReplyReader
from protocol.arms.simple import encode_push
from protocol.arms.tunnel import MAX_MESSAGE
from protocol.arms.xml import decode_response
from protocol.errors import OurMistake, PeerMistake

_CONNECT_S = 10
_READ = 64 << 10


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Pushes to adapters that listen themselves. modern, legacy: from tls.push_context and tls.legacy_push_context."""

    modern: ssl.SSLContext
    legacy: ssl.SSLContext

    async def push(self, reach: Reach, request: Pushable, *, deadline_s: float) -> Answer:
        """See ports.Pusher; reach has an endpoint, a key and a certificate's digest."""
        asked = _Asked(reach, kind_of(request), encoded(request))
        try:
            async with asyncio.timeout(deadline_s):
                reader, writer = await self._connect(asked)
                try:
                    return await asked.converse(reader, writer)
                finally:
                    writer.close()
        except TimeoutError:
            raise asked.failed(f"nothing came within {deadline_s:g} s") from None

    async def _connect(self, asked: _Asked) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reach = asked.reach
        try:
            parts = urlsplit(reach.endpoint)
            return await asyncio.open_connection(
                parts.hostname,
                parts.port or 443,
                ssl=self.legacy if reach.legacy else self.modern,
                server_hostname="",  # real clients are sent no name, and have none to check
                ssl_handshake_timeout=_CONNECT_S,
                ssl_shutdown_timeout=1,
                limit=_READ,
            )
        except ssl.SSLCertVerificationError as error:
            raise asked.failed(f"it shows a certificate that is not of our root ({error.verify_message})") from error
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise asked.failed(str(error) or type(error).__name__) from error


@dataclass(slots=True)
class _Asked:
    """One request on its way. sent: the first byte of it may have left."""

    reach: Reach
    kind: str
    body: bytes
    sent: bool = False

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
        self._check_certificate(writer.get_extra_info("ssl_object"))
        request = self._request()
        try:
            self.sent = True
            writer.write(request)
            await writer.drain()
            reply = await _read_reply(reader)
        except (OSError, PeerMistake) as error:
            raise self.failed(str(error) or type(error).__name__) from error
        if reply.status >= 400:
            self.sent = False  # refused as a whole: wrong key (401), or what it does not take for a push (400)
            raise self.failed(f"it refuses the request with HTTP {reply.status}")
        return self._answer(reply.body)

    def failed(self, why: str) -> NotSent | AnswerLost:
        name = f"{self.reach.serial} at {self.reach.endpoint}"
        if self.sent:
            return AnswerLost(f"{name} gave no answer to {self.kind} that can be read: {why}.")
        return NotSent(
            f"{name} cannot be told {self.kind}: {why}. Check that it is up; it confirms again after a boot."
        )

    def _check_certificate(self, connection: ssl.SSLObject) -> None:
        shown = sha256(connection.getpeercert(binary_form=True) or b"").digest()
        if not hmac.compare_digest(shown, self.reach.certificate_sha256):
            raise self.failed("it shows another certificate than the one of its registration; nothing was sent")

    def _request(self) -> bytes:
        parts = urlsplit(self.reach.endpoint)
        try:
            return encode_push(parts.netloc, self.reach.distribution_id, self.reach.key, self.body)
        except OurMistake as error:
            raise self.failed(str(error)) from error

    def _answer(self, body: bytes) -> Answer:
        try:
            answer = as_answer(self.kind, decode_response(body))
        except PeerMistake as error:
            raise self.failed(str(error)) from error
        if answer is None:
            raise self.failed("it answers another request than this one")
        return answer


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    incoming = ReplyReader(max_body=MAX_MESSAGE)
    while True:
        data = await reader.read(_READ)
        reply = incoming.feed(data)
        if reply is not None:
            return reply
        if not data:
            incoming.closed()  # raises
