"""The side that faces adapters, put together: pulls, tunnels, endpoints, heartbeats, and what pushes to them.

Part of the composition root: like app.py it knows concrete classes, and nothing imports it but app.py.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import Counter, Gauge

from controller.domain.liveness import Rule
from controller.faces import http
from controller.faces.device.confirmation import SimpleFace
from controller.faces.device.door import Bounds, DeviceDoor
from controller.faces.device.firmware_metadata import metadata_routes
from controller.faces.device.heartbeat import HeartbeatListener
from controller.faces.device.pull import MAX_REQUEST, PullFace
from controller.faces.device.shedding import Shedding
from controller.faces.device.short_pulls import ShortPulls
from controller.faces.device.tunnels import TunnelFace
from controller.firmware_listener import certificate_of, listening
from controller.firmware_side import FirmwareSide, open_firmware
from controller.parts import Parts, utc_now
from controller.services import firmware_damage, liveness, push_work, reaches
from controller.services.check_in import Terms
from controller.services.heartbeat_senders import Senders
from controller.services.heartbeats import Intake
from controller.settings import Endpoint, Settings
from controller.startup import CannotStart
from controller.store.pool import TROUBLE
from controller.tls import device_context, legacy_device_context, legacy_push_context, push_context
from controller.transports.arms.push import ArmsPusher
from controller.transports.arms.simple import Endpoints
from controller.transports.arms.tunnels import Tunnels
from firmware_repo.web import Serving

log = structlog.stdlib.get_logger("controller")

_HEADER_S, _FAREWELL_S = 10.0, 1.0
_BACKLOG = 4096  # connections that wait to be taken, when a whole region boots at once; the kernel may allow fewer

Secured = Callable[[Callable[[Path], ssl.SSLContext], Callable[[], Path]], ssl.SSLContext]
"""Makes a context from a certificate's file, and keeps it up to date: called with the maker and what finds the file."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all listeners for adapters have in common. answers: labels message and result."""

    parts: Parts
    secured: Secured
    tunnels: TunnelFace
    pusher: ArmsPusher
    shedding: Shedding
    answers: Counter
    firmware: FirmwareSide


@dataclass(frozen=True, slots=True)
class AdapterSide:
    """What the rest of the controller uses of it. work: the push workers' part, with their port to adapters."""

    tunnels: TunnelFace
    work: push_work.Work
    intake: Intake
    rule: Rule
    firmware: FirmwareSide

    def endless(self, parts: Parts) -> dict[str, Coroutine[Any, Any, None]]:  # Any: as asyncio types them
        """What must run as long as the controller does, by name. The push workers end when told to stop."""
        since = self.intake
        return {
            "push workers": push_work.run(self.work),
            "tunnels": self.tunnels.run(),
            "heartbeats": self.intake.run(),
            "firmware downloads": self.firmware.downloads.run(),
            "liveness": liveness.run(parts.db, self.rule, utc_now, lambda: since.listening_since),
        }


@asynccontextmanager
async def open_side(parts: Parts, secured: Secured) -> AsyncIterator[AdapterSide]:
    """The listeners for adapters are open inside this block. Raises CannotStart."""
    settings, held = parts.settings, Tunnels()
    shedding = Shedding(
        settings.pull_concurrency,
        settings.pulls_per_minute,
        per_minute_per_address=settings.pulls_per_minute_per_address,
    )
    pusher = ArmsPusher(held, _endpoints(parts, secured))
    tunnels = TunnelFace(
        parts.db,
        parts.vault,
        utc_now,
        held,
        shedding,
        controller=await reaches.begin(parts.db, utc_now()),
        echo_interval_s=settings.tunnel_echo_interval_s,
        wake=parts.wake_push.set,
    )
    heartbeats = HeartbeatListener(_intake(parts), utc_now)
    registry = parts.metrics.registry
    answers = Counter("hikitsugi_pulls", "Answered pulls", ("message", "result"), registry=registry)
    firmware = open_firmware(settings, parts.db, parts.vault, parts.blobs, registry, utc_now, _damaged(parts))
    shared = _Shared(parts, secured, tunnels, pusher, shedding, answers, firmware)
    doors: list[_Door] = []
    images = AsyncExitStack()
    try:
        doors.append(await _door(shared, settings.device_listen, legacy=False))
        if settings.legacy_device_listen is not None:
            log.warning("Listening for TLS 1.0 clients; keep that address off open networks.")
            doors.append(await _door(shared, settings.legacy_device_listen, legacy=True))
        if settings.firmware_listen is not None:
            await images.enter_async_context(_images(shared))
        heartbeats.start(settings.heartbeats.host, settings.heartbeats.port)
        _figures(parts, tunnels, heartbeats.intake)
        yield AdapterSide(tunnels, _work(parts, tunnels, pusher), heartbeats.intake, _rule(settings), firmware)
    finally:
        for door, _ in doors:
            door.close()
        heartbeats.close()
        await heartbeats.intake.turn()
        await tunnels.close()
        await asyncio.gather(images.aclose(), *(close() for _, close in doors))
        await firmware.downloads.turn()
        await _told_that_we_stop(parts, tunnels.controller)


async def _told_that_we_stop(parts: Parts, controller: int) -> None:
    """So that another controller takes our adapters over at once. Whatever hinders it, they find out by themselves."""
    try:
        async with asyncio.timeout(_FAREWELL_S):
            await reaches.end(parts.db, controller, utc_now())
    except (*TROUBLE, TimeoutError) as error:
        log.info("The database was not told of the stop.", why=str(error) or type(error).__name__)


