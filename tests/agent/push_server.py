"""A scripted server with real TLS that pushes: it confirms, asks, answers outcomes, or does none of that."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import ssl
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives import serialization

from protocol.arms.codes import ResultCode
from protocol.arms.http import ReplyReader, parse_basic
from protocol.arms.messages import (
    ConfigSolicitation,
    Configure,
    DoneRequest,
    DoneResponse,
    HeartbeatInfo,
    Kind,
    MdConfig,
    Module,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    PushMethodQuery,
    PushRequest,
    Refusal,
)
from protocol.arms.simple import encode_push
from protocol.arms.tunnel import (
    ACCEPTED,
    ECHO_RESPONSE,
    END,
    Assembler,
    ChunkReader,
    EchoRequest,
    End,
    HeaderReader,
    Piece,
    encode_message,
    refused,
)
from protocol.arms.xml import decode_message, encode
from protocol.ids import DistributionId
from tests.agent.conftest import RS_KEY, ArmsServer, Seen, certificate

TRANSACTION = 1001


def configure(adapter, config: bytes) -> PushRequest:
    """A pushed config for the device itself."""
    pushed = Configure((Module(0, adapter.version, ""),), (MdConfig(0, config),))
    return PushRequest(Kind.CONFIGURE, adapter.distribution_id, pushed)


class Session:
    """One tunnel, from the server's end. got: every message. echoes: how many came. ended: how it ended."""

    def __init__(self, server: PushServer, path: str, writer: asyncio.StreamWriter) -> None:
        self.server, self.path, self.writer = server, path, writer
        self.source = writer.get_extra_info("peername")[0]
        self.raw = b""
        self.got: list[object] = []
        self.echoes = 0
        self.is_confirmed = False
        self.ended = ""
        self._ids = itertools.count(1)

    async def run(self, reader: asyncio.StreamReader) -> None:
        chunks, assembler = ChunkReader(), Assembler()
        while not self.ended:
            try:
                data = await reader.read(65_536)
            except ConnectionError:
                data = b""
            if not data:
                self.ended = "closed"
            self.raw += data
            for event in chunks.feed(data) if data else ():
                self._take(event, assembler)

    def _take(self, event: object, assembler: Assembler) -> None:
        match event:
            case EchoRequest():
                self.echoes += 1
                if self.server.answers_echoes:
                    self.writer.write(ECHO_RESPONSE)
            case End():
                self.ended = "zero chunk"
            case Piece():
                if body := assembler.take(event):
                    self._hear(body)

    def _hear(self, body: bytes) -> None:
        try:
            message = decode_message(body)
        except Exception:
            message = body
        self.got.append(message)
        match message:
            case PushConfirmationStartRequest():
                self._confirm(message)
            case PushConfirmationDone():
                self.is_confirmed = message.result is ResultCode.SUCCESS
            case DoneRequest():
                self.server.dones.append(message)
                if answer := self.server.answer_to(message):
                    self.send(encode(answer))

    def _confirm(self, message: PushConfirmationStartRequest) -> None:
        if self.server.confirmation_codes:
            code = self.server.confirmation_codes.pop(0)
            self.send(refusal("push-confirmation-start", code))
            return
        success = PushConfirmationStart(ResultCode.SUCCESS, "Success", TRANSACTION)
        self.send(encode(success))
        if self.server.confirms:
            self.confirm(message.distribution_id)

    def confirm(self, distribution_id: DistributionId) -> None:
        self.send(encode(PushConfirmationDoneRequest(distribution_id, TRANSACTION, "rs")))

    def send(self, body: bytes) -> None:
        for record in encode_message(body, next(self._ids)):
            self.writer.write(record)

    def end(self) -> None:
        self.writer.write(END)

    def close(self) -> None:
        self.writer.close()

    async def ask(self, body: PushRequest | bytes) -> object:
        """Send it, and return the next answer that comes."""
        before = len(self.got)
        self.send(body if isinstance(body, bytes) else encode(body))
        async with asyncio.timeout(15):
            while not (answers := [each for each in self.got[before:] if not isinstance(each, DoneRequest)]):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        return answers[0]


def refusal(kind: str, code: ResultCode) -> bytes:
    """Whatever the code: our own codec refuses to send some of them."""
    harmless = encode(Refusal(kind, ResultCode.SERVER_BUSY, "x", TRANSACTION))
    return harmless.replace(b"<result-code>301<", b"<result-code>%d<" % code)


