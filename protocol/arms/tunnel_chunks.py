"""Chunks as they come out of a tunnel: pieces of messages, echoes, and the end. Sans-IO, both ends."""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from protocol.errors import PeerMistake

MAX_LINE: Final = 256
"""Bytes of a chunk's first line, its CRLF included (libarms keeps it in 256 bytes)."""

MAX_CHUNK: Final = 65535
"""Bytes of a chunk's body that are read by default: the most that libarms writes (usually it stays below 8192)."""

_USUAL_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;id=([0-9]{1,10})(;trail)?)?")
_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*((?:;[!-:<-~ \t]*)*)")


class Piece(NamedTuple):
    """One chunk of a message. id: what its sender calls the message, None when it does not say."""

    id: int | None
    data: bytes
    trail: bool


@dataclass(frozen=True, slots=True)
class EchoRequest:
    """The adapter wants to know whether the server is there: answer ECHO_RESPONSE at once."""


@dataclass(frozen=True, slots=True)
class EchoResponse:
    """The server is there."""


@dataclass(frozen=True, slots=True)
class End:
    """The peer ends the tunnel in good order."""


Event: TypeAlias = Piece | EchoRequest | EchoResponse | End

_SIGNALS: Final[dict[bytes, Event]] = {b"echo-request": EchoRequest(), b"echo-response": EchoResponse()}
_END_EVENT: Final = End()


class ChunkReader:
    """Reads chunks, fed with pieces of any size. Holds one incomplete chunk at most; nothing after the zero chunk.

    A chunk that is marked `echo` is dropped, as clients do; unknown marks are skipped.
    """

    def __init__(self, *, max_chunk: int = MAX_CHUNK) -> None:
        """max_chunk: bytes of a chunk's body. Real clients take several hundred kB from a server."""
        self._max_chunk = max_chunk
        self._buffer = bytearray()
        self._wanted = 0  # bytes that must be in the buffer before there is anything new to see
        self._ended = False

    def feed(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take the next bytes. Returns what has become complete with them, in the order in which it was sent.

        Raises PeerMistake for what is not a chunk or is too large; what was in the same piece before it is lost, and
        the reader is of no use any more: close the tunnel.
        """
        if self._ended:
            return []
        if not self._buffer:
            return self._read(bytes(data))
        self._buffer += data
        if len(self._buffer) < self._wanted:
            return []
        gathered, self._buffer = bytes(self._buffer), bytearray()
        return self._read(gathered)

    def _read(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        at = 0
        while at < len(data):
            at = self._read_chunk(data, at, events)
        return events

    def _read_chunk(self, data: bytes, at: int, events: list[Event]) -> int:
        """Read the chunk that begins at `at`, or keep what is there of it. Returns where the next one begins."""
        eol = data.find(b"\r\n", at, at + MAX_LINE)
        if eol < 0:
            return self._keep_line(data[at:], len(data))
        length, event = self._read_line(data[at:eol])
        end = eol + 2 + length
        if len(data) < end + 2:
            return self._keep(data[at:], end + 2 - at, len(data))
        if not data.startswith(b"\r\n", end):
            raise PeerMistake(f"a chunk of {length} bytes is not followed by CRLF")
        if type(event) is Piece:
            event = Piece(event.id, data[eol + 2 : end], event.trail)
        if event is not None:
            events.append(event)
        self._ended = event is _END_EVENT
        return len(data) if self._ended else end + 2

    def _keep_line(self, line: bytes, end: int) -> int:
        if len(line) >= MAX_LINE:
            raise PeerMistake(f"the first line of a chunk is longer than {MAX_LINE} bytes")
        return self._keep(line, len(line) + 1, end)

    def _keep(self, data: bytes, wanted: int, end: int) -> int:
        self._buffer += data
        self._wanted = wanted
        return end

    def _read_line(self, line: bytes) -> tuple[int, Event | None]:
        """The length of the chunk's body, and what it is: a Piece still without its data, None to be dropped."""
        usual = _USUAL_LINE.fullmatch(line)
        if usual is not None:
            digits, number, trail = usual.groups()
            event: Event | None = Piece(None if number is None else int(number), b"", trail is not None)
        else:
            digits, event = _read_marks(line)
        length = int(digits, 16)
        if length > self._max_chunk:
            raise PeerMistake(f"a chunk of {length} bytes is announced; {self._max_chunk} are the most")
        return length, event if length else _END_EVENT


def _read_marks(line: bytes) -> tuple[bytes, Event | None]:
    """A first line with marks in another order, with white space, or with marks other than id and trail."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise PeerMistake(f"{line[:40]!r} is not the first line of a chunk (hexadecimal length, then marks)")
    marks = [mark.strip() for mark in match[2].split(b";")]
    for mark in marks:
        if mark in _SIGNALS:
            return match[1], _SIGNALS[mark]
    if b"echo" in marks:
        return match[1], None
    numbers = {mark[3:] for mark in marks if mark.startswith(b"id=")}
    return match[1], Piece(_read_id(numbers), b"", b"trail" in marks)


def _read_id(numbers: set[bytes]) -> int | None:
    if not numbers:
        return None
    number = numbers.pop()
    if numbers or not number.isdigit() or len(number) > 10:
        raise PeerMistake(f"a chunk's id is {number[:20]!r}; it must be one decimal number")
    return int(number)
