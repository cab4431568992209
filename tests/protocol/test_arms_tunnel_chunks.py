"""Chunks: every cut of the captured streams gives the same events, and hostile ones are refused within bounds."""

import contextlib
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.arms.tunnel import ECHO_REQUEST, ECHO_RESPONSE, ChunkReader, EchoRequest, EchoResponse, End, Event, Piece
from protocol.arms.tunnel import END as ZERO_CHUNK
from protocol.arms.tunnel_chunks import MAX_LINE
from protocol.errors import PeerMistake
from tests.protocol.arms_tunnel_capture import FROM_ADAPTER, FROM_SERVER, VECTORS, echo, records


def read(pieces: Iterable[bytes], *, max_chunk: int = 65535) -> list[Event]:
    reader = ChunkReader(max_chunk=max_chunk)
    return [event for piece in pieces for event in reader.feed(piece)]


def single_bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("direction", [FROM_ADAPTER, FROM_SERVER])
def test_a_captured_session_gives_the_same_events_at_every_cut(direction: str) -> None:
    sent = records(direction)
    data = b"".join(sent)
    events = read(sent)

    assert [event.data for event in events if isinstance(event, Piece)] == bodies(sent)
    assert read([data]) == read(single_bytes(data)) == events
    for cut in range(len(data)):
        assert read([data[:cut], data[cut:]]) == events


def bodies(sent: list[bytes]) -> list[bytes]:
    """What the chunks carry, found without the reader. Of the adapter's last chunk only the first line was captured."""
    if sent[0].endswith(b";trail\r\n"):
        return sent[1::3]
    return [record.partition(b"\r\n")[2].removesuffix(b"\r\n") for record in sent]


@given(st.data())
def test_a_captured_session_may_come_in_any_pieces(data: st.DataObject) -> None:
    stream = b"".join(records(FROM_ADAPTER))
    cuts = sorted({0, len(stream), *data.draw(st.lists(st.integers(0, len(stream)), max_size=40))})

    assert read(stream[a:b] for a, b in pairwise(cuts)) == read([stream])


def test_the_first_records_in_hex_are_the_same_session() -> None:
    lines = (VECTORS / "tunnel.session.first-records.hex").read_text().splitlines()
    sent = [bytes.fromhex(line.split()[1]) for line in lines if line.startswith(FROM_ADAPTER)][1:]

    assert sent == records(FROM_ADAPTER)[: len(sent)]
    assert [(e.id, len(e.data), e.trail) for e in read(sent) if isinstance(e, Piece)] == [
        (1594493927, 301, True),
        (1376877032, 258, True),
        (805899172, 320, True),
    ]


def test_a_long_answer_comes_in_the_captured_chunks() -> None:
    notes = (VECTORS / "tunnel.md-command-large.chunks.txt").read_text().splitlines()
    lines = [note.strip("[]").split()[1] for note in notes]
    sizes = [int(note.strip("[]").rpartition("=")[2]) for note in notes]
    stream = b"".join(b"%b\r\n%b\r\n" % (line.encode(), b"x" * n) for line, n in zip(lines, sizes, strict=True))
    expected = [Piece(1246090495, b"x" * size, size == sizes[-1]) for size in sizes]

    assert read([stream]) == expected
    for cut in range(0, len(stream), 7):
        assert read([stream[:cut], stream[cut:]]) == expected


def test_echoes_are_the_captured_bytes_and_read_at_every_cut() -> None:
    assert echo() == [ECHO_REQUEST, ECHO_RESPONSE]
    stream = ECHO_REQUEST + ECHO_RESPONSE + ZERO_CHUNK
    for cut in range(len(stream)):
        assert read([stream[:cut], stream[cut:]]) == [EchoRequest(), EchoResponse(), End()]


