"""How a tunnel begins: the header an adapter sends, once per connection, and the server's answer to it. Sans-IO.

It looks like an HTTP request with a chunked body and is none: both directions carry chunks from then on, so it is read
here and not by an HTTP server. Who calls is known (`RequestHeader`) before a byte of XML is looked at.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from protocol.arms.http import parse_basic
from protocol.arms.http_header import HeaderBuffer, encode_chunked_header
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

MAX_HEADER_LINE: Final = 1024
"""Bytes of a header line without its CRLF. A real client's longest is its Authorization, under 180."""

MAX_HEADER: Final = 4096
"""Bytes of the whole header, the empty line included. A real client's has about 210."""

ACCEPTED: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)
"""The answer that opens the tunnel.

Write it alone, in a TLS record of its own: clients silently drop what comes in the same record after it.
"""

_REQUEST_LINE = re.compile(rb"POST (/[!-~]*) HTTP/1\.[01]")
_FIELD = re.compile(rb"([!-9;-~]+):[ \t]*([\t -~]*)")
_STATUS_LINE = re.compile(rb"HTTP/([0-9]{1,3}\.[0-9]{1,3}) +([1-5][0-9]{2})(?: .*)?")


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """Who asks for a tunnel, and under which path. key: what it claims as its RS-SA key; compare in constant time."""

    path: str
    distribution_id: DistributionId
    key: str

    def __repr__(self) -> str:
        return f"RequestHeader(path={self.path!r}, distribution_id={self.distribution_id}, key=***)"


def encode_request_header(host: str, path: str, distribution_id: DistributionId, key: str) -> bytes:
    """The header as a real client writes it. host: with port ("192.0.2.1:443"). path: with its leading "/".

    Raises OurMistake for a host, path or key that does not fit.
    """
    return encode_chunked_header(host, path, distribution_id, key)


def refused(status: int) -> bytes:
    """The answer that refuses a tunnel; close after it. Clients wait, retry, and in the end pull again.

    status: 400 to 599, for instance 400 (not a tunnel's header), 403 (credentials), 404 (path), 503 (too many).
    """
    if not 400 <= status <= 599:
        raise OurMistake(f"HTTP status {status} does not refuse anything; it must be 400 to 599")
    phrase = HTTPStatus(status).phrase
    return f"HTTP/1.1 {status} {phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("ascii")


class HeaderReader:
    """Reads a tunnel's request header at the server, fed with pieces of any size. One reader for one connection.

    rest: once the header was returned, the bytes that came after it in the same piece; feed those to a ChunkReader.
    """

    def __init__(self) -> None:
        self._header = HeaderBuffer(MAX_HEADER_LINE, MAX_HEADER)

    @property
    def rest(self) -> bytes:
        return self._header.rest

    def feed(self, data: bytes) -> RequestHeader | None:
        """Take the next bytes. Returns the header once it is complete, None before; feed nothing after it.

        Raises PeerMistake when this is no tunnel's header, has no usable credentials, or is too long (4096 bytes, 1024
        for a line). The sentence never holds the key.
        """
        lines = self._header.lines(data)
        return None if lines is None else _read_request(lines)


class ReplyHeaderReader:
    """Reads the server's answer at the adapter, fed with pieces of any size.

    rest: once the status was returned, the bytes that came after the header in the same piece. A real client drops
    what shares a TLS record with the header.
    """

    def __init__(self) -> None:
        self._header = HeaderBuffer(MAX_HEADER_LINE, MAX_HEADER)

    @property
    def rest(self) -> bytes:
        return self._header.rest

    def feed(self, data: bytes) -> int | None:
        """Take the next bytes. Returns the status once the header is complete, None before; feed nothing after it.

        Only 200 opens the tunnel. Raises PeerMistake when this is no HTTP header, when it is too long, and for a
        success that a real client does not take for one: its first line must begin with "HTTP/1.1 200".
        """
        lines = self._header.lines(data)
        return None if lines is None else _read_status(lines[0])


def _read_request(lines: list[bytes]) -> RequestHeader:
    request = _REQUEST_LINE.fullmatch(lines[0])
    if request is None:
        raise PeerMistake(f"the header begins with {lines[0][:60]!r}, not with a POST request")
    credentials = [value for name, value in map(_read_field, lines[1:]) if name == b"authorization"]
    if len(credentials) != 1:
        raise PeerMistake(f"the header has {len(credentials)} Authorization lines instead of one")
    distribution_id, key = parse_basic(credentials[0].decode("ascii"))
    return RequestHeader(request[1].decode("ascii"), distribution_id, key)


def _read_field(line: bytes) -> tuple[bytes, bytes]:
    field = _FIELD.fullmatch(line)
    if field is None:
        raise PeerMistake(f"the header has a line that is not a name, a colon and text ({len(line)} bytes)")
    return field[1].lower(), field[2]


def _read_status(line: bytes) -> int:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise PeerMistake(f"the answer begins with {line[:60]!r}, not with an HTTP status")
    status = int(match[2])
    if status < 400 and not line.startswith(b"HTTP/1.1 200"):
        raise PeerMistake(f"the answer begins with {line[:60]!r}; clients take nothing but HTTP/1.1 200")
    return status
