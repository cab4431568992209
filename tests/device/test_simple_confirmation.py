"""https-simple as an adapter begins it at POST /rs: we connect back, to its own address only, and it is reachable."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from controller.faces import http
from controller.faces.device.confirmation import SimpleFace
from controller.faces.device.door import DeviceDoor
from controller.faces.device.pull import MAX_REQUEST, PullFace
from controller.faces.device.shedding import Shedding
from controller.services import check_in, operations
from controller.tls import device_context, legacy_push_context, push_context
from controller.transports.arms.push import ArmsPusher
from controller.transports.arms.simple import Endpoints
from controller.transports.arms.tunnels import Tunnels
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    DoneRequest,
    DoneResponse,
    Kind,
    MdConfig,
    PushConfirmationDone,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    ReadStorage,
    Refusal,
    Storage,
    StoredConfigs,
)
from protocol.arms.simple import PushCall, PushReader, encode_chunked_post, encode_reply
from protocol.arms.xml import decode_request, decode_response, encode
from protocol.ids import DistributionId
from tests.device.doors import authority, entry
from tests.device.raw_adapter import RawAdapter, rs_key, trusting
from tests.registry_fixtures import START
from tests.waiting import until

__all__ = ["authority", "entry"]

OK = ResultCode.SUCCESS


@dataclass
class Endpoint:
    """The adapter's own TLS server."""

    context: ssl.SSLContext
    calls: list[PushCall] = field(default_factory=list)
    result: ResultCode = OK
    server: asyncio.Server | None = None

    async def listen(self, address: str) -> str:
        self.server = await asyncio.start_server(self._serve, address, 0, ssl=self.context)
        return f"https://{address}:{self.server.sockets[0].getsockname()[1]}/"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming = PushReader()
        while not isinstance(call := incoming.feed(await reader.read(65536)), PushCall):
            assert call is None
        self.calls.append(call)
        if self.result is OK:
            answer = encode(PushConfirmationDone(OK, "Success", None))
        else:
            answer = encode(Refusal("push-confirmation-done", self.result, "no"))
        writer.write(encode_reply(200, answer))
        writer.close()


@dataclass
class Simple:
    """The device port with https-simple, and the adapter that talks to it."""

    registry: object
    id: DistributionId
    key: str
    port: int
    root: Path
    endpoint: Endpoint

    async def post(self, message, *, pieces: int = 1) -> bytes:
        """The whole answer of POST /rs, sent as the real client does."""
        body = message if isinstance(message, bytes) else encode(message)
        size = -(-len(body) // pieces)
        parts = [body[at : at + size] for at in range(0, len(body), size)]
        adapter = await RawAdapter.connect(self.port, trusting(self.root))
        raw = encode_chunked_post("127.0.0.1:8443", "/rs", self.id, self.key, parts)
        for at in range(0, len(raw), 16_000):
            adapter.write(raw[at : at + 16_000])
        answer = b""
        while record := await adapter.record():
            answer += record
        adapter.close()
        return answer

    async def ask(self, message, *, pieces: int = 1):
        head, _, body = (await self.post(message, pieces=pieces)).partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0] and b"chunked" not in head.lower()
        return decode_response(body)

    async def start(self, url: str, method: str = "https-simple"):
        return await self.ask(PushConfirmationStartRequest(self.id, method, url, "armsd"))

    async def reach(self):
        query = "SELECT h.* FROM reach h JOIN adapter a ON a.serial = h.adapter WHERE a.distribution_id = $1"
        async with self.registry.db.connection() as connection:
            return await connection.fetchrow(query, UUID(int=self.id.value))


