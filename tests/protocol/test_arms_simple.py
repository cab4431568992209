"""https-simple for both ends: what is sent is the captured bytes, and a push is read at every cut or refused."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.arms.http import ReplyReader, basic
from protocol.arms.simple import (
    MAX_HEADER,
    MAX_HEADER_LINE,
    PushCall,
    PushReader,
    PushRefusal,
    encode_chunked_post,
    encode_push,
    encode_reply,
)
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId
from tests.protocol.arms_tunnel_capture import VECTORS

SENDER = DistributionId.parse("0001-0000-0101-0000-0000-0000-DEAD-BEEF")
KEY = "lab-rs-key"
MESSAGE = b"<arms-message></arms-message>"
CREDENTIALS = f"Authorization: {basic(SENDER, KEY)}\r\n".encode()
CAPTURED = (VECTORS / "simple.push-confirmation-done.request.http").read_bytes()
CALL = PushCall(SENDER, KEY, CAPTURED.partition(b"\r\n\r\n")[2])
REPLIES = sorted(
    path.name for path in VECTORS.glob("simple.*.response.http") if path.read_bytes().startswith(b"HTTP/1.0 200")
)


def test_a_push_is_written_as_captured() -> None:
    assert encode_push("127.0.0.1:8464", SENDER, KEY, CALL.body) == CAPTURED


@pytest.mark.parametrize("name", ["push-confirmation-start", "configure-done", "read-status-done"])
def test_what_an_adapter_says_by_itself_is_written_as_captured(name: str) -> None:
    captured = (VECTORS / f"simple.{name}.request.http").read_bytes()
    path = captured.split(b" ")[1].decode()

    assert encode_chunked_post("127.0.0.1:8462", path, SENDER, KEY, chunks(captured)) == captured


def chunks(captured: bytes) -> list[bytes]:
    """The chunks of a captured request, found by their lengths."""
    body, found = captured.partition(b"\r\n\r\n")[2], []
    while size := int(body.partition(b"\r\n")[0], 16):
        body = body.partition(b"\r\n")[2]
        found.append(body[:size])
        body = body[size + 2 :]
    return found


@pytest.mark.parametrize("name", REPLIES)
def test_an_adapters_reply_is_written_as_captured(name: str) -> None:
    captured = (VECTORS / name).read_bytes()

    assert encode_reply(200, captured[captured.index(b"<arms-message>") :]) == captured


def test_an_adapters_refusals_are_written_as_captured() -> None:
    assert encode_reply(401) == (VECTORS / "simple.badauth.response.http").read_bytes()
    assert encode_reply(400, chunked=True) == (VECTORS / "simple.md-command-chunkedreq.response.http").read_bytes()


@given(st.binary(max_size=200).filter(lambda data: b"</arms-message>" not in data), st.integers(1, 50))
def test_a_reply_written_here_is_read_by_the_server(data: bytes, step: int) -> None:
    body = b"<arms-message>" + data + b"</arms-message>"
    reader, sent = ReplyReader(), encode_reply(200, body)
    replies = [reply for at in range(0, len(sent), step) if (reply := reader.feed(sent[at : at + step]))]

    assert [reply.body.partition(b"\r")[2] for reply in replies] == [body]
    reader.closed()


def test_a_reply_without_a_message_is_told_when_the_connection_closes() -> None:
    reader = ReplyReader()
    assert reader.feed(encode_reply(200)) is None

    with pytest.raises(PeerMistake, match="before the reply was complete"):
        reader.closed()


def push(*pieces: bytes, max_body: int = 1000) -> PushCall | PushRefusal | None:
    """What comes of the pieces; the reader must not have been done before the last one."""
    reader = PushReader(max_body=max_body)
    for piece in pieces[:-1]:
        assert reader.feed(piece) is None
    return reader.feed(pieces[-1])


def single_bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def test_a_captured_push_is_read_whole_and_at_every_cut() -> None:
    assert push(CAPTURED) == push(*single_bytes(CAPTURED)) == CALL
    for cut in range(len(CAPTURED)):
        assert push(CAPTURED[:cut], CAPTURED[cut:]) == CALL


@pytest.mark.parametrize("begin", [b"GET /anything HTTP/1.0\r\n", b"post / HTTP/1.1\r\nContent-Length: 3\r\n"])
def test_a_push_is_read_as_forgivingly_as_by_the_real_client(begin: bytes) -> None:
    assert push(begin + CREDENTIALS + b"\r\n" + MESSAGE + b"\n") == PushCall(SENDER, KEY, MESSAGE)


def test_of_several_credentials_one_that_can_be_read_is_enough() -> None:
    junk = b"Authorization: Basic \xff\r\nAuthorization: Basic YQ==\r\n"

    assert push(b"POST / HTTP/1.1\r\n" + CREDENTIALS + junk + b"\r\n" + MESSAGE) == PushCall(SENDER, KEY, MESSAGE)


BEGIN = b"POST / HTTP/1.1\r\n"
REFUSED = [
    (BEGIN + b"Host: x\r\n\r\n", encode_reply(401), "credentials"),
    (BEGIN + CREDENTIALS.lower() + b"\r\n", encode_reply(401), "credentials"),
    (BEGIN + b"Authorization: Basic " + KEY.encode() + b"\r\n\r\n", encode_reply(401), "credentials"),
    (BEGIN + CREDENTIALS + b"Transfer-Encoding: chunked\r\n\r\n", encode_reply(400, chunked=True), "chunked"),
    (BEGIN + b"Transfer-Encoding: chunked\r\n\r\n", encode_reply(401, chunked=True), "credentials"),
    (b"PUT / HTTP/1.1\r\n" + CREDENTIALS + b"\r\n", encode_reply(200), "neither GET nor POST"),
    (b"POST /" + b"x" * 80 + b" HTTP/1.1\r\n" + CREDENTIALS + b"\r\n", encode_reply(200), "neither GET nor POST"),
    (b"\r\n\r\n", encode_reply(200), "neither GET nor POST"),
    (BEGIN + b"X: " + b"x" * (MAX_HEADER_LINE - 2) + b"\r\n", encode_reply(400), "line over 1022"),
    (b"x" * (MAX_HEADER_LINE + 2), encode_reply(400), "line over 1022"),
    (BEGIN + b"X: yyyy\r\n" * (MAX_HEADER // 9 + 1), encode_reply(400), "longer than 16384"),
]


@pytest.mark.parametrize(("data", "reply", "reason"), REFUSED)
def test_what_a_real_client_refuses_is_refused_with_its_answer(data: bytes, reply: bytes, reason: str) -> None:
    reader = PushReader()
    one_by_one = next(read for byte in single_bytes(data) if (read := reader.feed(byte)))

    for refusal in (push(data), one_by_one):
        assert isinstance(refusal, PushRefusal)
        assert refusal.reply == reply
        assert reason in refusal.reason
        assert KEY not in refusal.reason


@pytest.mark.parametrize("body", [b"x" * 101, b"x" * 80 + MESSAGE])
def test_a_push_without_end_is_refused(body: bytes) -> None:
    data = BEGIN + CREDENTIALS + b"\r\n" + body

    with pytest.raises(PeerMistake, match="larger than 100 bytes"):
        push(data, max_body=100)
    with pytest.raises(PeerMistake, match="larger than 100 bytes"):
        push(*single_bytes(data), max_body=100)


def test_a_push_that_is_printed_does_not_show_the_key() -> None:
    assert KEY not in repr(CALL)


@given(st.lists(st.binary(max_size=60) | st.sampled_from([BEGIN, CREDENTIALS, b"\r\n", MESSAGE]), max_size=8))
def test_any_bytes_are_a_push_or_refused_or_a_peer_mistake_or_not_yet_enough(pieces: list[bytes]) -> None:
    reader = PushReader(max_body=100)
    with contextlib.suppress(PeerMistake):
        for piece in pieces:
            if reader.feed(piece) is not None:
                break


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8))
def test_the_chunks_of_a_request_are_the_given_pieces(pieces: list[bytes]) -> None:
    assert chunks(encode_chunked_post("192.0.2.1:443", "/rs", SENDER, KEY, pieces)) == pieces


@pytest.mark.parametrize(
    "send",
    [
        lambda: encode_push("h\r\nX: y", SENDER, KEY, MESSAGE),
        lambda: encode_push("h:1", SENDER, "", MESSAGE),
        lambda: encode_chunked_post("h:1", "rs", SENDER, KEY, [MESSAGE]),
        lambda: encode_chunked_post("h:1", "/rs", SENDER, KEY, [MESSAGE, b""]),
        lambda: encode_reply(500),
    ],
)
def test_what_does_not_fit_is_not_sent(send: Callable[[], bytes]) -> None:
    with pytest.raises(OurMistake):
        send()
