"""Bodies that are too large, too slow, cut off or no HTTP at all: refused in bounded time and memory."""

import asyncio
import logging
import re

import aiohttp
import pytest
from aiohttp import web

from controller.faces.http import application, runner
from tests.faces.example_api import SECRET, Example

HEAD = (
    "{method} /api/v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer op." + SECRET + "\r\n"
    "Content-Type: {content_type}\r\n{more}\r\n"
)


async def talk(port: int, sent: bytes, *, end: bool = False) -> bytes:
    """Send these bytes; one answer, or nothing if the server just closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    if end:
        writer.write_eof()
    try:
        async with asyncio.timeout(20):
            headers = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"Content-Length: (\d+)", headers)[1])
            return headers + await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return b""
    finally:
        writer.close()


def head(more: str, *, method: str = "PUT", path: str = "measure", content_type: str = "text/csv") -> bytes:
    return HEAD.format(method=method, path=path, content_type=content_type, more=more).encode()


async def test_an_upload_arrives_whole_also_when_it_does_not_fit_in_memory(http: aiohttp.ClientSession, operator: dict):
    body = b"code,serial\n" * 200_000
    answer = await http.put("measure", data=body, headers={**operator, "Content-Type": "text/csv"})

    assert await answer.json() == {"size": len(body), "lines": 200_000}


async def test_a_body_announced_too_large_is_refused_before_it_is_sent(port: int):
    answer = await talk(port, head("Content-Length: 3000001\r\n"))

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code": "too-large"' in answer
    assert b"3000000 bytes" in answer


async def test_a_body_that_turns_out_too_large_is_refused_where_it_does(http: aiohttp.ClientSession, operator: dict):
    async def endless():
        for _ in range(60):
            yield b"x" * 65536

    answer = await http.put("measure", data=endless(), headers={**operator, "Content-Type": "text/csv"})

    assert answer.status == 413


async def test_json_has_the_usual_limit_of_one_mebibyte(http: aiohttp.ClientSession, operator: dict, example: Example):
    answer = await http.post("shops/kyoto/orders", json={"drink": "x" * 1_100_000}, headers=operator)

    assert answer.status == 413
    assert example.till.receipts == []


async def test_a_body_that_stops_arriving_is_given_up(port: int):
    answer = await talk(port, head("Content-Length: 100\r\n") + b"some")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "too-slow"' in answer


async def test_a_body_that_is_cut_off_changes_nothing(port: int, example: Example):
    await talk(
        port,
        head("Content-Length: 100\r\n", method="POST", path="shops/kyoto/orders", content_type="application/json")
        + b'{"drink": "sencha"}',
        end=True,
    )

    assert example.till.receipts == []


async def test_chunks_that_are_no_chunks_are_malformed(port: int):
    answer = await talk(port, head("Transfer-Encoding: chunked\r\n") + b"zz\r\nnot a chunk\r\n")

    assert b" 400 " in answer.splitlines()[0]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello on the plain port
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["tls", "short", "version", "long-line", "long-field", "smuggling"],
)
async def test_what_is_not_http_is_refused_and_the_next_client_served(
    port: int, http: aiohttp.ClientSession, garbage: bytes
):
    answer = await talk(port, garbage, end=True)

    assert answer == b"" or answer.split(b" ")[1].startswith(b"4")
    assert b"Traceback" not in answer
    assert (await http.get("shops")).status == 200


async def test_headers_that_never_end_are_given_up(example: Example):
    server = runner(example.app(), idle_s=0.1)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.addresses[0][1])
    writer.write(b"GET /api/v1/shops HTTP/1.1\r\nHost: x\r\nX-And-Then: ")

    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
    await server.cleanup()


async def test_what_is_not_http_leaves_a_line_a_minute_in_the_log_and_no_traceback(
    port: int, caplog: pytest.LogCaptureFixture
):
    server_log = logging.getLogger("hikitsugi.http.server")
    [calm] = server_log.filters
    server_log.removeFilter(calm)
    server_log.addFilter(application.Calm(every_s=60))  # another test's junk may have used up this minute

    with caplog.at_level(logging.INFO):
        for _ in range(5):
            await talk(port, b"GET / HTTP/1.1\r\nno colon here\r\n\r\n")

    [line] = [record for record in caplog.records if record.name == server_log.name]
    assert (line.levelname, line.exc_info) == ("INFO", None)
    assert line.getMessage().startswith("Not HTTP, refused: ")
