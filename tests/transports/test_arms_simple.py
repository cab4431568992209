"""https-simple over real TLS: who is told anything, what is written, and which replies are understood."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from controller.authority import Authority
from controller.ports import AnswerLost, NotSent, Reach
from controller.tls import legacy_push_context, push_context
from controller.transports.arms.simple import Endpoints
from protocol.arms.codes import ResultCode
from protocol.arms.http import parse_basic
from protocol.arms.messages import (
    Kind,
    MdCommand,
    MdResult,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushRequest,
    PushResponse,
)
from protocol.arms.simple import encode_reply
from protocol.arms.xml import encode
from protocol.ids import DistributionId

NOW = datetime.now(UTC)
ID = DistributionId.parse("0001-0000-0101-0000-0000-0000-DEAD-BEEF")
VECTORS = Path(__file__).parent.parent / "vectors" / "arms"
COMMAND = PushRequest(Kind.MD_COMMAND, ID, MdCommand(0, b"show system"))


@dataclass
class Adapter:
    """An adapter's endpoint: a TLS server with a certificate of ours, that records and gives prepared replies."""

    reach: Reach
    reply: Callable[[], bytes] = lambda: encode_reply(200, encode(PushConfirmationDone(ResultCode.SUCCESS, "ok", None)))
    heard: list[bytes] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    pause_s: float = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("peercert")
        self.shown.append(dict(pair for name in certificate["subject"] for pair in name)["commonName"])
        data = b""
        while b"</arms-message>" not in data:
            got = await reader.read(65536)
            if not got:
                break
            data += got
        self.heard.append(data)
        await asyncio.sleep(self.pause_s)
        if data:
            for byte in self.reply():
                writer.write(bytes([byte]))
        writer.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.at(tmp_path_factory.mktemp("authority"), now=NOW)


@pytest.fixture(scope="module")
def endpoints(authority: Authority) -> Endpoints:
    ours = authority.push_client(now=NOW)
    return Endpoints(push_context(authority.root_file, ours), legacy_push_context(authority.root_file, ours))


def server_context(
    authority: Authority, folder: Path, issuer: Authority | None = None, *, legacy: bool = False
) -> tuple[ssl.SSLContext, bytes]:
    issued = (issuer or authority).issue_to_adapter(str(ID), now=NOW, legacy=legacy)
    file = folder / "sa.pem"
    file.write_text(issued.private_key + issued.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.load_verify_locations(authority.root_file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context, sha256(ssl.PEM_cert_to_DER_cert(issued.certificate)).digest()


async def listen(context: ssl.SSLContext, digest: bytes, *, legacy: bool = False) -> tuple[Adapter, asyncio.Server]:
    made: list[Adapter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await made[0].serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    made.append(Adapter(Reach("SER1", ID, None, url, "rs-key-1", digest, legacy)))
    return made[0], server


@pytest.fixture
async def adapter(authority: Authority, tmp_path: Path) -> AsyncIterator[Adapter]:
    made, server = await listen(*server_context(authority, tmp_path))
    yield made
    server.close()


def confirmation() -> PushConfirmationDoneRequest:
    return PushConfirmationDoneRequest(ID, 1001, "hikitsugi")


async def test_the_adapter_is_shown_our_certificate_its_own_key_and_one_unchunked_message(adapter, endpoints) -> None:
    answer = await endpoints.push(adapter.reach, confirmation(), deadline_s=10)

    assert answer == PushConfirmationDone(ResultCode.SUCCESS, "ok", None)
    head, _, body = adapter.heard[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    fields = dict(line.split(b": ", 1) for line in lines[1:])
    assert lines[0] == b"POST / HTTP/1.1"
    assert parse_basic(fields[b"Authorization"].decode()) == (ID, "rs-key-1")
    assert int(fields[b"Content-Length"]) == len(body) and b"Transfer-Encoding" not in fields
    assert body == encode(confirmation())
    assert adapter.shown[0].startswith("Push Server")


async def test_the_captured_reply_of_a_real_client_is_understood(adapter, endpoints) -> None:
    captured = next(VECTORS.rglob("simple.md-command.response.http")).read_bytes()
    adapter.reply = lambda: captured

    answer = await endpoints.push(adapter.reach, COMMAND, deadline_s=10)

    assert isinstance(answer, PushResponse) and isinstance(answer.value, MdResult)
    assert answer.result is ResultCode.SUCCESS and answer.value.body


@pytest.mark.parametrize(
    ("legacy", "ciphers"),
    [(False, "DEFAULT"), (True, "DEFAULT"), pytest.param(True, "kRSA", id="a server without curves: OpenSSL 1.0")],
)
async def test_an_adapter_that_knows_only_tls_1_0_is_reached(authority, endpoints, tmp_path, legacy, ciphers) -> None:
    context, digest = server_context(authority, tmp_path, legacy=legacy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    adapter, server = await listen(context, digest, legacy=True)

    answer = await endpoints.push(adapter.reach, confirmation(), deadline_s=10)

    assert answer.result is ResultCode.SUCCESS
    server.close()


async def test_another_certificate_of_our_own_root_is_told_nothing(authority, endpoints, tmp_path) -> None:
    """An exchange has revoked it: the endpoint of the old adapter shows the certificate of the old registration."""
    context, _ = server_context(authority, tmp_path)
    adapter, server = await listen(context, sha256(b"another").digest())

    with pytest.raises(NotSent, match="another certificate"):
        await endpoints.push(adapter.reach, confirmation(), deadline_s=10)

    await asyncio.sleep(0.05)
    assert adapter.heard in ([], [b""])
    server.close()


async def test_a_certificate_of_another_root_is_told_nothing(authority, endpoints, tmp_path) -> None:
    stranger = Authority.at(tmp_path / "stranger", now=NOW)
    adapter, server = await listen(*server_context(authority, tmp_path, stranger))

    with pytest.raises(NotSent, match="not of our root"):
        await endpoints.push(adapter.reach, confirmation(), deadline_s=10)

    assert adapter.heard in ([], [b""])
    server.close()


@pytest.mark.parametrize("status", [400, 401])
async def test_a_refusal_by_http_means_that_nothing_was_done(adapter, endpoints, status: int) -> None:
    adapter.reply = lambda: encode_reply(status)

    with pytest.raises(NotSent, match=f"HTTP {status}"):
        await endpoints.push(adapter.reach, confirmation(), deadline_s=10)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.0 200 OK\r\n",
        encode_reply(200),
        encode_reply(200, b"<arms-message><broken></arms-message>"),
        encode_reply(200, encode(PushResponse(Kind.PULL_CONFIG, ResultCode.SUCCESS, "ok", None, None))),
        b"\x00" * 100,
    ],
)
async def test_what_is_no_answer_leaves_open_whether_it_was_done(adapter, endpoints, reply: bytes) -> None:
    adapter.reply = lambda: reply

    with pytest.raises(AnswerLost, match=r"SER1 at https://127\.0\.0\.1:"):
        await endpoints.push(adapter.reach, COMMAND, deadline_s=10)


async def test_an_endless_reply_is_given_up(adapter, endpoints) -> None:
    adapter.pause_s = 30

    with pytest.raises(AnswerLost, match=r"within 0\.5 s"):
        await endpoints.push(adapter.reach, COMMAND, deadline_s=0.5)


async def test_nobody_at_the_endpoint_means_not_sent(adapter, endpoints) -> None:
    nobody = Reach("SER1", ID, None, "https://127.0.0.1:9/", "k", b"\x00" * 32)

    with pytest.raises(NotSent, match="SER1 at"):
        await endpoints.push(nobody, confirmation(), deadline_s=10)
