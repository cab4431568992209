"""Webhooks to receivers that are slow, endless, broken, elsewhere, or where nobody is to be asked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from controller.authority import Authority
from controller.ports import Outcome, Told
from controller.transports.webhook import WebhookPoster, is_public
from tests.ports import free_ports
from tests.receivers import hook, raw_server

TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
POSTER = WebhookPoster(TRUSTING_NOBODY, private=True)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def post(url: str, *, poster: WebhookPoster = POSTER, deadline_s: float = 5) -> Told:
    return await poster.post(url, {"webhook-id": "msg_1"}, b'{"type":"t"}', deadline_s=deadline_s)


async def test_what_is_posted_arrives_as_it_is() -> None:
    async with hook() as receiver:
        assert await post(f"{receiver.base}/here?token=1") == Told(Outcome.DELIVERED, 204)

    (posted,) = receiver.posted
    assert (posted.path, posted.body, posted.headers["webhook-id"]) == ("/here", b'{"type":"t"}', "msg_1")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((200, Outcome.DELIVERED), (299, Outcome.DELIVERED), (400, Outcome.REFUSED), (410, Outcome.GONE)),
        *((429, Outcome.REFUSED), (500, Outcome.REFUSED), (304, Outcome.REDIRECTED)),
    ],
)
async def test_the_status_says_what_came_of_it(status: int, outcome: Outcome) -> None:
    async with hook() as receiver:
        receiver.status = status
        assert await post(receiver.base) == Told(outcome, status)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    async with hook() as elsewhere, hook() as receiver:

        async def send_on(_: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": elsewhere.base})

        receiver.answer = send_on
        assert await post(receiver.base) == Told(Outcome.REDIRECTED, status)

    assert len(receiver.posted) == 1
    assert elsewhere.posted == []


async def test_who_says_nothing_is_left_at_the_deadline() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass

    async with raw_server(silent) as port:
        assert await post(f"http://127.0.0.1:{port}", deadline_s=0.2) == Told(Outcome.TIMEOUT)


async def test_a_byte_now_and_then_does_not_move_the_deadline() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw_server(drip) as port:
        assert await post(f"http://127.0.0.1:{port}", deadline_s=0.4) == Told(Outcome.TIMEOUT)


async def test_an_endless_body_is_not_read() -> None:
    sent, hung_up = 0, asyncio.Event()

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
                sent += 0x10000
        finally:
            hung_up.set()

    async with raw_server(endless) as port:
        assert await post(f"http://127.0.0.1:{port}") == Told(Outcome.DELIVERED, 200)
        async with asyncio.timeout(5):
            await hung_up.wait()

    assert sent < 64 << 20


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"hello\r\n\r\n", b"HTTP/1.1 2", b"HTTP/1.1 999999 OK\r\n\r\n", b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_counts_as_lost(answer: bytes) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with raw_server(broken) as port:
        assert (await post(f"http://127.0.0.1:{port}")).outcome is Outcome.CONNECTION_LOST


async def test_who_is_not_there_is_unreachable() -> None:
    (nobody,) = free_ports(1)

    assert await post(f"http://127.0.0.1:{nobody}") == Told(Outcome.UNREACHABLE)
    assert await post("https://no-such-host.invalid/") == Told(Outcome.UNREACHABLE)


NO_NAMES = {"2130706433", "127.1"}  # aiohttp takes neither for a host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]"])
async def test_nobody_connects_to_a_private_address_whatever_it_is_called(host: str) -> None:
    connected = 0

    async def count(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1

    async with raw_server(count) as port:
        told = await post(f"http://{host}:{port}/", poster=WebhookPoster(TRUSTING_NOBODY))

    assert connected == 0
    assert told == Told(Outcome.UNREACHABLE if host in NO_NAMES else Outcome.PRIVATE_ADDRESS)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1"),
        *("192.0.0.8", "::7f00:1", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1", "fec0::1"),
        *("::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "::ffff:169.254.169.254"),
    ],
)
def test_addresses_that_are_not_to_be_asked(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(address)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the file of the authority that it is of."""
    authority = Authority.at(tmp_path_factory.mktemp("authority"), now=datetime.now(UTC))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.api(["127.0.0.1"], now=datetime.now(UTC)))
    return server, authority.root_file


async def test_the_receivers_certificate_must_be_trusted(certified: tuple[ssl.SSLContext, Path]) -> None:
    server, root = certified
    trusting = WebhookPoster(ssl.create_default_context(cafile=str(root)), private=True)

    async with hook(server) as receiver:
        assert await post(receiver.base) == Told(Outcome.NOT_TRUSTED)
        assert receiver.posted == []
        assert await post(receiver.base, poster=trusting) == Told(Outcome.DELIVERED, 204)


async def test_names_that_nobody_answers_for_hold_up_no_other_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.get_running_loop()
    real, slow = socket.getaddrinfo, asyncio.Event()

    def look_up(host: str, *more: object) -> object:
        if host == "slow.invalid":
            asyncio.run_coroutine_threadsafe(slow.wait(), asked).result(timeout=20)
        return real(host, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    waiting = [asyncio.create_task(post("http://slow.invalid/", deadline_s=0.2)) for _ in range(4)]

    async with hook() as receiver:
        named = receiver.base.replace("127.0.0.1", "localhost")
        assert await post(named) == Told(Outcome.DELIVERED, 204)
    assert {(await task).outcome for task in waiting} == {Outcome.TIMEOUT}
    slow.set()
