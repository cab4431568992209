"""A small ARMS server with real TLS for the adapters under test: it answers as told, and remembers what it saw."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.fleet import Fleet, Settings
from agent.generate import Recipe, generate
from agent.inventory import Row
from protocol.arms.codes import ResultCode
from protocol.arms.http import parse_basic
from protocol.arms.lsconfig import LineDhcp, LsConfig
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    HeartbeatInfo,
    MdConfig,
    Module,
    PushMethodQuery,
    PushMethodQueryRequest,
    Refusal,
    RsInfo,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.arms.xml import decode_request, encode
from protocol.image import build
from tests.ports import free_ports

if TYPE_CHECKING:
    from tests.agent.push_server import PushServer

RS_KEY = "rs-key-of-the-tests"


def certificate(name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None):
    """A certificate and its key; self-signed without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    return made, key


@dataclass
class Authority:
    """A root, and server certificates under it."""

    root: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    folder: Path

    @classmethod
    def new(cls, folder: Path, name: str = "ARMS Root CA") -> Authority:
        return cls(*certificate(name), folder)

    @property
    def pem(self) -> str:
        return self.root.public_bytes(serialization.Encoding.PEM).decode()

    def context(self, name: str = "Location Server test") -> ssl.SSLContext:
        leaf, key = certificate(name, (self.root, self.key))
        path = self.folder / f"{leaf.serial_number}.pem"
        path.write_bytes(
            leaf.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@dataclass
class Seen:
    """One request: who, with which key, from which address, and the message (or the HTTP method and path)."""

    who: str
    key: str
    source: str
    message: object
    raw: bytes


@dataclass
class ArmsServer:
    """rows: whose configs it hands out. answers: result codes given instead, per message type, used up in order.

    handle_file: waited for before each file.
    """

    authority: Authority
    rows: dict[str, Row]
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    answers: dict[type, list[ResultCode]] = field(default_factory=dict)
    firmware: tuple[str, str] | None = None
    images: dict[str, bytes] = field(default_factory=dict)
    ranges: list[str] = field(default_factory=list)
    ignores_if_range: bool = False
    retry_interval: int = 10
    retry_max: int = 2
    handle_file: Callable[[], Awaitable[object]] | None = None
    etag_of: Callable[[bytes], str] = field(default=lambda image: f'"{hashlib.sha256(image).hexdigest()}"')

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/ls"

    def requests(self, kind: type) -> list[Seen]:
        return [seen for seen in self.seen if isinstance(seen.message, kind)]

    def offer(self, image: bytes, version: str, *, advertised: bytes | None = None) -> None:
        """Order this firmware. advertised: the image whose sha256 the URL has, if it is to be a lie."""
        digest = hashlib.sha256(image if advertised is None else advertised).hexdigest()
        path = f"/firmware/any/{version}/sha256/{digest}"
        self.images[path] = image
        self.firmware = (version, f"https://127.0.0.1:{self.port}{path}")

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            authorization = re.search(rb"Authorization: (.*)\r\n", head)
            who, key = parse_basic(authorization[1].decode())
            source = writer.get_extra_info("peername")[0]
            if head.startswith(b"POST"):
                body = await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", head)[1]))
                message = decode_request(body)
                self.seen.append(Seen(str(who), key, source, message, head + body))
                answer = encode(self.answer(message))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n" + answer)
            else:
                self.seen.append(Seen(str(who), key, source, head.split(b" ")[1].decode(), head))
                if self.handle_file:
                    await self.handle_file()
                writer.write(self.image(head))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def answer(self, message: object):
        codes = self.answers.get(type(message), [])
        code = codes.pop(0) if codes else ResultCode.SUCCESS
        kind = {
            RsSolicitationRequest: "rs-solicitation",
            ConfigSolicitationRequest: "config-solicitation",
            PushMethodQueryRequest: "push-method-query",
        }[type(message)]
        if code is not ResultCode.SUCCESS:
            return Refusal(kind, code, code.phrase)
        return getattr(self, kind.replace("-", "_"))(message)

    def rs_solicitation(self, _: RsSolicitationRequest) -> RsSolicitation:
        config = LsConfig((LineDhcp(0),), self.authority.pem).encode()
        info = RsInfo(self.url.replace("/ls", "/rs"), config)
        return RsSolicitation(
            ResultCode.SUCCESS, "Success", RS_KEY, 30, self.retry_max, self.retry_interval, 3600, (info,)
        )

    def config_solicitation(self, message: ConfigSolicitationRequest) -> ConfigSolicitation:
        version, info = self.firmware or ("", "")
        return ConfigSolicitation(
            result=ResultCode.SUCCESS,
            description="Success",
            sa_certificate=None,
            sa_private_key=None,
            proposal=None,
            heartbeats=(HeartbeatInfo("127.0.0.1", 5000, "pass", 60),),
            rs_push_server_addresses=(),
            rs_pull_server_urls=(self.url.replace("/ls", "/rs"),),
            modules=(Module(0, version or message.firmware_info or "1", info),),
            configs=(MdConfig(0, self.rows[str(message.distribution_id)].config.encode("latin-1")),),
        )

    def push_method_query(self, _: PushMethodQueryRequest) -> PushMethodQuery:
        return PushMethodQuery(ResultCode.SUCCESS, "Success", ("https-simple",), (), None)

    def image(self, head: bytes) -> bytes:
        image = self.images.get(head.split(b" ")[1].decode())
        if image is None:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        etag = self.etag_of(image)
        asked = re.search(rb"Range: bytes=(\d+)-", head)
        same = re.search(rb"If-Range: (.*)\r\n", head)
        self.ranges.append(asked[1].decode() if asked else "")
        if asked and same and (self.ignores_if_range or same[1].decode() == etag):
            start = int(asked[1])
            status = f"206 Partial Content\r\nContent-Range: bytes {start}-{len(image) - 1}/{len(image)}"
        else:
            start, status = 0, "200 OK"
        part = image[start:]
        header = f"HTTP/1.1 {status}\r\nContent-Length: {len(part)}\r\nETag: {etag}\r\nConnection: close\r\n\r\n"
        return header.encode() + part


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.new(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def rows() -> list[Row]:
    """Fifteen adapters, five of each family: four entries and a standby; each test has a port of its own."""
    return list(generate(Recipe(15, contracts=1, ssh_port=free_ports(1)[0])))


@pytest.fixture
async def arms(authority: Authority, rows: list[Row]) -> AsyncIterator[ArmsServer]:
    made = ArmsServer(authority, {row.distribution_id: row for row in rows})
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0, ssl=authority.context(), backlog=256)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
async def push(authority: Authority, rows: list[Row]) -> AsyncIterator[PushServer]:
    """As `arms`, and it pushes: see tests/agent/push_server.py."""
    from tests.agent.push_server import PushServer

    made = PushServer(authority, {row.distribution_id: row for row in rows})
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0, ssl=authority.context(), backlog=256)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
def pushed(push: PushServer, authority: Authority) -> Settings:
    """As `settings`, with the server that pushes."""
    return Settings(ls_url=push.url, ls_anchor=authority.pem, time_scale=0.002)


