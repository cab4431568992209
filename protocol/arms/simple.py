"""https-simple: one push on one TLS connection that the server opens to the adapter. Sans-IO, both ends.

The server writes `encode_push` and reads the answer with `http.ReplyReader`: it has no length and ends at its message's
end, a status of 400 or more has no message, and `ReplyReader.closed` tells whether the connection ended too early.
The adapter reads with `PushReader` and answers with `encode_reply`. What it says by itself (confirmation and done
requests) it sends with `encode_chunked_post` to the server's ordinary HTTP port.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from protocol.arms.elements import END as MESSAGE_END
from protocol.arms.http import basic, parse_basic
from protocol.arms.http_header import HeaderBuffer, check_host, encode_chunked_header
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

MAX_HEADER_LINE: Final = 1022
"""Bytes of a header line, without its CRLF, that a real client reads; it answers 400 to a longer one."""

MAX_HEADER: Final = 16 << 10
"""Bytes of a push's header. Our bound: the client has none."""

MAX_PUSH: Final = 8 << 20
"""Bytes of a push's message by default: the largest config (4 MiB) in base64, with room. Our bound, as above."""

_DECLARATION: Final = b'<?xml version="1.0" encoding="US-ASCII" ?>\r'
"""A real client loses the line feed after the CR."""

_END = MESSAGE_END.encode("ascii")
_AUTHORIZATION: Final = b"Authorization: Basic "
_REQUEST_LINE = re.compile(rb"(?:get|post)[ \t]+[^ \t]{1,80}[ \t]+HTTP/[0-9]+\.[0-9]+", re.IGNORECASE)
_CHUNKED = re.compile(rb"Transfer-Encoding.*chunked")
_STATUS_LINES: Final = {
    200: b"HTTP/1.0 200 OK\r\n",
    400: b'HTTP/1.0 400 Bad Request\r\nWWW-Authenticate: Basic realm=""\r\n',
    401: b'HTTP/1.0 401 Authorization Required\r\nWWW-Authenticate: Basic realm=""\r\n',
}


def encode_push(host: str, distribution_id: DistributionId, key: str, body: bytes) -> bytes:
    """The server's whole request. host: the push endpoint's, with port. Never chunked: clients answer 400 to that.

    Real clients look for this very spelling of "Authorization". Raises OurMistake for a host or key that does not fit.
    """
    header = (
        f"POST / HTTP/1.1\r\nHost: {check_host(host)}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: {basic(distribution_id, key)}\r\nConnection: close\r\n\r\n"
    )
    return header.encode("ascii") + body


def encode_chunked_post(
    host: str, path: str, distribution_id: DistributionId, key: str, pieces: Iterable[bytes]
) -> bytes:
    """An adapter's confirmation or done request, one chunk for each piece, as real clients cut them.

    host: the server's, with port. path: with its leading "/". Raises OurMistake for an empty piece, which would end the
    body, and for a host, path or key that does not fit.
    """
    chunks = []
    for piece in pieces:
        if not piece:
            raise OurMistake("a chunk without bytes cannot be sent: it ends the body")
        chunks.append(b"%x\r\n%b\r\n" % (len(piece), piece))
    return encode_chunked_header(host, path, distribution_id, key) + b"".join(chunks) + b"0\r\n\r\n"


def encode_reply(status: int, body: bytes | None = None, *, chunked: bool = False) -> bytes:
    """A real client's answer to a push; the connection is closed after it.

    status: 200, 400 or 401. body: the message; None leaves only the XML declaration, which is all that a refusal has.
    chunked: whether the push was, which the answer then claims to be too (and is not). Raises OurMistake for another
    status.
    """
    if status not in _STATUS_LINES:
        raise OurMistake(f"clients never answer a push with HTTP status {status}; only with 200, 400 or 401")
    header = _STATUS_LINES[status] + b"Server: armsd\r\nConnection: close\r\nContent-Type: text/xml\r\n"
    if chunked:
        header += b"Transfer-Encoding: chunked\r\n"
    return header + b"\r\n" + _DECLARATION + (body or b"")


@dataclass(frozen=True, slots=True)
class PushCall:
    """A push as it came in. key: what the caller claims as RS-SA key; compare in constant time before the body is read.

    Wrong id or key: answer `encode_reply(401)`.
    """

    distribution_id: DistributionId
    key: str
    body: bytes

    def __repr__(self) -> str:
        return f"PushCall(distribution_id={self.distribution_id}, key=***, body={self.body!r})"


@dataclass(frozen=True, slots=True)
class PushRefusal:
    """A push that a real client refuses by HTTP alone: answer `reply` and close. reason: for the log."""

    reply: bytes
    reason: str


class PushReader:
    """Reads one push at the adapter, fed with pieces of any size, as forgiving and as strict as libarms.

    GET is as good as POST and the path does not matter; credentials are needed in the exact spelling; Content-Length is
    ignored, the message ends the push. Bounded, which libarms is not.
    """

    def __init__(self, *, max_body: int = MAX_PUSH) -> None:
        self._max_body = max_body
        self._header = HeaderBuffer(MAX_HEADER_LINE, MAX_HEADER)
        self._caller: tuple[DistributionId, str] | None = None
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> PushCall | PushRefusal | None:
        """Take the next bytes. Returns the push or its refusal once that is known, None before; feed nothing after it.

        Raises PeerMistake when the message gets larger than max_body.
        """
        if self._caller is not None:
            self._buffer += data
            return self._read_body(*self._caller)
        try:
            lines = self._header.lines(data)
        except PeerMistake as mistake:
            return PushRefusal(encode_reply(400), mistake.detail)
        if lines is None:
            return None
        read = _read_header(lines)
        if isinstance(read, PushRefusal):
            return read
        self._caller = read
        return self.feed(self._header.rest)

    def _read_body(self, distribution_id: DistributionId, key: str) -> PushCall | None:
        at = self._buffer.find(_END, self._searched)
        size = len(self._buffer) if at < 0 else at + len(_END)
        if size > self._max_body:
            raise PeerMistake(f"the push is larger than {self._max_body} bytes")
        self._searched = max(0, size - len(_END) + 1)
        return None if at < 0 else PushCall(distribution_id, key, bytes(self._buffer[:size]))


def _read_header(lines: list[bytes]) -> tuple[DistributionId, str] | PushRefusal:
    chunked = any(map(_CHUNKED.match, lines[1:]))
    if not _REQUEST_LINE.fullmatch(lines[0]):
        return PushRefusal(encode_reply(200), f"{lines[0][:60]!r} is neither GET nor POST")
    caller = _find_caller(lines[1:])
    if caller is None:
        return PushRefusal(encode_reply(401, chunked=chunked), "the push has no usable credentials")
    if chunked:
        return PushRefusal(encode_reply(400, chunked=True), "the push is chunked")
    return caller


def _find_caller(lines: list[bytes]) -> tuple[DistributionId, str] | None:
    """Who the last usable Authorization line says is calling."""
    caller = None
    for line in lines:
        if line.startswith(_AUTHORIZATION):
            try:
                caller = parse_basic(line.removeprefix(b"Authorization: ").decode("ascii"))
            except (PeerMistake, UnicodeDecodeError):
                continue
    return caller
