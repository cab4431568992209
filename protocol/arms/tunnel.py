"""What goes through a tunnel once it is open: messages cut into chunks, echoes, and the end. Sans-IO, both ends.

    <hex length>;id=<decimal>[;trail] CRLF  bytes  CRLF

All chunks of a message share an id that its sender chose; chunks of several messages may be interleaved. No XML is read
here: a message is complete where its text ends with </arms-message> (what real clients look at) or at its trail mark.
How a tunnel begins is `tunnel_header`'s, how chunks are read `tunnel_chunks`'; their names are this module's too.

Two rules that break a real client when broken, both kept by `encode_message`: a chunk's first line never straddles two
TLS records (so: one write for each record returned here), and the answer to a done request is one chunk in one record.
"""

from typing import Final

from protocol.arms.elements import END as MESSAGE_END
from protocol.arms.limits import MAX_INTEGER, check_integer
from protocol.arms.tunnel_chunks import MAX_CHUNK, ChunkReader, EchoRequest, EchoResponse, End, Event, Piece
from protocol.arms.tunnel_header import (
    ACCEPTED,
    HeaderReader,
    ReplyHeaderReader,
    RequestHeader,
    encode_request_header,
    refused,
)
from protocol.errors import OurMistake, PeerMistake

__all__ = [
    "ACCEPTED",
    "ECHO_REQUEST",
    "ECHO_RESPONSE",
    "END",
    "MAX_CHUNK",
    "MAX_MESSAGE",
    "MAX_PARTIAL",
    "RECORD_CHUNK",
    "Assembler",
    "ChunkReader",
    "EchoRequest",
    "EchoResponse",
    "End",
    "Event",
    "HeaderReader",
    "Piece",
    "ReplyHeaderReader",
    "RequestHeader",
    "encode_message",
    "encode_message_as_adapter",
    "encode_request_header",
    "refused",
]

ECHO_REQUEST: Final = b"4;echo-request;trail\r\necho\r\n"
"""An adapter's sign of life, once every echo interval. Only adapters ask."""

ECHO_RESPONSE: Final = b"4;echo-response;trail\r\necho\r\n"
"""The server's answer. Without it by the next interval, a client gives the tunnel up."""

END: Final = b"0\r\n\r\n"
"""The zero chunk: an orderly end. From the server it makes the client connect again after its retry interval."""

RECORD_CHUNK: Final = 8192 - 32
"""Bytes of a chunk's body so that with first line and CRLF it stays below 8 KiB and goes into one TLS record."""

MAX_MESSAGE: Final = 8 << 20
"""Bytes that an Assembler holds by default: the largest config (4 MiB) in base64 or escaped, with room."""

MAX_PARTIAL: Final = 8
"""Messages that may be incomplete at a time by default."""

_COMPLETE = tuple(MESSAGE_END.encode("ascii") + tail for tail in (b"", b"\n", b"\r\n"))


class Assembler:
    """Puts the chunks of messages together again, by id.

    Bounded: at most max_partial incomplete messages, at most max_message bytes in all of them together.
    """

    def __init__(self, *, max_message: int = MAX_MESSAGE, max_partial: int = MAX_PARTIAL) -> None:
        self._max_message = max_message
        self._max_partial = max_partial
        self._partial: dict[int, bytearray] = {}
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes of incomplete messages."""
        return self._held

    def take(self, piece: Piece) -> bytes | None:
        """The whole message if this chunk completes it, else None.

        Raises PeerMistake when that would be too much, or for a message in several chunks without an id; the Assembler
        is of no use any more then: close the tunnel.
        """
        if self._held + len(piece.data) > self._max_message:
            raise PeerMistake(f"messages of more than {self._max_message} bytes came in without being complete")
        if piece.id not in self._partial:
            if piece.trail or piece.data.endswith(_COMPLETE):
                return piece.data
            self._begin(piece)
            return None
        return self._continue(piece.id, piece)

    def _begin(self, piece: Piece) -> None:
        if piece.id is None:
            raise PeerMistake("a message in several chunks has no id")
        if len(self._partial) >= self._max_partial:
            raise PeerMistake(f"more than {self._max_partial} messages are incomplete at a time")
        self._partial[piece.id] = bytearray(piece.data)
        self._held += len(piece.data)

    def _continue(self, number: int, piece: Piece) -> bytes | None:
        text = self._partial[number]
        text += piece.data
        self._held += len(piece.data)
        if not (piece.trail or text.endswith(_COMPLETE)):
            return None
        del self._partial[number]
        self._held -= len(text)
        return bytes(text)


def encode_message(body: bytes, id: int, *, max_chunk: int = RECORD_CHUNK) -> tuple[bytes, ...]:  # noqa: A002
    """The chunks that carry a message from the server, each to be written as one TLS record.

    id: 0 to 2^31-1, another one for each message on its way. max_chunk: bytes of each chunk's body; a real client needs
    answers to done requests in one chunk, for which the default is large enough.
    Raises OurMistake for an empty message (its chunk would be the end of the tunnel) and an id out of range.
    """
    return tuple(b"%b%b\r\n" % chunk for chunk in _cut(body, id, max_chunk))


def encode_message_as_adapter(body: bytes, id: int, *, max_chunk: int = RECORD_CHUNK) -> tuple[bytes, ...]:  # noqa: A002
    """The TLS records in which a real client sends a message: first line, body and CRLF of each chunk by itself."""
    return tuple(record for line, data in _cut(body, id, max_chunk) for record in (line, data, b"\r\n"))


def _cut(body: bytes, number: int, max_chunk: int) -> list[tuple[bytes, bytes]]:
    """First line and body of each chunk."""
    check_integer("a chunk's id", number, 0, MAX_INTEGER)
    check_integer("the size of a chunk", max_chunk, 1, MAX_INTEGER)
    if not body:
        raise OurMistake("an empty message cannot be sent: a chunk without bytes ends the tunnel")
    parts = [body[at : at + max_chunk] for at in range(0, len(body), max_chunk)]
    trails = [b""] * (len(parts) - 1) + [b";trail"]
    return [(b"%x;id=%d%b\r\n" % (len(part), number, trail), part) for part, trail in zip(parts, trails, strict=True)]
