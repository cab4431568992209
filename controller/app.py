"""The composition root of `hikitsugi serve`: the only place that knows every concrete class.

Start: PostgreSQL, migrations, keys and certificates, listeners, workers. Stop (SIGTERM, SIGINT): refuse what is new,
let what is under way end within drain_s, then cut it off. Killed instead, it leaves nothing that the next start cannot
handle: PostgreSQL dies with it, tasks lose their lease, a half-done change never was.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import Counter

from controller.authority import Authority
from controller.cli import profile
from controller.faces import http, metrics
from controller.faces.api import ROUTES, Context
from controller.faces.api.doors import KeptAnswers, authenticator
from controller.faces.device.firmware import FirmwareDoor
from controller.faces.device.pull import MAX_REQUEST, PullFace
from controller.faces.device.shedding import Shedding
from controller.files import replace
from controller.ports import Limits
from controller.services import access, check_in, housekeeping, work
from controller.services.repeats import Repeats
from controller.settings import Endpoint, Settings
from controller.startup import CannotStart
from controller.store.embedded import Embedded
from controller.store.migrate import migrate
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import Secrets, unlock
from controller.tls import api_context, device_context, legacy_device_context
from controller.transports.ssh.collect import SshCollector
from firmware_repo.blobs import Blobs
from firmware_repo.web import routes as firmware_routes

log = structlog.stdlib.get_logger("controller")

_RENEWAL_S = 6 * 3600.0
_CUT_OFF_S = 5.0  # the share of drain_s for cutting off what did not end, closing the pool and stopping PostgreSQL
_BACKLOG = 4096  # connections that wait to be taken, when a whole region boots at once; the kernel may allow fewer


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What was put together before the listeners open."""

    settings: Settings
    db: Database
    vault: Secrets
    authority: Authority
    blobs: Blobs
    wake: asyncio.Event
    stopping: asyncio.Event
    drain: http.Drain
    metrics: metrics.Metrics


async def serve(settings: Settings) -> None:
    """Run the controller until SIGTERM or SIGINT. Raises CannotStart with a sentence for the terminal."""
    stop, starting = asyncio.Event(), asyncio.current_task()

    def told() -> None:
        _end_not_later_than(max(settings.drain_s, _CUT_OFF_S))
        stop.set()
        if starting is not None:  # nothing is under way yet that could be lost
            starting.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    try:
        async with AsyncExitStack() as stack:
            dsn, database_gave_up = await _postgres(settings, stack)
            parts = await _parts(settings, await _database(settings, dsn, stack))
            renew = await stack.enter_async_context(_listening(parts))
            starting = None
            await _until(stop, parts, database_gave_up, renew)
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        log.info("Stopped before it was ready.")


def _end_not_later_than(wait_s: float) -> None:
    """The last resort against whatever hangs at the stop, threads included. It leaves what a kill leaves: nothing that
    the next start cannot handle."""

    def end() -> None:
        log.warning("Not everything ended in time; cut off.")
        os._exit(0)

    timer = threading.Timer(wait_s, end)
    timer.daemon = True
    timer.start()


async def _postgres(settings: Settings, stack: AsyncExitStack) -> tuple[str, Callable[[], Awaitable[object]]]:
    """The address of the database, and what to wait for in case our own one cannot be kept alive."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value(), asyncio.Event().wait
    server = Embedded(settings.data_dir, postgres_bin=settings.postgres_bin, stop_s=2)
    await stack.enter_async_context(server.running())
    return server.dsn, server.gave_up


async def _database(settings: Settings, dsn: str, stack: AsyncExitStack) -> Database:
    """The pool on a database of this version's schema. One that is starting is waited for (Database.open)."""
    try:
        db = await Database.open(dsn, size=settings.database_connections)
        stack.push_async_callback(db.close, deadline_s=1)
        await migrate(dsn)
    except TROUBLE as error:
        why = (str(error) or "it does not answer").rstrip(".")
        raise CannotStart(
            f"The database cannot be used: {why}. Check database_url and that PostgreSQL runs."
        ) from error
    if settings.database_url is None:  # ours alone, so whoever held a task before is dead
        await housekeeping.take_over(db, utc_now())
    return db


