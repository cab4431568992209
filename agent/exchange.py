"""One question to a location or resolve server: connect, send, read the answer, hang up.

A new connection for each, HTTP/1.0, header and body in two TLS records, all as the real client does (protocol
reference §2). Its deadlines too: 30 s each for connecting, sending and every receive.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from agent.trust import Distrusted, anchored, check_location_server
from protocol.arms.http import Reply, ReplyReader, encode_pull
from protocol.arms.messages import (
    ConfigSolicitationRequest,
    PushMethodQueryRequest,
    Response,
    RsSolicitationRequest,
)
from protocol.arms.simple import encode_chunked_post
from protocol.arms.xml import decode_response, encode
from protocol.errors import ProtocolError
from protocol.ids import DistributionId

DEADLINE_S = 30.0

Question: TypeAlias = RsSolicitationRequest | ConfigSolicitationRequest | PushMethodQueryRequest


class Unanswered(Exception):
    """No usable answer came: no connection, no trust, no ARMS message, or an HTTP error. The text says which."""


@dataclass(frozen=True, slots=True)
class Line:
    """How to reach a server. url: https with a numeric host. anchor: PEM. local: the address to speak from, or ""."""

    url: str
    anchor: str
    local: str
    is_location_server: bool = False


async def ask(line: Line, distribution_id: DistributionId, key: str, request: Question) -> Response:
    """Send the request, return the answer, whatever its result code. Raises Unanswered."""
    path = urlsplit(line.url).path or "/"
    with explained():
        header, _, body = encode_pull(path, distribution_id, key, encode(request)).partition(b"\r\n\r\n")
        return await _converse(line, [header + b"\r\n\r\n", body])


async def post(line: Line, distribution_id: DistributionId, key: str, body: bytes) -> Response:
    """Send a confirmation's start or an operation's outcome over https-simple: HTTP/1.1 in chunks, as the real client.

    Returns the answer, whatever its result code. Raises Unanswered.
    """
    parts = urlsplit(line.url)
    middle = len(body) // 2
    with explained():
        pieces = (body[:middle], body[middle:])
        request = encode_chunked_post(parts.netloc, parts.path or "/", distribution_id, key, pieces)
        return await _converse(line, [request])


@contextmanager
def explained() -> Iterator[None]:
    """Whatever goes wrong on the way to a server becomes Unanswered, with a sentence."""
    try:
        yield
    except ProtocolError as mistake:
        raise Unanswered(mistake.detail) from mistake
    except Distrusted as reason:
        raise Unanswered(str(reason)) from reason
    except ssl.SSLCertVerificationError as error:
        raise Unanswered(f"the server's certificate was not accepted: {error.verify_message}") from error
    except TimeoutError as error:
        raise Unanswered(f"no answer within {DEADLINE_S:.0f} s") from error
    except (OSError, EOFError) as error:
        raise Unanswered(f"connection failed: {error}") from error


async def _converse(line: Line, records: list[bytes]) -> Response:
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await _connect(line)
    try:
        if line.is_location_server:
            check_location_server(writer.get_extra_info("ssl_object"))
        for record in records:
            writer.write(record)
        async with asyncio.timeout(DEADLINE_S):
            await writer.drain()
        reply = await _read_reply(reader)
    finally:
        writer.close()
    if reply.status >= 400:
        raise Unanswered(f"HTTP status {reply.status}")
    return decode_response(reply.body)


async def _connect(line: Line) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(line.url)
    return await asyncio.open_connection(
        parts.hostname,
        parts.port or 443,
        ssl=anchored(line.anchor),
        server_hostname="",  # the real client sends no name
        local_addr=(line.local, 0) if line.local else None,
        ssl_shutdown_timeout=1.0,
    )


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    incoming = ReplyReader()
    while True:
        async with asyncio.timeout(DEADLINE_S):
            data = await reader.read(65_536)
        if not data:
            incoming.closed()
            raise EOFError
        if reply := incoming.feed(data):
            return reply
