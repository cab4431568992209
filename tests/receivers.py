"""Those who are told: a real mail server (aiosmtpd) and a real HTTP server, both in the test's own event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Mailbox:
    """Takes mail. answer: what it says to DATA, to each recipient. hold: set it, and it answers no DATA."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    recipients: str = "250 OK"
    answer: str = "250 OK"
    hold: asyncio.Event | None = None
    delay_quit: bool = False

    async def handle_RCPT(self, server: Any, session: Session, envelope: Envelope, to: str, _: list[str]) -> str:
        if self.recipients.startswith("250"):
            envelope.rcpt_tos.append(to)
        return self.recipients

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        body = envelope.original_content or b""
        self.raw.append(body)
        parsed = message_from_bytes(body, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        if self.hold is not None:
            await self.hold.wait()
        return self.answer

    async def handle_QUIT(self, server: Any, session: Session, envelope: Envelope) -> str:
        if self.delay_quit:
            await asyncio.sleep(3600)
        return "221 Bye"


@asynccontextmanager
async def mailbox(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, password: str | None = None
) -> AsyncIterator[Mailbox]:
    """tls: offers STARTTLS, or speaks TLS from the first byte (implicit). password: wants a login as "hikitsugi"."""
    box = Mailbox()

    def check(_: Any, __: Session, ___: Envelope, ____: str, data: LoginPassword) -> AuthResult:
        box.logins.append(data.password.decode())
        return AuthResult(success=data == LoginPassword(b"hikitsugi", (password or "").encode()), handled=False)

    def protocol() -> SMTP:
        starttls = tls if not implicit else None
        options = {"authenticator": check, "auth_required": True, "auth_require_tls": not implicit} if password else {}
        return SMTP(box, hostname="mail.test", tls_context=starttls, enable_SMTPUTF8=True, **options)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls if implicit else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()


@dataclass(frozen=True)
class Posted:
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Hook:
    """Takes webhooks. answer: what it does with each request."""

    base: str = ""
    posted: list[Posted] = field(default_factory=list)
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    status: int = 204

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.posted.append(Posted(request.path, dict(request.headers), await request.read()))
        if self.answer is not None:
            return await self.answer(request)
        return web.Response(status=self.status)


@asynccontextmanager
async def hook(tls: ssl.SSLContext | None = None) -> AsyncIterator[Hook]:
    """A web server on 127.0.0.1."""
    taking = Hook()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", taking.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    taking.base = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield taking
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A TCP server that does what `talk` does, good or bad; its port."""
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the sender hung up, or the test is over
        finally:
            busy.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in busy:
            task.cancel()