@pytest.mark.parametrize(
    ("chunk", "event"),
    [
        (b"3;id=7;trail\r\nabc\r\n", Piece(7, b"abc", True)),
        (b"3;id=7\r\nabc\r\n", Piece(7, b"abc", False)),
        (b"3\r\nabc\r\n", Piece(None, b"abc", False)),
        (b"0003;trail;id=0\r\nabc\r\n", Piece(0, b"abc", True)),
        (b"3 ; trail ; id=7;x=y;trailing\r\nabc\r\n", Piece(7, b"abc", True)),
        (b"A;id=7;trail\r\n0123456789\r\n", Piece(7, b"0123456789", True)),
        (b"2;id=7\r\n\r\n\r\n", Piece(7, b"\r\n", False)),
        (b"0;id=7;trail\r\n\r\n", End()),
    ],
)
def test_marks_may_come_in_any_order_case_and_company(chunk: bytes, event: Event) -> None:
    assert read([chunk]) == read(single_bytes(chunk)) == [event]


def test_a_server_that_marks_a_chunk_as_echo_is_not_heard() -> None:
    assert read([b"4;echo;trail\r\necho\r\n3;id=1;trail\r\nabc\r\n"]) == [Piece(1, b"abc", True)]


def test_nothing_is_read_after_the_zero_chunk() -> None:
    reader = ChunkReader()

    assert reader.feed(ZERO_CHUNK + b"junk") == [End()]
    assert reader.feed(b"more junk") == []


def test_bytes_of_any_kind_of_buffer_are_read() -> None:
    reader = ChunkReader()

    assert reader.feed(memoryview(bytearray(b"3;id=1\r\na"))) == []
    assert reader.feed(memoryview(b"bc\r\n")) == [Piece(1, b"abc", False)]


MISTAKES = [
    (b"\r\n", "not the first line"),
    (b"xyz\r\n", "not the first line"),
    (b"-4;id=1\r\n", "not the first line"),
    (b"0x4;id=1\r\n", "not the first line"),
    (b"123456789;id=1\r\n", "not the first line"),
    (b"4;id=\x01\r\n", "not the first line"),
    (b"HTTP/1.1 400 Bad\r\n", "not the first line"),
    (b"4;id=one\r\necho\r\n", "decimal"),
    (b"4;id=-1\r\necho\r\n", "decimal"),
    (b"4;id=12345678901\r\necho\r\n", "decimal"),
    (b"4;id=1;id=2\r\necho\r\n", "decimal"),
    (b"65;id=1\r\n", "101 bytes is announced; 100 are the most"),
    (b"ffffffff;id=1\r\n", "4294967295 bytes is announced"),
    (b"4;id=1\r\nechoXY", "not followed by CRLF"),
    (b"0\r\nX: trailer\r\n\r\n", "not followed by CRLF"),
    (b"4;" + b"x" * MAX_LINE, "longer than 256"),
]


@pytest.mark.parametrize(("data", "reason"), MISTAKES)
def test_what_is_no_chunk_is_refused_however_it_comes(data: bytes, reason: str) -> None:
    for before in (b"", ECHO_REQUEST):
        with pytest.raises(PeerMistake, match=reason):
            read([before + data], max_chunk=100)
        with pytest.raises(PeerMistake, match=reason):
            read(single_bytes(before + data), max_chunk=100)


def test_the_longest_line_and_the_largest_chunk_are_still_read() -> None:
    chunk = b"64;id=1;" + b"x" * (MAX_LINE - 10) + b"\r\n" + b"y" * 100 + b"\r\n"

    assert read([chunk], max_chunk=100) == read(single_bytes(chunk), max_chunk=100) == [Piece(1, b"y" * 100, False)]


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([ECHO_REQUEST, ZERO_CHUNK, b"3;id=1\r\nabc\r\n", b"\r\n"])),
    st.integers(1, 7),
)
def test_any_bytes_are_chunks_or_a_peer_mistake_the_same_in_any_pieces(pieces: list[bytes], step: int) -> None:
    def outcome(parts: Iterable[bytes]) -> list[Event] | None:
        with contextlib.suppress(PeerMistake):
            return read(parts, max_chunk=200)
        return None

    data = b"".join(pieces)
    assert outcome([data]) == outcome(pieces) == outcome(data[at : at + step] for at in range(0, len(data), step))
