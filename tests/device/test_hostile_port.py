"""The device port against junk, sloth and greed: bounded connections and memory, deadlines, few words in the log."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import tracemalloc

import pytest
from structlog.testing import capture_logs

from controller.faces.device.short_pulls import ShortPulls
from protocol.arms.tunnel import ECHO_REQUEST, ECHO_RESPONSE, END, encode_request_header
from tests.device.doors import authority, entry, port
from tests.device.raw_adapter import RawAdapter, rs_key, trusting
from tests.waiting import until

__all__ = ["authority", "entry", "port"]


def is_left(port):
    async def empty() -> bool:
        return port.door.count == 0

    return until(empty)


async def plain(port) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port.port)


async def ends(adapter: RawAdapter) -> bool:
    """It is closed, whatever is said before."""
    try:
        while await adapter.record():
            pass
    except ConnectionError:
        pass
    return True


async def test_a_connection_that_says_nothing_is_cut_after_the_deadline(port) -> None:
    adapter = await port.connect()
    await until(port.awaits_first_bytes)

    port.monotonic.now += 9
    port.door.sweep()
    assert port.door.count == 1
    port.monotonic.now += 2
    port.door.sweep()

    assert await ends(adapter)
    await is_left(port)


async def test_a_tunnel_header_that_drips_is_cut_after_the_same_deadline(port, entry) -> None:
    adapter = await port.connect()
    await until(port.awaits_first_bytes)

    for byte in encode_request_header("x:1", "/tunnel", entry, "k")[:30]:
        adapter.write(bytes([byte]))
        await asyncio.sleep(0.001)
        port.monotonic.now += 0.4
    port.door.sweep()

    assert await ends(adapter)


async def test_an_http_header_that_drips_is_cut_by_the_http_server(port) -> None:
    adapter = await port.connect()
    begun = time.monotonic()

    with contextlib.suppress(ConnectionError):
        for byte in b"POST /ls HTTP/1.1\r\n" + b"X: x\r\n" * 100:
            adapter.write(bytes([byte]))
            await asyncio.sleep(0.02)
            if port.door.count == 0:
                break

    assert time.monotonic() - begun < 5
    adapter.cut()
    await is_left(port)


async def test_half_a_pull_is_left_to_the_http_server_after_the_deadline(port) -> None:
    async def answer(*_: object) -> bytes:
        raise AssertionError("it never was whole in time")

    port.door.pulls = ShortPulls(answer)
    adapter = await port.connect()
    adapter.write(b"POST /rs HTTP/1.0\r\nContent-Length: 5\r\n\r\nab")

    async def is_waited_for() -> bool:
        return [each.is_a_pull for each in port.door._waiting] == [True]

    await until(is_waited_for)

    port.monotonic.now += 11
    port.door.sweep()
    adapter.write(b"cde")

    assert (await adapter.record()).endswith(b"POST /rs 5")


async def test_whoever_begins_no_handshake_is_cut(port) -> None:
    reader, writer = await plain(port)

    async with asyncio.timeout(15):
        assert await reader.read() == b""

    writer.close()
    await is_left(port)


async def test_junk_instead_of_tls_is_refused_and_logged_once(port) -> None:
    with capture_logs() as logs:
        for junk in (
            b"\x00" * 2000,
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\xff\xff" + b"x" * 40_000,
            b"\xff" * 7,
        ) * 8:
            reader, writer = await plain(port)
            with contextlib.suppress(ConnectionError):
                writer.write(junk)
                writer.write_eof()
                await reader.read()
            writer.close()
        await is_left(port)

    assert [entry["kind"] for entry in logs if entry["log_level"] != "debug"] == ["handshake"]


async def test_junk_inside_tls_is_refused_and_logged_once_a_kind(port) -> None:
    with capture_logs() as logs:
        for junk in (
            b"\x00" * 2000,
            b"POST /tunnel \x00\r\n\r\n",
            b"<xml/>\r\n\r\n",
            b"POST /tunnel HTTP/1.1\r\n\r\n",
        ) * 4:
            adapter = await port.connect()
            adapter.write(junk)
            assert await ends(adapter)
            adapter.cut()
        await is_left(port)

    kinds = [entry["kind"] for entry in logs if entry["log_level"] == "warning"]
    assert sorted(kinds) == sorted(set(kinds))


async def test_more_connections_than_one_address_may_have_are_refused_before_a_handshake(port) -> None:
    with capture_logs() as logs:
        opened = [await plain(port) for _ in range(30)]
        late = [await plain(port) for _ in range(20)]
        for reader, _ in late:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""

    assert port.door.count == 30
    assert [entry["kind"] for entry in logs] == ["connections-address"]
    for _, writer in opened + late:
        writer.close()
    await is_left(port)
    assert await port.connect()


async def test_more_connections_than_there_may_be_in_all_are_refused(port) -> None:
    opened = [
        await asyncio.open_connection("127.0.0.1", port.port, local_addr=(address, 0))
        for address in ("127.0.0.2", "127.0.0.3")
        for _ in range(25)
    ]

    async def full() -> bool:
        return port.door.count == 40

    await until(full)
    for _, writer in opened:
        writer.close()
    await is_left(port)


@pytest.mark.parametrize(
    "junk",
    [
        b"zz\r\n",
        b"5;id=1;trail\r\nhelloXX",
        b"x" * 300,
        b"fffff;id=1\r\n",
        b"5;id=x\r\nhello\r\n",
        b"".join(b"1;id=%d\r\nx\r\n" % number for number in range(9)),
    ],
)
async def test_what_is_no_chunk_ends_the_tunnel(port, entry, junk: bytes) -> None:
    adapter = await port.tunnel(entry)

    adapter.write(junk)

    assert await ends(adapter)
    assert port.face.count == 0


async def test_a_message_without_end_is_cut_off_and_costs_bounded_memory(port, entry) -> None:
    adapter = await port.tunnel(entry)
    chunk = b"ea60;id=1\r\n" + b"x" * 60_000 + b"\r\n"
    tracemalloc.start()
    sent = 0
    with contextlib.suppress(ConnectionError):
        for _ in range(400):
            for at in range(0, len(chunk), 16_000):
                adapter.write(chunk[at : at + 16_000])
            await adapter.drained()
            sent += len(chunk)
            if port.face.count == 0:
                break
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert port.face.count == 0 and sent < 20 << 20  # most of it in the buffers of the kernel
    assert peak < 40 << 20


async def test_an_adapter_that_asks_for_echoes_and_reads_none_is_cut(port, entry) -> None:
    adapter = await port.connect(receive_buffer=4096)
    adapter.open_tunnel(entry, await rs_key(port.registry, entry))
    await adapter.opened()
    many = ECHO_REQUEST * 500

    with contextlib.suppress(ConnectionError):
        for _ in range(4000):
            adapter.write(many)
            await adapter.drained()
            if port.face.count == 0:
                break

    assert port.face.count == 0


async def test_others_are_served_while_connections_hang(port, entry) -> None:
    hanging = [await plain(port) for _ in range(20)]
    adapter = await port.tunnel(entry)

    adapter.write(ECHO_REQUEST)

    assert await adapter.record() == ECHO_RESPONSE
    for _, writer in hanging:
        writer.close()


async def test_a_connection_cut_at_any_moment_leaves_nothing_behind(port, entry) -> None:
    key = await rs_key(port.registry, entry)
    context = trusting(port.root)
    header = encode_request_header("x:1", "/tunnel", entry, key)
    for cut in (0, 5, len(header) - 1, len(header)):
        adapter = await RawAdapter.connect(port.port, context)
        if cut:
            adapter.write(header[:cut])
        adapter.cut()
    half = socket.create_connection(("127.0.0.1", port.port))
    half.send(b"\x16\x03\x01")
    half.close()

    await is_left(port)
    await until(port.is_empty)
    assert not port.door._waiting and not port.face._dialogue._unreadable


async def test_a_good_bye_of_the_server_reaches_an_adapter_that_sends_nothing(port, entry) -> None:
    adapter = await port.tunnel(entry)

    port.tunnels.hang_up(port.tunnels.held()[0], "a test")

    assert await adapter.record() == END
    assert port.tunnels.held() == ()