@pytest.fixture
def settings(arms: ArmsServer, authority: Authority) -> Settings:
    """Five hundred device seconds pass in one."""
    return Settings(ls_url=arms.url, ls_anchor=authority.pem, time_scale=0.002)


@pytest.fixture
def one_of(rows: list[Row]) -> Callable[[str], Row]:
    """The first entry of a series."""
    return lambda series: next(row for row in rows if row.series == series and row.kind == "entry")


@pytest.fixture
async def standalone(rows: list[Row]) -> AsyncIterator[Fleet]:
    """All fifteen in service without any server."""
    async with Fleet(rows, Settings(time_scale=0.01)) as fleet:
        await fleet.settled(deadline_s=10)
        yield fleet


@pytest.fixture
async def login() -> Callable[..., AbstractAsyncContextManager[asyncssh.SSHClientConnection]]:
    """login(row, **options): an SSH connection that insists on the inventory's host key."""

    def connect(row: Row, **options: object) -> AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
        known = asyncssh.import_known_hosts(f"[{row.ssh_address}]:{row.ssh_port} {row.ssh_host_key}\n")
        usual = {"username": row.ssh_username, "password": row.ssh_password, "known_hosts": known, "config": None}
        return asyncssh.connect(row.ssh_address, int(row.ssh_port), **usual | options)

    return connect


class Terminal:
    """A person at a terminal: types a line, reads up to the next prompt."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self.process = process
        self.greeting = b""

    async def read(self, until: bytes = b"# ") -> bytes:
        async with asyncio.timeout(10):
            return await self.process.stdout.readuntil(until)

    async def run(self, line: str, until: bytes = b"# ") -> bytes:
        """Everything from the echo to the prompt, as it came."""
        self.process.stdin.write(line.encode("latin-1") + b"\r")
        return await self.read(until)

    async def printed(self, line: str) -> str:
        """What the line printed: echo, prompt and escapes gone."""
        text = re.sub(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>])", b"", await self.run(line)).decode("latin-1")
        return text.partition("\r\n")[2].removesuffix("# ")


@pytest.fixture
def terminal() -> Callable[..., Awaitable[Terminal]]:
    async def open_terminal(connection: asyncssh.SSHClientConnection, rows: int = 1000, columns: int = 511) -> Terminal:
        process = await connection.create_process(term_type="vt100", term_size=(columns, rows), encoding=None)
        opened = Terminal(process)
        opened.greeting = await opened.read()
        return opened

    return open_terminal


@pytest.fixture
def image() -> Callable[..., bytes]:
    """image(row, version): firmware that fits the row's adapter, 200,000 bytes of it."""
    return lambda row, version, **other: build(
        other.get("series", row.series), version, other.get("models", (row.model,)), bytes(range(250)) * 800
    )


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it is so; the test fails after 15 s."""
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 (what is waited for is of many kinds)
            await asyncio.sleep(0.005)


@pytest.fixture(name="eventually")
def _eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    return eventually
