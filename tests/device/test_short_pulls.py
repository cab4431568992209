"""What is read without an HTTP server, and what is left to it."""

from __future__ import annotations

import pytest

from controller.faces.device.short_pulls import MAX_BODY, MAX_HEADER, Incomplete, Pull, read
from protocol.arms.http import basic, encode_pull
from tests.rows import distribution_id

ID = distribution_id(1)
PULL = encode_pull("/rs", ID, "k" * 32, b"<arms-message>...</arms-message>")


def test_a_pull_is_read_when_it_is_whole_and_not_before() -> None:
    for cut in range(1, len(PULL)):
        with pytest.raises(Incomplete):
            read(PULL[:cut])

    assert read(PULL) == Pull("/rs", basic(ID, "k" * 32), b"<arms-message>...</arms-message>")


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(PULL + b"x", id="more than its length"),
        pytest.param(PULL.replace(b"/rs", b"/rsx"), id="another path"),
        pytest.param(PULL.replace(b"POST", b"PUT"), id="another method"),
        pytest.param(PULL.replace(b"HTTP/1.0", b"HTTP/2.0"), id="another version"),
        pytest.param(PULL.replace(b"Content-Length", b"X-Length"), id="no length"),
        pytest.param(PULL.replace(b"Length: ", b"Length: -"), id="no number"),
        pytest.param(PULL.replace(b"Content-Type", b"Content-Length"), id="two lengths"),
        pytest.param(PULL.replace(b"Content-Type: text/xml", b"Transfer-Encoding: chunked"), id="chunks"),
        pytest.param(PULL.replace(b"Content-Type: text/xml", b"Expect: 100-continue"), id="an expectation"),
        pytest.param(PULL.replace(b"Content-Type: ", b"Content-Type : "), id="a blank before the colon"),
        pytest.param(PULL.replace(b"Content-Type: ", b" folded: "), id="a folded line"),
        pytest.param(PULL.replace(b"text/xml", b"text/\x00xml"), id="a control character"),
        pytest.param(PULL.replace(b"text/xml\r", b"text/xml"), id="a bare line feed"),
        pytest.param(b"POST /rs HTTP/1.0\r\nX: " + b"x" * MAX_HEADER, id="a long header"),
        pytest.param(b"POST /rs HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), id="a long body"),
        pytest.param(b"GET / HTTP/1.1\r\n", id="something else"),
    ],
)
def test_whatever_is_not_of_the_plainest_form_is_left_to_the_http_server(request_: bytes) -> None:
    assert read(request_) is None


async def test_header_and_body_may_come_by_themselves_or_in_many_pieces(listener) -> None:
    whole = await listener.send(PULL)

    for pieces in (2, 3, 8):
        size = len(PULL) // pieces + 1
        parts = [PULL[at : at + size] for at in range(0, len(PULL), size)]
        assert (await listener.send_slowly(parts)).split(b"\r\n\r\n")[1] == whole.split(b"\r\n\r\n")[1]