@pytest.fixture
async def simple(registry, authority, entry, tmp_path) -> AsyncIterator[Simple]:
    issued = authority.issue_to_adapter(str(entry), now=START)
    async with registry.db.connection() as connection:
        await connection.execute(
            """UPDATE registration SET sa_certificate = $2, sa_private_key = '\\x00' WHERE adapter =
               (SELECT serial FROM adapter WHERE distribution_id = $1)""",
            UUID(int=entry.value),
            issued.certificate,
        )
    file = tmp_path / "sa.pem"
    file.write_text(issued.private_key + issued.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    ours = authority.push_client(now=START)
    endpoints = Endpoints(push_context(authority.root_file, ours), legacy_push_context(authority.root_file, ours))
    pusher = ArmsPusher(Tunnels(), endpoints)
    side = SimpleFace(registry.db, registry.vault, registry.clock, pusher)
    app = web.Application(client_max_size=MAX_REQUEST)
    answers = Counter("pulls", "", ("message", "result"), registry=CollectorRegistry())
    urls = {"rs_url": "https://127.0.0.1:1/rs", "firmware_url": "https://127.0.0.1:1/firmware"}
    terms = check_in.Terms(
        **urls,
        tunnel_urls=("https://127.0.0.1:1/tunnel",),
        rs_certificate=authority.root_pem,
        rs_retry_max=5,
        rs_retry_interval_s=10,
        ll_timeout_s=30,
        heartbeat_host="127.0.0.1",
        heartbeat_port=5000,
        heartbeat_interval_s=60,
    )
    shedding = Shedding(16, 1000)
    PullFace(registry.db, registry.vault, authority, terms, registry.clock, shedding, answers, push=side).add_to(app)
    runner = http.runner(app, drain_s=0.2)
    await runner.setup()
    assert runner.server is not None
    door = DeviceDoor(runner.server, lambda _: asyncio.Protocol())
    certificate = authority.location_server("test", ["127.0.0.1"], now=START)
    port = await door.listen("127.0.0.1", 0, device_context(certificate))
    made = Simple(registry, entry, await rs_key(registry, entry), port, authority.root_file, Endpoint(context))
    yield made
    if made.endpoint.server:
        made.endpoint.server.close()
    door.close()
    await side.close()
    await runner.cleanup()


async def test_an_endpoint_that_answers_our_call_is_a_way_to_the_adapter(simple) -> None:
    url = await simple.endpoint.listen("127.0.0.1")

    start = await simple.start(url)
    reach = await until(simple.reach)

    assert isinstance(start, PushConfirmationStart) and start.result is OK
    assert decode_request(simple.endpoint.calls[0].body).transaction_id == start.transaction_id
    assert (simple.endpoint.calls[0].distribution_id, simple.endpoint.calls[0].key) == (simple.id, simple.key)
    assert (reach["method"], reach["endpoint"], reach["legacy"]) == ("https-simple", url, False)


async def test_an_endpoint_that_refuses_is_none(simple) -> None:
    simple.endpoint.result = ResultCode.SA_FAILURE
    url = await simple.endpoint.listen("127.0.0.1")

    await simple.start(url)

    async def called():
        return simple.endpoint.calls

    await until(called)
    await asyncio.sleep(0.1)
    assert await simple.reach() is None


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.2:{port}/",
        "https://localhost:{port}/",
        "http://127.0.0.1:{port}/",
        "https://127.0.0.1@127.0.0.2:{port}/",
        "https://[::1]:{port}/",
        "https://127.0.0.1:99999/",
        "nonsense",
    ],
)
async def test_we_connect_nowhere_but_to_the_address_that_asks(simple, url: str) -> None:
    elsewhere = (await simple.endpoint.listen("0.0.0.0")).rpartition(":")[2].rstrip("/")

    start = PushConfirmationStartRequest(simple.id, "https-simple", "https://192.0.2.1:1/", "armsd")
    answer = await simple.ask(encode(start).replace(b"https://192.0.2.1:1/", url.format(port=elsewhere).encode()))

    assert isinstance(answer, Refusal) and 300 <= answer.result < 500  # clients wait and try again
    assert answer.transaction_id is not None
    await asyncio.sleep(0.15)
    assert not simple.endpoint.calls


async def test_a_wrong_key_is_refused_and_nobody_is_called(simple) -> None:
    url = await simple.endpoint.listen("127.0.0.1")
    simple.key = "wrong"

    answer = await simple.start(url)

    assert answer.result is ResultCode.AUTHENTICATION_FAILED
    await asyncio.sleep(0.15)
    assert not simple.endpoint.calls


@pytest.mark.parametrize("size", [100, 600_000])
async def test_a_report_in_many_chunks_is_recorded_and_answered_in_one_record(simple, size: int) -> None:
    db, clock = simple.registry.db, simple.registry.clock
    serial = await _serial(simple)
    operation = await operations.ask(
        db,
        Kind.READ_STORAGE,
        ReadStorage(Storage.RUNNING),
        serial,
        reason="a test",
        caller=simple.registry.administrator,
        now=clock(),
    )
    async with db.connection() as connection:
        await connection.execute(
            """UPDATE operation SET state = 'started', transaction_id = $1, deadline_at = now() + interval '1 h'
               WHERE id = $1""",
            operation,
        )
    report = DoneRequest(
        Kind.READ_STORAGE, simple.id, operation, OK, "armsd", StoredConfigs((MdConfig(0, b"z" * size),))
    )

    answer = await simple.ask(report, pieces=7)

    assert answer == DoneResponse(Kind.READ_STORAGE, operation, OK, answer.description)
    async with db.connection() as connection:
        assert await connection.fetchval("SELECT state FROM operation WHERE id = $1", operation) == "done"
        body = await connection.fetchval("SELECT body FROM operation_output WHERE operation = $1", operation)
    assert body == b"z" * size


async def test_a_large_body_of_a_stranger_is_not_read(simple) -> None:
    simple.key = "wrong"
    report = DoneRequest(Kind.READ_STORAGE, simple.id, 1, OK, "armsd", StoredConfigs((MdConfig(0, b"z" * 600_000),)))

    assert b" 413 " in (await simple.post(report, pieces=7)).splitlines()[0]


async def _serial(simple) -> str:
    async with simple.registry.db.connection() as connection:
        query = "SELECT serial FROM adapter WHERE distribution_id = $1"
        return await connection.fetchval(query, UUID(int=simple.id.value))
