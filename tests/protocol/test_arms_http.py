"""The HTTP of pulls from the adapter's end: Basic credentials, the request, and the reply in any number of pieces."""

import contextlib
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.arms.http import MAX_HEADER, Reply, ReplyReader, basic, encode_pull, parse_basic
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

VECTORS = Path(__file__).parent.parent / "vectors" / "arms"
SENDER = DistributionId.parse("0001-0000-0101-0000-0000-0000-DEAD-BEEF")
CAPTURED = sorted(
    path.name
    for path in VECTORS.glob("*.response.http")
    if path.name not in {"simple.badauth.response.http", "simple.md-command-chunkedreq.response.http"}
)
MESSAGE = b"<arms-message></arms-message>"
OK = b"HTTP/1.0 200 OK\r\n\r\n"


def read(*pieces: bytes) -> Reply | None:
    """The reply from the pieces; the reader must not have been done before the last one."""
    reader = ReplyReader()
    for piece in pieces[:-1]:
        assert reader.feed(piece) is None
    return reader.feed(pieces[-1])


@pytest.mark.parametrize("name", CAPTURED)
def test_a_captured_reply_is_read_whole_and_at_every_cut(name: str) -> None:
    data = (VECTORS / name).read_bytes()
    expected = Reply(200, data.partition(b"\r\n\r\n")[2])

    assert read(data) == expected
    assert read(*(data[at : at + 1] for at in range(len(data)))) == expected
    for cut in range(1, len(data)):
        assert read(data[:cut], data[cut:]) == expected


@pytest.mark.parametrize(
    ("name", "status"), [("simple.badauth.response.http", 401), ("simple.md-command-chunkedreq.response.http", 400)]
)
def test_an_error_status_is_a_reply_without_a_message(name: str, status: int) -> None:
    assert read((VECTORS / name).read_bytes()) == Reply(status, b"")


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + MESSAGE,
        b"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\n\r\n" + MESSAGE + b"\n trailing",
        b"HTTP/1.1 200\r\n\r\n" + MESSAGE + MESSAGE,
    ],
)
def test_the_message_ends_the_reply_whatever_the_header_says(data: bytes) -> None:
    assert read(data) == Reply(200, MESSAGE)


def test_what_comes_after_the_reply_is_ignored() -> None:
    reader = ReplyReader()

    assert reader.feed(OK + MESSAGE) == Reply(200, MESSAGE)
    assert reader.feed(OK + MESSAGE) is None
    reader.closed()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not with an HTTP status"),
        (b"HTTP/1.0 2000 OK\r\n\r\n", "not with an HTTP status"),
        (b"HTTP/1.0 OK\r\n\r\n", "not with an HTTP status"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "chunked"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding:gzip, Chunked\r\n\r\n", "chunked"),
        (b"HTTP/1.0 200 OK\r\nX: " + b"x" * 1024 + b"\r\n\r\n", "line over 1023"),
        (b"x" * MAX_HEADER, "header is longer than 16384"),
        (b"HTTP/1.0 200 OK\r\n" + b"X: y\r\n" * (MAX_HEADER // 6), "header is longer than 16384"),
        (OK + b"x" * 101, "larger than 100 bytes"),
        (OK + b"x" * 80 + MESSAGE, "larger than 100 bytes"),
    ],
)
def test_what_is_no_reply_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PeerMistake, match=reason):
        ReplyReader(max_body=100).feed(data)
    with pytest.raises(PeerMistake, match=reason):
        reader = ReplyReader(max_body=100)
        for at in range(len(data)):
            reader.feed(data[at : at + 1])


@pytest.mark.parametrize("data", [b"", b"HTTP/1.0 200", OK, OK + MESSAGE[:-1]])
def test_a_connection_closed_too_early_is_told(data: bytes) -> None:
    reader = ReplyReader()
    assert reader.feed(data) is None

    with pytest.raises(PeerMistake, match="before the reply was complete"):
        reader.closed()


@given(st.lists(st.binary(max_size=50) | st.sampled_from([OK, MESSAGE, b"\r\n", b"HTTP/1.1 404 x"]), max_size=10))
def test_any_bytes_are_a_reply_or_a_peer_mistake_or_not_yet_enough(pieces: list[bytes]) -> None:
    reader = ReplyReader(max_body=200)
    with contextlib.suppress(PeerMistake):
        for piece in pieces:
            reader.feed(piece)


KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)


@given(st.integers(0, 2**128 - 1).map(DistributionId), KEYS)
def test_credentials_survive_the_wire(sender: DistributionId, key: str) -> None:
    assert parse_basic(basic(sender, key)) == (sender, key)


def header(pair: bytes, scheme: str = "Basic") -> str:
    return f"{scheme} {b64encode(pair).decode('ascii')}"


def test_the_scheme_is_read_in_any_case() -> None:
    assert parse_basic(header(b"0001-0000-0101-0000-0000-0000-DEAD-BEEF:a:b", "BASIC")) == (SENDER, "a:b")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic",
        "Basic !!!!",
        "Basic YQ",
        "Bearer YWJj",
        header(b"operator:hunter2"),
        header(str(SENDER).encode()),
        header(f"{SENDER}:".encode()),
        header(f"{SENDER}:{'hunter2' * 10}".encode()),
        header(f"{SENDER}:hunter 2".encode()),
        header(f"{SENDER}:hunter2説".encode()),
        "Basic " + "YQ==" * 100,
    ],
)
def test_other_credentials_are_refused_without_telling_the_key(value: str) -> None:
    with pytest.raises(PeerMistake) as caught:
        parse_basic(value)

    assert "hunter" not in str(caught.value)


@given(st.text() | st.binary().map(header))
def test_any_header_is_credentials_or_a_peer_mistake(value: str) -> None:
    with contextlib.suppress(PeerMistake):
        parse_basic(value)


@pytest.mark.parametrize("path", ["", "rs", "/rs\r\nX: y", "/r s", "/" + "x" * 80])
def test_a_path_that_does_not_fit_is_not_sent(path: str) -> None:
    with pytest.raises(OurMistake, match="path"):
        encode_pull(path, SENDER, "key", b"")


@pytest.mark.parametrize("key", ["", "two words", "k" * 65, "鍵"])
def test_a_key_that_does_not_fit_is_not_sent(key: str) -> None:
    with pytest.raises(OurMistake, match="1 to 64"):
        encode_pull("/rs", SENDER, key, b"")
