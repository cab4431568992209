"""What the HTTP headers of push have in common: one gathered within bounds, and the one that clients write. Sans-IO."""

import re
from typing import Final

from protocol.arms.http import basic, check_path
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

_END: Final = b"\r\n\r\n"
_HOST = re.compile(r"[!-~]{1,100}")


def check_host(host: str) -> str:
    """`host` if it is fit for a Host line: 1 to 100 printable characters, "192.0.2.1:443". Raises OurMistake."""
    if not _HOST.fullmatch(host):
        raise OurMistake(f"{host[:100]!r} is not a host with its port")
    return host


def encode_chunked_header(host: str, path: str, distribution_id: DistributionId, key: str) -> bytes:
    """The header that clients write before anything chunked: a tunnel, or what they send by themselves in https-simple.

    host: with port. path: with its leading "/". Raises OurMistake for a host, path or key that does not fit.
    """
    return (
        f"POST {check_path(path)} HTTP/1.1\r\nHost: {check_host(host)}\r\nConnection: close\r\n"
        f"Content-Type: text/xml\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: {basic(distribution_id, key)}\r\n\r\n"
    ).encode("ascii")


class HeaderBuffer:
    """Gathers bytes up to the first empty line, and not a byte more than the bounds allow.

    rest: once the lines were returned, the bytes that came after the header in the same piece.
    """

    def __init__(self, max_line: int, max_header: int) -> None:
        """max_line: bytes of a line without CRLF. max_header: bytes of all, the empty line included."""
        self.rest = b""
        self._max_line = max_line
        self._max_header = max_header
        self._buffer = bytearray()
        self._line = 0  # where the line that is not yet complete begins

    def lines(self, data: bytes) -> list[bytes] | None:
        """The header's lines once it is complete, None before. Raises PeerMistake for a line or a whole too long."""
        self._buffer += data
        end = self._buffer.find(_END, max(0, self._line - 2), self._max_header)
        self._check_lines(min(len(self._buffer), self._max_header) if end < 0 else end + 2)
        if end < 0:
            if len(self._buffer) >= self._max_header:
                raise PeerMistake(f"the header is longer than {self._max_header} bytes")
            return None
        header, self.rest = bytes(self._buffer[:end]), bytes(self._buffer[end + len(_END) :])
        self._buffer.clear()
        return header.split(b"\r\n")

    def _check_lines(self, stop: int) -> None:
        while (eol := self._buffer.find(b"\r\n", self._line, stop)) >= 0:
            self._check_length(eol - self._line)
            self._line = eol + 2
        self._check_length(stop - self._line - 1)  # its last byte may be the CR

    def _check_length(self, length: int) -> None:
        if length > self._max_line:
            raise PeerMistake(f"the header has a line over {self._max_line} bytes")
