"""The HTTP that carries pulls, from the adapter's end: the request it writes and the reply it reads. Sans-IO.

The credentials and the reply are those of https-simple too, see `simple`.

It mimics what libarms does rather than what HTTP says: HTTP/1.0 without Host, Basic authentication without being
asked, and a reply that ends where the message ends. The server's end is an ordinary HTTP server.
"""

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Final

from protocol.arms.elements import END
from protocol.arms.limits import MAX_KEY, MAX_URL_PATH, check_key
from protocol.arms.xml import MAX_RESPONSE
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

MAX_HEADER_LINE: Final = 1023
"""Bytes of a header line that a real client can read."""

MAX_HEADER: Final = 16 << 10
"""Bytes of status line and header together."""

_END = END.encode("ascii")
_PATH = re.compile(r"/[!-~]*")
_KEY = re.compile(r"[!-~]+")
_STATUS = re.compile(rb"HTTP/[0-9]{1,3}\.[0-9]{1,3} +([1-5][0-9]{2})(?: |$)")
_CHUNKED = re.compile(rb"transfer-encoding *:.*chunked", re.IGNORECASE)


def basic(distribution_id: DistributionId, key: str) -> str:
    """The value of the Authorization header. key: the LS-SA key towards the location server, else the RS-SA key.

    Raises OurMistake when the key is not 1 to 64 printable characters without space.
    """
    pair = f"{distribution_id}:{check_key('the key', key)}"
    return f"Basic {b64encode(pair.encode('ascii')).decode('ascii')}"


def parse_basic(header: str) -> tuple[DistributionId, str]:
    """The distribution id and the key that an Authorization header value carries.

    Raises PeerMistake (whose sentence never holds the key) when it is anything else. Compare the key in constant time.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 256:
        raise PeerMistake("the Authorization header is not Basic with a distribution id and a key")
    try:
        name, colon, key = b64decode(encoded.strip(), validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        raise PeerMistake("the Authorization header does not hold US-ASCII text in base64") from None
    if not (colon and len(key) <= MAX_KEY and _KEY.fullmatch(key)):
        raise PeerMistake(f"the Authorization header has no key of 1 to {MAX_KEY} printable characters")
    return DistributionId.parse(name), key


def check_path(path: str) -> str:
    """`path` if a client can have it: a "/" and at most 79 printable characters after it. Raises OurMistake."""
    if len(path) > MAX_URL_PATH + 1 or not _PATH.fullmatch(path):
        raise OurMistake(f"{path[:100]!r} is not a path of at most {MAX_URL_PATH} characters after its /")
    return path


def encode_pull(path: str, distribution_id: DistributionId, key: str, body: bytes) -> bytes:
    """The whole request of a pull or method query. path: with its leading "/", at most 79 characters after it.

    A real client sends header and body in two TLS records; cut at the first empty line to do the same.
    Raises OurMistake for a path or key that does not fit.
    """
    header = (
        f"POST {check_path(path)} HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: {basic(distribution_id, key)}\r\n\r\n"
    )
    return header.encode("ascii") + body


@dataclass(frozen=True, slots=True)
class Reply:
    """status: the HTTP status. body: from the header's end to </arms-message>; empty when the status is 400 or more."""

    status: int
    body: bytes


class ReplyReader:
    """Reads one reply, fed with pieces of any size.

    As in libarms: Content-Length is ignored, the end is the first </arms-message>, a status of 400 or more ends it at
    once, and chunked transfer is refused (libarms takes one chunk and breaks at the second). Unlike libarms, which sees
    the end by parsing, it relies on `xml.encode` never writing </arms-message> inside a message.
    """

    def __init__(self, *, max_body: int = MAX_RESPONSE) -> None:
        """max_body: bytes after the header at which the reply counts as endless."""
        self._max_body = max_body
        self._buffer = bytearray()
        self._status = 0  # 0 until the header is complete
        self._searched = 0
        self._done = False

    def feed(self, data: bytes) -> Reply | None:
        """Take the next bytes. Returns the reply once it is complete, None before; what comes after it is ignored.

        Raises PeerMistake when this is no HTTP reply, or it is too large.
        """
        if self._done:
            return None
        self._buffer += data
        if not self._status and not self._read_header():
            return None
        reply = Reply(self._status, b"") if self._status >= 400 else self._read_body()
        if reply is not None:
            self._done = True
            self._buffer.clear()
        return reply

    def closed(self) -> None:
        """Say that the peer has closed the connection. Raises PeerMistake unless the reply was complete."""
        if not self._done:
            raise PeerMistake(
                f"the connection was closed after {len(self._buffer)} bytes, before the reply was complete"
            )

    def _read_header(self) -> bool:
        """Cut status line and header off the buffer if they are there; False if more is needed."""
        end = self._buffer.find(b"\r\n\r\n", self._searched, MAX_HEADER)
        if end < 0:
            if len(self._buffer) >= MAX_HEADER:
                raise PeerMistake(f"the reply's header is longer than {MAX_HEADER} bytes")
            self._searched = max(0, len(self._buffer) - 3)
            return False
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        if max(map(len, lines)) > MAX_HEADER_LINE:
            raise PeerMistake(f"the reply's header has a line over {MAX_HEADER_LINE} bytes")
        self._status = _status(lines[0])
        if self._status < 400 and any(map(_CHUNKED.match, lines[1:])):
            raise PeerMistake("the reply is chunked; clients cannot read that")
        del self._buffer[: end + 4]
        self._searched = 0
        return True

    def _read_body(self) -> Reply | None:
        at = self._buffer.find(_END, self._searched)
        size = len(self._buffer) if at < 0 else at + len(_END)
        if size > self._max_body:
            raise PeerMistake(f"the reply is larger than {self._max_body} bytes")
        self._searched = max(0, size - len(_END) + 1)
        return None if at < 0 else Reply(self._status, bytes(self._buffer[:size]))


def _status(line: bytes) -> int:
    match = _STATUS.match(line)
    if match is None:
        raise PeerMistake(f"the reply begins with {line[:60]!r}, not with an HTTP status")
    return int(match[1])
