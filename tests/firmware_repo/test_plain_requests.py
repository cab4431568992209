"""Which requests are read without an HTTP server, and that everything else is left to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_repo.hooks import ImageRef
from firmware_repo.ranges import Asked
from firmware_repo.requests import MAX_HEAD, Incomplete, read

SHA = "ab" * 32
LINE = f"GET /firmware/seil8/3.42/sha256/{SHA} HTTP/1.1\r\n"


def head(*fields: str, line: str = LINE) -> bytes:
    return (line + "".join(f"{field}\r\n" for field in fields) + "\r\n").encode("latin-1")


def test_a_plain_request_is_read_with_its_length():
    raw = head("Host: x", "Authorization: Basic abc=", 'If-Range: "tag"', "range:bytes=0-9 ")

    request, length = read(raw + b"GET /next")

    assert (request.image, length) == (ImageRef("seil8", "3.42", SHA), len(raw))
    assert request.headers["authorization"] == "Basic abc="
    assert request.asked == Asked(if_range='"tag"', range="bytes=0-9")
    assert request.stays


def test_head_knows_no_ranges():
    request, _ = read(head("Range: bytes=0-9", line=LINE.replace("GET", "HEAD")))

    assert request.head
    assert request.asked == Asked()


@pytest.mark.parametrize(
    ("line", "fields", "stays"),
    [
        (LINE, ["Connection: close"], False),
        (LINE, ["Connection: Keep-Alive"], True),
        (LINE.replace("1.1", "1.0"), [], False),
        (LINE.replace("1.1", "1.0"), ["Connection: keep-alive"], False),
    ],
)
def test_the_connection_stays_as_asked(line, fields, stays):
    request, _ = read(head(*fields, line=line))

    assert request.stays is stays


@pytest.mark.parametrize(
    "raw",
    [
        head("Transfer-Encoding: chunked"),
        head("Content-Length: 3"),
        head("Expect: 100-continue"),
        head("Connection: Upgrade, HTTP2-Settings"),
        head("Range: bytes=0-1", "Range: bytes=5-6"),
        head("Folded: a", " b"),
        head("No colon"),
        head("Bad name : a"),
        head("Control: a\x01b"),
        head("Bare: a\nSmuggled: b"),
        head("Text: \u00e9"),
        head(line=LINE.replace("1.1", "2.0")),
        head(line=LINE.replace("GET", "PUT")),
        head(line=LINE.replace(SHA, SHA.upper())),
        head(line=LINE.replace(SHA, SHA + "?x=1")),
        head(line=LINE.replace("3.42", "..%2f")),
        b"GET /firmware/metadata/timestamp.json HTTP/1.1\r\n\r\n",
        b"POST /ls HTTP/1.1\r\n\r\n",
        head("Long: " + "x" * MAX_HEAD),
        LINE.encode() + b"X" * MAX_HEAD,
    ],
)
def test_everything_else_is_left_to_the_http_server(raw):
    assert read(raw) is None


def test_a_beginning_of_a_plain_request_is_waited_for():
    raw = head("Host: x")

    for length in range(len(raw)):
        with pytest.raises(Incomplete):
            read(raw[:length])


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: LINE.encode() + tail))
def test_any_bytes_are_a_request_or_left_or_waited_for(raw):
    try:
        found = read(raw)
    except Incomplete:
        assert b"\r\n\r\n" not in raw
    else:
        assert found is None or found[1] <= len(raw)
