"""A connection on which images are asked for: answer after answer, handed over when something else is asked, let go."""

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from firmware_repo import connection
from firmware_repo.blobs import Blobs
from firmware_repo.errors import Damaged
from firmware_repo.opened import Opened
from firmware_repo.web import Limits
from tests.firmware_repo.served import DIGEST, IMAGE, KEY, Served, add, serving
from tests.waiting import until

PATH = f"/firmware/seil8/3.42/sha256/{DIGEST}"
WAIT_S = 20
MOST = 128 << 20
"""Bytes; sockets hold some 10 MB of them."""


def asking(ranged: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {PATH} HTTP/{version}", "Host: x", f"Authorization: {KEY}", f"Range: {ranged}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def connect(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", served.port, ssl=served.tls)


async def answered(reader: asyncio.StreamReader, status: int, body: bytes) -> bytes:
    async with asyncio.timeout(WAIT_S):
        head = await reader.readuntil(b"\r\n\r\n")
        assert int(head.split()[1]) == status, head
        assert await reader.readexactly(len(body)) == body
    return head


async def test_requests_that_come_together_are_answered_in_order(served):
    reader, writer = await connect(served)

    writer.write(asking("bytes=0-9") + asking("bytes=-600000") + asking("bytes=10-19"))

    await answered(reader, 206, IMAGE[:10])
    await answered(reader, 206, IMAGE[-600000:])
    await answered(reader, 206, IMAGE[10:20])
    writer.close()


async def test_a_request_in_pieces_is_answered(served):
    reader, writer = await connect(served)
    raw = asking("bytes=0-9")

    for at in range(0, len(raw), 40):
        writer.write(raw[at : at + 40])
        await writer.drain()
        await asyncio.sleep(0)

    await answered(reader, 206, IMAGE[:10])
    writer.close()


async def test_what_is_no_plain_request_for_an_image_goes_to_the_http_server_on_the_same_connection(served):
    reader, writer = await connect(served)
    other = b"GET /firmware/metadata/timestamp.json HTTP/1.1\r\nHost: x\r\n\r\n"

    writer.write(asking("bytes=0-9") + other)

    await answered(reader, 206, IMAGE[:10])
    await answered(reader, 404, b"404: Not Found")
    writer.write(asking("bytes=0-9", "Range: bytes=5-6"))
    await answered(reader, 200, IMAGE)
    writer.close()


@pytest.mark.parametrize(("version", "fields"), [("1.1", ["Connection: close"]), ("1.0", [])])
async def test_the_connection_ends_after_the_answer_when_that_was_asked_for(served, version, fields):
    reader, writer = await connect(served)

    writer.write(asking("bytes=0-999999", *fields, version=version))

    head = await answered(reader, 206, IMAGE[:1000000])
    assert version == "1.0" or b"connection: close\r\n" in head.lower()
    async with asyncio.timeout(WAIT_S):
        assert await reader.read() == b""
    writer.close()


async def test_a_slow_reader_that_asked_for_the_end_gets_all_before_it(tmp_path: Path, certificate: Path, monkeypatch):
    """What asyncio holds below TLS is dropped seconds after `close`: the connection is closed when it has left."""
    monkeypatch.setattr("asyncio.constants.SSL_SHUTDOWN_TIMEOUT", 0.1)
    body = os.urandom(2 << 20)
    async with serving(tmp_path, certificate, Limits()) as served:
        blob = add(served.blobs, body)
        served.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 << 10)  # a slow line
        raw = asking("bytes=0-", "Connection: close").replace(DIGEST.encode(), blob.sha256.encode())

        got = await asyncio.to_thread(read_slowly, served, raw)

        assert got.partition(b"\r\n\r\n")[2] == body


def read_slowly(served: Served, raw: bytes) -> bytes:
    """The answer, by a reader that holds nothing itself, and rests when the server has handed all to TLS."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
    line.settimeout(WAIT_S)
    line.connect(("127.0.0.1", served.port))
    assert served.tls is not None
    with served.tls.wrap_socket(line, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as tls:
        tls.sendall(raw)
        got = bytearray()
        while served.ended.empty():
            got += tls.recv(16 << 10)
        time.sleep(0.3)  # longer than TLS waits for a farewell
        while data := tls.recv(16 << 10):
            got += data
        return bytes(got)


@pytest.mark.parametrize("said", [b"", b"GET /firmw", asking("bytes=0-9")[:-2]])
async def test_who_asks_for_nothing_is_let_go(tmp_path: Path, monkeypatch, said):
    monkeypatch.setattr(connection, "IDLE_S", 0.2)
    async with serving(tmp_path, None, Limits()) as served:
        reader, writer = await connect(served)
        writer.write(said)

        async with asyncio.timeout(WAIT_S):
            assert await reader.read() == b""
        writer.close()


async def test_who_leaves_while_an_answer_is_made_is_forgotten(served):
    _, writer = await connect(served)
    writer.write(asking("bytes=0-"))
    writer.transport.abort()

    reader, writer = await connect(served)
    writer.write(asking("bytes=0-9"))
    await answered(reader, 206, IMAGE[:10])
    writer.close()


async def test_who_says_that_no_more_requests_come_gets_all_answers(tmp_path: Path):
    """Half of a connection is closed, the other is not: as with nginx."""
    body = os.urandom(24 << 20)  # more than sockets hold
    async with serving(tmp_path, None, Limits()) as served:
        blob = add(served.blobs, body)
        reader, writer = await connect(served)
        whole = asking("bytes=0-").replace(DIGEST.encode(), blob.sha256.encode())

        writer.write(whole + whole.replace(b"bytes=0-", b"bytes=0-9"))
        writer.write_eof()

        await asyncio.sleep(0.1)  # it has seen the end before it has sent all
        await answered(reader, 206, body)
        await answered(reader, 206, body[:10])
        async with asyncio.timeout(WAIT_S / 4):
            assert await reader.read() == b""
        writer.close()


# --- one descriptor for many readers ---------------------------------------------------------------------------------


async def test_readers_of_one_blob_share_a_descriptor_and_the_last_gives_it_back(tmp_path: Path):
    blobs = Blobs(tmp_path)
    blob = add(blobs, IMAGE)
    opened = Opened(blobs)

    with opened.open(blob.sha256) as first, opened.open(blob.sha256) as second:
        assert first.file is second.file

    async def is_closed() -> bool:
        return first.file.closed

    await until(is_closed)


async def test_a_blob_that_was_cut_or_healed_meanwhile_is_opened_anew(tmp_path: Path):
    """R4.1: what was damaged on disk is never served as whole."""
    blobs = Blobs(tmp_path)
    blob = add(blobs, IMAGE)
    opened = Opened(blobs)
    with opened.open(blob.sha256) as first:
        os.truncate(blobs.path(blob), 5)
        with pytest.raises(Damaged), opened.open(blob.sha256):
            pass
        add(blobs, IMAGE)
        with opened.open(blob.sha256) as healed:
            assert healed.file is not first.file
            assert os.pread(healed.file.fileno(), len(IMAGE), 0) == IMAGE


# --- who does not read -----------------------------------------------------------------------------------------------


async def test_who_asks_and_asks_and_does_not_read_fills_no_memory_and_is_let_go(tmp_path: Path, monkeypatch):
    """Anybody can ask: neither questions nor answers may pile up here."""
    monkeypatch.setattr(connection, "IDLE_S", 0.5)
    questions = f"HEAD {PATH} HTTP/1.1\r\n\r\n".encode() * 500
    async with serving(tmp_path, None, Limits()) as served:
        _, writer = await connect(served)
        writer.transport.pause_reading()

        taken = 0
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(WAIT_S):
                while taken < MOST:
                    writer.write(questions)
                    await writer.drain()
                    taken += len(questions)

        assert taken < MOST
        writer.close()