async def _parts(settings: Settings, db: Database) -> _Parts:
    _make_folder(settings.data_dir)
    vault = await unlock(db, settings.secrets_key_file)
    authority = Authority.at(settings.authority_dir, now=utc_now())
    key_file = settings.data_dir / "admin.key"

    def keep(key: str) -> None:
        replace(key_file, key.encode() + b"\n")

    if await access.first_administrator(db, utc_now(), keep):
        log.info("The administrator's access key was made.", file=str(key_file))
    scheme = "https" if settings.api_uses_tls else "http"
    profile.save(
        settings.data_dir,
        url=f"{scheme}://{settings.api_listen.from_here}",
        key_file=key_file,
        ca_file=authority.root_file,
    )
    blobs = await asyncio.to_thread(Blobs, settings.firmware_dir)
    return _Parts(
        settings, db, vault, authority, blobs, asyncio.Event(), asyncio.Event(), http.Drain(), metrics.Metrics()
    )


def _make_folder(data_dir: Path) -> None:
    """Where the database is elsewhere and every file has a place of its own, nothing has made it yet."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"Cannot make the data directory {data_dir}: {error.strerror}.") from error


@asynccontextmanager
async def _listening(parts: _Parts) -> AsyncIterator[Callable[[], None]]:
    """The listeners are open inside this block; the value renews their certificates when they are due."""
    settings, authority = parts.settings, parts.authority
    contexts: list[tuple[ssl.SSLContext, Callable[[], Path]]] = []

    def device_certificate() -> Path:
        return authority.location_server(settings.device_server_name, settings.device_addresses, now=utc_now())

    def api_certificate() -> Path:
        return authority.api(settings.api_addresses, now=utc_now())

    def secured(make: Callable[[Path], ssl.SSLContext], certificate: Callable[[], Path]) -> ssl.SSLContext:
        contexts.append((make(certificate()), certificate))
        return contexts[-1][0]

    def renew() -> None:
        for context, certificate in contexts:
            context.load_cert_chain(certificate())

    async with AsyncExitStack() as stack:
        device = await _started(stack, _device_app(parts))
        await _listen(device, settings.device_listen, secured(device_context, device_certificate))
        if settings.legacy_device_listen is not None:
            log.warning("Listening for TLS 1.0 clients; keep that address off open networks.")
            context = secured(legacy_device_context, device_certificate)
            await _listen(device, settings.legacy_device_listen, context)
        api = await _started(stack, _api_app(parts))
        if not settings.api_uses_tls and not settings.api_listen.is_loopback:
            log.warning("The API is served without TLS: only a proxy that adds TLS may reach this address.")
        uses_tls = settings.api_uses_tls
        await _listen(api, settings.api_listen, secured(api_context, api_certificate) if uses_tls else None)
        log.info("Ready.", api=str(settings.api_listen), devices=str(settings.device_listen))
        yield renew


async def _started(stack: AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = http.runner(app, drain_s=0.5)  # by then the drain has waited
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


async def _listen(runner: web.AppRunner, at: Endpoint, context: ssl.SSLContext | None) -> None:
    site = web.TCPSite(runner, at.host, at.port, ssl_context=context, backlog=_BACKLOG)
    try:
        await site.start()
    except OSError as error:
        raise CannotStart(f"Cannot listen on {at}: {error.strerror}. Is another controller running?") from error


def _device_app(parts: _Parts) -> web.Application:
    settings = parts.settings
    answers = Counter("hikitsugi_pulls", "Answered pulls", ("message", "result"), registry=parts.metrics.registry)
    shedding = Shedding(
        settings.pull_concurrency,
        settings.pulls_per_minute,
        per_minute_per_address=settings.pulls_per_minute_per_address,
    )
    app = web.Application(client_max_size=MAX_REQUEST)
    PullFace(parts.db, parts.vault, parts.authority, _terms(parts), utc_now, shedding, answers).add_to(app)
    app.add_routes(firmware_routes(parts.blobs, FirmwareDoor(parts.db, parts.vault).authorise))
    return app


def _terms(parts: _Parts) -> check_in.Terms:
    settings, base = parts.settings, f"https://{parts.settings.advertised}"
    return check_in.Terms(
        rs_url=f"{base}/rs",
        tunnel_urls=(f"{base}/tunnel",),
        rs_certificate=parts.authority.root_pem,
        firmware_url=f"{base}/firmware",
        rs_retry_max=settings.rs_retry_max,
        rs_retry_interval_s=settings.rs_retry_interval_s,
        ll_timeout_s=settings.rs_ll_timeout_s,
        heartbeat_host=settings.heartbeats_advertised.host,
        heartbeat_port=settings.heartbeats_advertised.port,
        heartbeat_interval_s=settings.heartbeat_interval_s,
    )


def _api_app(parts: _Parts) -> web.Application:
    authenticate = authenticator(parts.db)
    deadline = timedelta(seconds=parts.settings.swap_deadline_s)
    context = Context(parts.db, parts.vault, parts.blobs, utc_now, deadline, parts.wake, asyncio.Event())
    app = http.build(
        ROUTES,
        authenticate=authenticate,
        metrics=parts.metrics,
        version=version("hikitsugi"),
        idempotency=KeptAnswers(Repeats(parts.db, parts.vault, utc_now)),
        provide=(context,),
        drain=parts.drain,
    )
    metrics.add(app, parts.metrics, {"database": partial(housekeeping.ping, parts.db)}, authenticate)
    return app


async def _until(
    stop: asyncio.Event, parts: _Parts, database_gave_up: Callable[[], Awaitable[object]], renew: Callable[[], None]
) -> None:
    """Work until told to stop; then let what is under way end. Raises what ended a part that must not end."""
    workers = _work(parts)
    endless: list[asyncio.Future[Any]] = [  # Any: none of them ends with a result
        asyncio.create_task(work.run(workers), name="workers"),
        asyncio.create_task(housekeeping.run(workers, parts.db, utc_now), name="housekeeping"),
        asyncio.create_task(_renewing(renew), name="certificates"),
        asyncio.ensure_future(database_gave_up()),
    ]
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({told, *endless}, return_when=asyncio.FIRST_COMPLETED)
        for task in endless:
            if task.done():
                task.result()
        log.info("Stopping.", running=parts.drain.under_way)
        parts.stopping.set()
        parts.wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, parts.settings.drain_s - _CUT_OFF_S)):
                await asyncio.gather(parts.drain.finish(parts.settings.drain_s), asyncio.shield(endless[0]))
    finally:
        for task in (told, *endless):
            task.cancel()
        await asyncio.wait({told, *endless}, timeout=1.5)
    log.info("Stopped.")


async def _renewing(renew: Callable[[], None]) -> None:
    """Certificates last 397 days and are renewed 30 before: a try every few hours outlives a full disk."""
    while True:
        await asyncio.sleep(_RENEWAL_S)
        try:
            await asyncio.to_thread(renew)
        except (CannotStart, OSError) as error:
            log.warning("Certificates could not be renewed; trying again.", why=str(error))


def _work(parts: _Parts) -> work.Work:
    settings = parts.settings
    limits = Limits(settings.ssh_connect_s, settings.ssh_login_s, settings.ssh_line_s, settings.ssh_total_s)
    collector = SshCollector(at_once=settings.ssh_concurrency)
    return work.Work(
        parts.db, parts.vault, collector, limits, settings.ssh_concurrency, utc_now, parts.wake, parts.stopping
    )
