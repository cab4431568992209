"""How a tunnel begins: both headers byte for byte, in any number of pieces, and what is refused before any XML."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.arms.http import basic
from protocol.arms.tunnel import (
    ACCEPTED,
    HeaderReader,
    ReplyHeaderReader,
    RequestHeader,
    encode_request_header,
    refused,
)
from protocol.arms.tunnel_header import MAX_HEADER, MAX_HEADER_LINE
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId
from tests.protocol.arms_tunnel_capture import FROM_ADAPTER, FROM_SERVER, VECTORS, session

SENDER = DistributionId.parse("0001-0000-0101-0000-0000-0000-DEAD-BEEF")
CAPTURED = (VECTORS / "tunnel.header.request.http").read_bytes()
HEADER = RequestHeader("/tunnel", SENDER, "lab-rs-key")
CREDENTIALS = f"Authorization: {basic(SENDER, 'lab-rs-key')}\r\n".encode()


def test_the_header_is_written_as_the_real_client_does() -> None:
    assert encode_request_header("127.0.0.1:8443", "/tunnel", SENDER, "lab-rs-key") == CAPTURED


def test_the_session_begins_with_both_headers_each_alone_in_its_record() -> None:
    assert session()[:2] == [(FROM_ADAPTER, CAPTURED), (FROM_SERVER, ACCEPTED)]


def test_the_captured_header_is_read_whole_and_at_every_cut() -> None:
    for cut in range(len(CAPTURED)):
        reader = HeaderReader()
        assert reader.feed(CAPTURED[:cut]) is None
        assert reader.feed(CAPTURED[cut:]) == HEADER
        assert reader.rest == b""
    reader = HeaderReader()
    assert [reader.feed(CAPTURED[at : at + 1]) for at in range(len(CAPTURED))] == [None] * (len(CAPTURED) - 1) + [
        HEADER
    ]


def test_what_comes_with_the_header_is_kept_for_the_chunks() -> None:
    reader = HeaderReader()

    assert reader.feed(CAPTURED + b"12d;id=1;trail\r\n<ar") == HEADER
    assert reader.rest == b"12d;id=1;trail\r\n<ar"


def test_field_names_are_read_in_any_case_and_order() -> None:
    data = b"POST /t HTTP/1.0\r\n" + CREDENTIALS.replace(b"Authorization", b"aUTHORIZATION") + b"X-A:\r\n\r\n"

    assert HeaderReader().feed(data) == RequestHeader("/t", SENDER, "lab-rs-key")


def test_a_header_that_is_printed_does_not_show_the_key() -> None:
    assert "lab-rs-key" not in repr(HEADER)


BEGIN = b"POST /tunnel HTTP/1.1\r\n"
MISTAKES = [
    (b"\r\n\r\n", "not with a POST"),
    (b"GET /tunnel HTTP/1.1\r\n" + CREDENTIALS + b"\r\n", "not with a POST"),
    (b"POST tunnel HTTP/1.1\r\n" + CREDENTIALS + b"\r\n", "not with a POST"),
    (b"POST /tun nel HTTP/1.1\r\n" + CREDENTIALS + b"\r\n", "not with a POST"),
    (b"\x16\x03\x01\x02\r\n\r\n", "not with a POST"),
    (BEGIN + b"Host: x\r\n\r\n", "0 Authorization lines"),
    (BEGIN + CREDENTIALS + CREDENTIALS + b"\r\n", "2 Authorization lines"),
    (BEGIN + b"Authorization: Basic lab-rs-key\r\n\r\n", "base64"),
    (BEGIN + b"Authorization: Bearer lab-rs-key\r\n\r\n", "not Basic"),
    (BEGIN + CREDENTIALS + b"no colon\r\n\r\n", "not a name, a colon"),
    (BEGIN + CREDENTIALS + b"Host: \xe3\x81\x82\r\n\r\n", "not a name, a colon"),
    (BEGIN + CREDENTIALS + b" Host: folded\r\n\r\n", "not a name, a colon"),
    (BEGIN + b"X: " + b"x" * (MAX_HEADER_LINE - 2) + b"\r\n" + CREDENTIALS + b"\r\n", "line over 1024"),
    (b"x" * (MAX_HEADER_LINE + 2), "line over 1024"),
    (BEGIN + b"X: yyyy\r\n" * (MAX_HEADER // 9 + 1), "longer than 4096"),
]


@pytest.mark.parametrize(("data", "reason"), MISTAKES)
def test_what_is_no_tunnel_header_is_refused_however_it_comes(data: bytes, reason: str) -> None:
    with pytest.raises(PeerMistake, match=reason) as caught:
        HeaderReader().feed(data)
    assert "lab-rs-key" not in caught.value.detail
    with pytest.raises(PeerMistake, match=reason):
        reader = HeaderReader()
        for at in range(len(data)):
            reader.feed(data[at : at + 1])


def test_the_longest_line_and_the_longest_header_are_still_read() -> None:
    line = b"X: " + b"x" * (MAX_HEADER_LINE - 3) + b"\r\n"
    begin = BEGIN + CREDENTIALS + line * 3
    last = b"X: " + b"x" * (MAX_HEADER - len(begin) - 7) + b"\r\n\r\n"
    data = begin + last
    assert len(data) == MAX_HEADER

    assert HeaderReader().feed(data) == HEADER
    reader = HeaderReader()
    assert [read for at in range(len(data)) if (read := reader.feed(data[at : at + 1]))] == [HEADER]


@given(st.lists(st.binary(max_size=60) | st.sampled_from([BEGIN, CREDENTIALS, b"\r\n", b"\r\n\r\n"]), max_size=8))
def test_any_bytes_are_a_header_or_a_peer_mistake_or_not_yet_enough(pieces: list[bytes]) -> None:
    reader = HeaderReader()
    with contextlib.suppress(PeerMistake):
        for piece in pieces:
            if reader.feed(piece) is not None:
                break


def status_of(data: bytes) -> int | None:
    reader = ReplyHeaderReader()
    for at in range(len(data) - 1):
        assert reader.feed(data[at : at + 1]) is None
    return reader.feed(data[-1:])


@pytest.mark.parametrize(
    ("data", "status"),
    [(ACCEPTED, 200), (refused(403), 403), (refused(503), 503), (b"HTTP/1.0 404 Not here\r\n\r\n", 404)],
)
def test_the_servers_answer_is_read_by_its_status(data: bytes, status: int) -> None:
    assert ReplyHeaderReader().feed(data) == status
    assert status_of(data) == status


def test_what_comes_with_the_answer_is_told_apart_from_it() -> None:
    reader = ReplyHeaderReader()

    assert reader.feed(ACCEPTED + b"0\r\n") == 200
    assert reader.rest == b"0\r\n"


@pytest.mark.parametrize(
    "line", [b"HTTP/1.0 200 OK", b"HTTP/2.0 200 OK", b"HTTP/1.1 204 No Content", b"HTTP/1.1 301 Moved", b"SSH-2.0-x"]
)
def test_what_a_real_client_does_not_take_for_an_open_tunnel_is_refused(line: bytes) -> None:
    with pytest.raises(PeerMistake, match="the answer begins with"):
        ReplyHeaderReader().feed(line + b"\r\n\r\n")


@pytest.mark.parametrize(
    "send",
    [
        lambda: encode_request_header("", "/tunnel", SENDER, "key"),
        lambda: encode_request_header("h\r\nX: y", "/tunnel", SENDER, "key"),
        lambda: encode_request_header("h:1", "tunnel", SENDER, "key"),
        lambda: encode_request_header("h:1", "/tunnel", SENDER, "two words"),
        lambda: refused(200),
    ],
)
def test_what_does_not_fit_a_header_is_not_sent(send: Callable[[], bytes]) -> None:
    with pytest.raises(OurMistake):
        send()
