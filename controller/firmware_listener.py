"""The listener for images alone (setting firmware_listen): in the controller, or in a process of its own.

Adapters come to it themselves, over TLS; or nginx is in front, and bodies are left to it (setting firmware_accel).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web

from controller.authority import Authority
from controller.faces import http
from controller.faces.device import nginx_log
from controller.faces.device.firmware_metadata import metadata_routes
from controller.firmware_side import FirmwareSide
from controller.parts import utc_now
from controller.settings import Settings
from controller.startup import CannotStart
from controller.store.pool import Database
from controller.store.secrets import Secrets
from firmware_repo.web import Serving

log = structlog.stdlib.get_logger("controller")

_BACKLOG = 4096
_HANDSHAKE_S = 10.0


def certificate_of(settings: Settings) -> Callable[[], Path]:
    """Where the listener's key and certificate are; issued anew before they end, unless the setting names a file."""
    if settings.firmware_certificate is not None:
        given = settings.firmware_certificate
        return lambda: given
    authority, name = Authority.at(settings.authority_dir, now=utc_now()), settings.device_server_name
    return lambda: authority.location_server(name, settings.device_addresses, now=utc_now())


@asynccontextmanager
async def listening(
    settings: Settings,
    side: FirmwareSide,
    db: Database,
    vault: Secrets,
    context: ssl.SSLContext | None,
    app: web.Application,
) -> AsyncIterator[None]:
    """The listener is open inside this block. app: what else is served there. Raises CannotStart."""
    at = settings.firmware_listen
    assert at is not None  # whoever calls has looked
    if context is None and not at.is_loopback:
        log.warning("Firmware is served without TLS: only a proxy that adds TLS may reach this address.")
    serving = side.behind_nginx or side.serving
    app.add_routes(metadata_routes(db, vault))
    app.add_routes(serving.routes())
    runner = http.runner(app, drain_s=0.5, idle_s=_HANDSHAKE_S)
    await runner.setup()
    try:
        server = await asyncio.get_running_loop().create_server(
            bounded(serving, runner, settings.device_connections),
            *(at.host, at.port),
            ssl=context,
            backlog=_BACKLOG,
            ssl_handshake_timeout=_HANDSHAKE_S if context else None,
        )
    except OSError as error:
        await runner.cleanup()
        raise CannotStart(f"Cannot listen on {at}: {error.strerror}. Is another server running?") from error
    log.info("Images are served.", firmware=str(at), tls=context is not None, nginx=side.behind_nginx is not None)
    try:
        async with _told_by_nginx(settings, side, db):
            yield
    finally:
        server.close()
        await serving.close()
        await runner.cleanup()


@asynccontextmanager
async def _told_by_nginx(settings: Settings, side: FirmwareSide, db: Database) -> AsyncIterator[None]:
    path = settings.firmware_accel_log
    if path is None:
        yield
        return
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(nginx_log.listening(path, db, side.downloads))
        except OSError as error:
            raise CannotStart(f"Cannot make the socket {path} (firmware_accel_log): {error.strerror}.") from error
        yield


def bounded(serving: Serving, runner: web.AppRunner, most: int) -> Callable[[], asyncio.BaseProtocol]:
    """Makes the protocol of a connection. most: open at once, those that were handed to the HTTP server included."""
    http = runner.server
    assert http is not None  # after setup

    def protocol() -> asyncio.BaseProtocol:
        is_room = len(serving.connections) + len(http.connections) < most
        return serving.protocol(http) if is_room else _Full()

    return protocol


class _Full(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
