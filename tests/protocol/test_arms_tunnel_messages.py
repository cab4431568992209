"""Messages in a tunnel: cut into chunks as both ends do, and put together again whatever else is between."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.arms.tunnel import (
    RECORD_CHUNK,
    Assembler,
    ChunkReader,
    Piece,
    encode_message,
    encode_message_as_adapter,
)
from protocol.errors import OurMistake, PeerMistake
from tests.protocol.arms_tunnel_capture import FROM_ADAPTER, FROM_SERVER, VECTORS, records

MESSAGE = b"<arms-message>x</arms-message>"


def messages(stream: list[bytes], assembler: Assembler | None = None) -> list[bytes]:
    reader, assembler = ChunkReader(), assembler or Assembler()
    pieces = [event for data in stream for event in reader.feed(data)]
    return [whole for piece in pieces if isinstance(piece, Piece) and (whole := assembler.take(piece)) is not None]


def test_the_captured_answers_come_together_out_of_their_chunks() -> None:
    found = messages(records(FROM_ADAPTER))

    for name in ("md-command.2-response", "md-command-base64.2-response", "read-module-list.2-response"):
        assert (VECTORS / f"tunnel.{name}.xml").read_bytes() in found
    assert all(m.startswith(b"<arms-message>") and m.endswith(b"</arms-message>") for m in found)
    assert len(found) == sum(record.endswith(b"</arms-message>") for record in records(FROM_ADAPTER)) == 17


def test_the_server_writes_its_captured_records() -> None:
    for number, record in enumerate(records(FROM_SERVER), start=1):
        body = record.partition(b"\r\n")[2].removesuffix(b"\r\n")
        assert encode_message(body, number) == (record,)


def test_an_adapter_writes_its_captured_records() -> None:
    sent = records(FROM_ADAPTER)
    whole = [at for at in range(0, len(sent) - 2, 3) if sent[at].endswith(b";trail\r\n") and _begins(sent[at + 1])]

    assert len(whole) > 10
    for at in whole:
        number = int(sent[at].split(b";")[1].removeprefix(b"id="))
        assert encode_message_as_adapter(sent[at + 1], number) == tuple(sent[at : at + 3])


def _begins(body: bytes) -> bool:
    return body.startswith(b"<arms-message>")


BODIES = st.binary(min_size=1, max_size=300).map(lambda data: b"<arms-message>" + data + b"</arms-message>")


@given(BODIES, st.integers(0, 2**31 - 1), st.integers(20, 200), st.booleans())
def test_a_message_survives_its_chunks(body: bytes, number: int, max_chunk: int, by_adapter: bool) -> None:
    encode = encode_message_as_adapter if by_adapter else encode_message
    stream = encode(body, number, max_chunk=max_chunk)

    assert messages(list(stream)) == messages([b"".join(stream)]) == [body]


@given(st.lists(BODIES, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_messages_survive_being_interleaved(bodies: list[bytes], random: Random) -> None:
    queues = [list(encode_message(body, number, max_chunk=30)) for number, body in enumerate(bodies)]
    stream = []
    while queues := [queue for queue in queues if queue]:
        stream.append(random.choice(queues).pop(0))

    assert sorted(messages(stream)) == sorted(bodies)


def test_each_record_of_the_server_stays_below_8_kib_and_begins_with_its_line() -> None:
    stream = encode_message(b"x" * 100_000, 2**31 - 1)

    assert max(map(len, stream)) <= 8192
    assert all(record.startswith((b"1fe0;id=2147483647\r\n", b"820;id=2147483647;trail\r\n")) for record in stream)
    assert len(stream) == 100_000 // RECORD_CHUNK + 1


def test_a_message_ends_at_its_last_tag_without_a_trail() -> None:
    assembler = Assembler()

    assert assembler.take(Piece(5, b"<arms-message>x</arms-mes", False)) is None
    assert assembler.take(Piece(5, b"sage>", False)) == MESSAGE
    assert assembler.take(Piece(None, MESSAGE + b"\r\n", False)) == MESSAGE + b"\r\n"


def test_a_message_ends_at_its_trail_whatever_it_is() -> None:
    assembler = Assembler()

    assert assembler.take(Piece(5, b"garb", False)) is None
    assert assembler.take(Piece(5, b"age", True)) == b"garbage"
    assert assembler.take(Piece(None, b"garbage", True)) == b"garbage"


def test_an_id_may_be_used_again_for_the_next_message() -> None:
    assert messages([*encode_message(MESSAGE, 1, max_chunk=9), *encode_message(MESSAGE, 1)]) == [MESSAGE, MESSAGE]


def test_a_message_in_several_chunks_needs_an_id() -> None:
    with pytest.raises(PeerMistake, match="no id"):
        Assembler().take(Piece(None, b"<arms-message>", False))


def test_incomplete_messages_are_bounded_in_number() -> None:
    assembler = Assembler(max_partial=3)
    for number in range(3):
        assembler.take(Piece(number, b"<arms-", False))

    with pytest.raises(PeerMistake, match="more than 3 messages are incomplete"):
        assembler.take(Piece(3, b"<arms-", False))


def test_a_finished_message_makes_room_for_the_next() -> None:
    assembler = Assembler(max_message=100, max_partial=1)
    for number in range(50):
        assert messages(list(encode_message(MESSAGE, number, max_chunk=10)), assembler) == [MESSAGE]


@pytest.mark.parametrize("ids", [(1, 1, 1), (1, 2, 3)])
def test_incomplete_messages_are_bounded_in_bytes_together(ids: tuple[int, ...]) -> None:
    assembler = Assembler(max_message=100)
    for number in ids[:2]:
        assert assembler.take(Piece(number, b"x" * 50, False)) is None

    with pytest.raises(PeerMistake, match="more than 100 bytes"):
        assembler.take(Piece(ids[2], b"x", False))


def test_a_whole_message_over_the_bound_is_refused_too() -> None:
    assert Assembler(max_message=len(MESSAGE)).take(Piece(1, MESSAGE, True)) == MESSAGE
    with pytest.raises(PeerMistake, match="more than 29 bytes"):
        Assembler(max_message=len(MESSAGE) - 1).take(Piece(1, MESSAGE, True))


@pytest.mark.parametrize(("body", "number"), [(b"", 1), (MESSAGE, -1), (MESSAGE, 2**31)])
def test_a_message_that_would_end_the_tunnel_or_lose_its_id_is_not_sent(body: bytes, number: int) -> None:
    with pytest.raises(OurMistake):
        encode_message(body, number)
    with pytest.raises(OurMistake):
        encode_message_as_adapter(body, number)