@dataclass
class PushServer(ArmsServer):
    """confirmation_codes, done_answers: given instead of success, used up in order; a done answer None: none.

    tunnel_statuses: HTTP statuses that refuse a tunnel, used up. confirms: whether push-confirmation-done is sent.
    """

    methods: tuple[str, ...] = ("https-tunnel",)
    tunnel_paths: tuple[str, ...] = ("/tunnel",)
    tunnel_port: int = 0
    echo_interval: int | None = 60
    confirms: bool = True
    answers_echoes: bool = True
    confirmation_codes: list[ResultCode] = field(default_factory=list)
    done_answers: list[ResultCode | None] = field(default_factory=list)
    tunnel_statuses: list[int] = field(default_factory=list)
    heartbeats: tuple[HeartbeatInfo, ...] = ()
    sessions: list[Session] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    dones: list[DoneRequest] = field(default_factory=list)
    posts: list[bytes] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)
    sa: tuple[str, str] | None = None
    _calls: list[asyncio.Future[bytes]] = field(default_factory=list)

    @property
    def up(self) -> list[Session]:
        return [each for each in self.sessions if each.is_confirmed and not each.ended]

    def answer_to(self, message: DoneRequest) -> DoneResponse | None:
        code = self.done_answers.pop(0) if self.done_answers else ResultCode.SUCCESS
        return DoneResponse(message.kind, message.transaction_id, code, "ok") if code else None

    def issue(self) -> None:
        """Give adapters a certificate of their own, so that https-simple can be used."""
        leaf, key = certificate("SA", (self.authority.root, self.authority.key))
        text = serialization.Encoding.PEM
        plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.sa = leaf.public_bytes(text).decode(), key.private_bytes(text, *plain).decode()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"HTTP/1.1" not in head.split(b"\r\n")[0] or head.startswith(b"GET"):
            whole = asyncio.StreamReader()
            whole.feed_data(head + await self._body(head, reader))
            whole.feed_eof()
            await super().handle(whole, writer)
        elif head.startswith(b"POST /tunnel"):
            await self._tunnel(head, reader, writer)
        else:
            await self._post(head, reader, writer)

    async def _body(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        length = re.search(rb"Content-Length: (\d+)", head)
        return await reader.readexactly(int(length[1])) if length else b""

    async def _tunnel(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.headers.append(head)
        header = HeaderReader().feed(head)
        assert header is not None
        assert header.key == RS_KEY
        if self.tunnel_statuses:
            writer.write(refused(self.tunnel_statuses.pop(0)))
            writer.close()
            return
        writer.write(ACCEPTED)
        session = Session(self, header.path, writer)
        self.sessions.append(session)
        await session.run(reader)
        writer.close()

    async def _post(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What comes over https-simple: HTTP/1.1 in chunks."""
        raw, body = head, b""
        while size := int(line := await reader.readline(), 16):
            chunk = await reader.readexactly(size + 2)
            raw += line + chunk
            body += chunk[:-2]
        self.posts.append(raw + line + await reader.readline())
        message = decode_message(body)
        who, key = parse_basic(re.search(rb"Authorization: (.*)\r\n", head)[1].decode())
        self.seen.append(Seen(str(who), key, writer.get_extra_info("peername")[0], message, raw))
        answer = self._answer_post(message)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n" + answer)
        writer.close()

    def _answer_post(self, message: object) -> bytes:
        match message:
            case PushConfirmationStartRequest():
                self.endpoints.append(message.endpoint or "")
                if self.confirms:
                    self._calls.append(asyncio.ensure_future(self.confirm_simple(message)))
                return encode(PushConfirmationStart(ResultCode.SUCCESS, "Success", TRANSACTION))
            case DoneRequest():
                self.dones.append(message)
                return encode(self.answer_to(message) or DoneResponse(message.kind, 1, ResultCode.SUCCESS, ""))
        raise AssertionError(message)

    async def confirm_simple(self, message: PushConfirmationStartRequest) -> bytes:
        done = PushConfirmationDoneRequest(message.distribution_id, TRANSACTION, "rs")
        return await self.call(message.distribution_id, encode(done), endpoint=message.endpoint or "")

    async def call(
        self,
        distribution_id: DistributionId,
        body: bytes,
        *,
        key: str = RS_KEY,
        head: bytes = b"",
        client: str = "",
        endpoint: str = "",
    ) -> bytes:
        """One push over https-simple, to the last endpoint unless told otherwise: the whole reply, as it came."""
        host = (endpoint or self.endpoints[-1]).removeprefix("https://").rstrip("/")
        context = ssl.create_default_context(cadata=self.authority.pem)
        context.check_hostname = False
        if client:
            context.load_cert_chain(client)
        address, port = host.split(":")
        reader, writer = await asyncio.open_connection(address, int(port), ssl=context)
        writer.write((head + body) if head else encode_push(host, distribution_id, key, body))
        async with asyncio.timeout(15):
            reply = await reader.read()
        writer.close()
        return reply

    async def ask_simple(self, request: PushRequest) -> object:
        reply = ReplyReader().feed(await self.call(request.distribution_id, encode(request)))
        assert reply is not None
        return decode_message(reply.body)

    def config_solicitation(self, message) -> ConfigSolicitation:
        made = super().config_solicitation(message)
        cert, key = self.sa or (None, None)
        return replace(made, heartbeats=self.heartbeats or made.heartbeats, sa_certificate=cert, sa_private_key=key)

    def push_method_query(self, _) -> PushMethodQuery:
        port = self.tunnel_port or self.port
        urls = tuple(f"https://127.0.0.1:{port}{path}" for path in self.tunnel_paths)
        return PushMethodQuery(ResultCode.SUCCESS, "Success", self.methods, urls, self.echo_interval)


class RecordingTunnel:
    """A tunnel server that sees single TLS records: a blocking socket gives one at a time."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.records: list[bytes] = []
        self._listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
        self.port = self._listener.getsockname()[1]

    def serve(self, answers: dict[bytes, list[bytes]]) -> None:
        """Take one tunnel. answers: records to send, once the text has been seen."""
        connection, _ = self._listener.accept()
        with connection, self._listener:
            connection.settimeout(10)
            while data := connection.recv(65_536):
                self.records.append(data)
                for text in [text for text in answers if text in b"".join(self.records)]:
                    for record in answers.pop(text):
                        connection.sendall(record)
                if not answers and data == b"\r\n":
                    return