_Door = tuple[DeviceDoor, Callable[[], Coroutine[Any, Any, None]]]


async def _door(shared: _Shared, at: Endpoint, *, legacy: bool) -> _Door:
    """One listener with its HTTP server; the second value ends what its connections have under way."""
    parts = shared.parts
    settings = parts.settings

    def certificate() -> Path:
        return parts.authority.location_server(settings.device_server_name, settings.device_addresses, now=utc_now())

    simple = SimpleFace(parts.db, parts.vault, utc_now, shared.pusher, legacy, parts.wake_push.set)
    terms = _terms(parts, legacy)
    face = PullFace(parts.db, parts.vault, parts.authority, terms, utc_now, shared.shedding, shared.answers, simple)
    pulls = ShortPulls(face.answer)
    images = shared.firmware.serving
    runner = http.runner(_http(parts, face, images), drain_s=0.5, idle_s=_HEADER_S)  # by then the drain has waited
    await runner.setup()
    assert runner.server is not None  # after setup
    bounds = Bounds(settings.device_connections, settings.device_connections_per_address)
    door = DeviceDoor(runner.server, shared.tunnels.tunnel, bounds, pulls=pulls, images=images)
    context = shared.secured(legacy_device_context if legacy else device_context, certificate)
    try:
        await door.listen(at.host, at.port, context, _BACKLOG)
    except OSError as error:
        await runner.cleanup()
        raise CannotStart(f"Cannot listen on {at}: {error.strerror}. Is another controller running?") from error

    async def close() -> None:
        await pulls.close()
        await simple.close()
        await images.close()
        await runner.cleanup()

    return door, close


def _images(shared: _Shared) -> AbstractAsyncContextManager[None]:
    """The listener for images alone."""
    parts, context = shared.parts, None
    if parts.settings.firmware_uses_tls:
        context = shared.secured(device_context, certificate_of(parts.settings))
    return listening(parts.settings, shared.firmware, parts.db, parts.vault, context, web.Application())


def _http(parts: Parts, face: PullFace, images: Serving) -> web.Application:
    app = web.Application(client_max_size=MAX_REQUEST)
    face.add_to(app)
    app.add_routes(metadata_routes(parts.db, parts.vault))
    app.add_routes(images.routes())
    return app


def _terms(parts: Parts, legacy: bool) -> Terms:
    """With the URLs of the listener: who came by TLS 1.0 can use no other."""
    settings = parts.settings
    here = settings.legacy_advertised if legacy and settings.legacy_advertised else settings.advertised
    tunnels = settings.legacy_tunnels if legacy else settings.tunnels
    images = here if legacy else settings.firmware_advertise or here
    return Terms(
        rs_url=f"https://{here}/rs",
        tunnel_urls=tuple(f"https://{each}/tunnel" for each in tunnels),
        rs_certificate=parts.authority.root_pem,
        firmware_url=f"https://{images}/firmware",
        rs_retry_max=settings.rs_retry_max,
        rs_retry_interval_s=settings.rs_retry_interval_s,
        ll_timeout_s=settings.rs_ll_timeout_s,
        heartbeat_host=settings.heartbeats_advertised.host,
        heartbeat_port=settings.heartbeats_advertised.port,
        heartbeat_interval_s=settings.heartbeat_interval_s,
        echo_interval_s=settings.tunnel_echo_interval_s,
        legacy=legacy,
    )


def _endpoints(parts: Parts, secured: Secured) -> Endpoints:
    root = parts.authority.root_file

    def certificate() -> Path:
        return parts.authority.push_client(now=utc_now())

    modern = secured(lambda file: push_context(root, file), certificate)
    return Endpoints(modern, secured(lambda file: legacy_push_context(root, file), certificate))


def _work(parts: Parts, tunnels: TunnelFace, pusher: ArmsPusher) -> push_work.Work:
    settings = parts.settings
    return push_work.Work(
        parts.db,
        parts.vault,
        pusher,
        lambda: tunnels.controller,
        _terms(parts, legacy=False).firmware_url,
        _terms(parts, legacy=True).firmware_url,
        settings.push_concurrency,
        utc_now,
        parts.wake_push,
        parts.stopping,
    )


def _intake(parts: Parts) -> Intake:
    settings = parts.settings
    figures = Counter(
        "hikitsugi_heartbeats", "Datagrams by what became of them", ("outcome",), registry=parts.metrics.registry
    )
    senders = Senders(parts.db, parts.vault, time.monotonic)
    return Intake(parts.db, senders, utc_now, settings.heartbeat_interval_s, settings.heartbeat_any_source, figures)


def _figures(parts: Parts, tunnels: TunnelFace, intake: Intake) -> None:
    registry = parts.metrics.registry
    Gauge("hikitsugi_tunnels", "Open tunnels", registry=registry).set_function(lambda: tunnels.count)
    waiting = Gauge("hikitsugi_heartbeats_waiting", "Heartbeats that wait for the database", registry=registry)
    waiting.set_function(lambda: len(intake.queue))


def _rule(settings: Settings) -> Rule:
    return Rule(
        timedelta(seconds=settings.liveness_check_s),
        settings.liveness_downs,
        timedelta(seconds=settings.tunnel_grace_s),
    )


def _damaged(parts: Parts) -> Callable[[str, str], Awaitable[None]]:
    """What the doors find damaged is offered no more."""

    async def tell(sha256: str, detail: str) -> None:
        try:
            await firmware_damage.found(parts.db, sha256, detail, now=utc_now())
        except TROUBLE as error:
            log.warning("a damaged image cannot be marked now", sha256=sha256, detail=detail, why=str(error))

    return tell
