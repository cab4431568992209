"""What each listener speaks, tried with real handshakes: TLS 1.0 only where it is asked for."""

import asyncio
import ssl
import tracemalloc
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller import tls
from controller.authority import Authority

Listener = Callable[[Path], ssl.SSLContext]
NOW = datetime.now(UTC)
CURRENT = [tls.device_context, tls.api_context]
VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.at(tmp_path / "authority", now=NOW)


def client(authority: Authority, version: str) -> ssl.SSLContext:
    """A client that verifies us and speaks that version only, like the stock ARMS client its TLS 1.0."""
    context = ssl.create_default_context(cafile=authority.root_file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = VERSIONS[version]
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


async def greet(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """One connection; the version that was agreed on. Raises ssl.SSLError or ConnectionError."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server) as listener, asyncio.timeout(10):
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        assert await reader.read() == b"hello"
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
        return str(version)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("listener", [*CURRENT, tls.legacy_device_context])
async def test_current_clients_verify_and_reach_every_listener(
    authority: Authority, listener: Listener, version: str
) -> None:
    server = listener(authority.location_server("hikitsugi", ["127.0.0.1"], now=NOW))

    assert await greet(server, client(authority, version)) == version


async def test_a_tls_1_0_client_reaches_the_legacy_listener(authority: Authority) -> None:
    server = tls.legacy_device_context(authority.location_server("hikitsugi", ["127.0.0.1"], now=NOW))

    assert await greet(server, client(authority, "TLSv1")) == "TLSv1"


@pytest.mark.parametrize("listener", CURRENT)
async def test_a_tls_1_0_client_is_turned_away_elsewhere(authority: Authority, listener: Listener) -> None:
    server = listener(authority.location_server("hikitsugi", ["127.0.0.1"], now=NOW))

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await greet(server, client(authority, "TLSv1"))


async def test_a_client_of_another_authority_does_not_trust_us(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority.at(tmp_path / "stranger", now=NOW)
    server = tls.device_context(authority.location_server("hikitsugi", ["127.0.0.1"], now=NOW))

    with pytest.raises(ssl.SSLCertVerificationError):
        await greet(server, client(stranger, "TLSv1.3"))


async def test_a_renewed_certificate_is_served_without_a_restart(authority: Authority) -> None:
    server = tls.device_context(authority.location_server("hikitsugi", ["127.0.0.2"], now=NOW))
    with pytest.raises(ssl.SSLCertVerificationError):
        await greet(server, client(authority, "TLSv1.3"))

    server.load_cert_chain(authority.location_server("hikitsugi", ["127.0.0.1", "127.0.0.2"], now=NOW))

    assert await greet(server, client(authority, "TLSv1.3")) == "TLSv1.3"


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_returning_client_of_the_api_resumes_its_session(authority: Authority, version: str) -> None:
    server = tls.api_context(authority.location_server("hikitsugi", ["127.0.0.1"], now=NOW))
    mine = client(authority, version)

    first = _handshake(server, mine, None)
    assert not first.session_reused
    second = _handshake(server, mine, first.session)

    assert second.session_reused


def test_no_ticket_is_made_for_an_adapter_unasked(authority: Authority) -> None:
    server = tls.device_context(authority.location_server("hikitsugi", ["127.0.0.1"], now=NOW))

    opened = _handshake(server, client(authority, "TLSv1.3"), None)

    assert opened.session is not None
    assert not opened.session.has_ticket


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLObject:
    """Both ends in memory; one byte travels afterwards, because TLS 1.3 tickets come with the first data."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1", session=session)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for end in (ours, theirs):
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                continue
    theirs.write(b"x")
    assert ours.read(1) == b"x"
    return ours


async def test_an_open_connection_takes_little_memory(authority: Authority) -> None:
    server = tls.device_context(authority.location_server("hikitsugi", ["127.0.0.1"], now=NOW))
    mine, ends, asked = client(authority, "TLSv1.3"), 2 * 20, asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0, ssl=server) as listener, asyncio.timeout(20):
        port = listener.sockets[0].getsockname()[1]
        tracemalloc.start()
        try:
            opened = [await asyncio.open_connection("127.0.0.1", port, ssl=mine) for _ in range(ends // 2)]
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        asked.set()
        for _, writer in opened:
            writer.close()

    assert taken / ends < 100_000, "asyncio's own buffer alone would be 256 KiB"
