"""The composition root of `hikitsugi serve`: the only place that knows every concrete class.

Start: PostgreSQL, migrations, keys and certificates, listeners, workers. Stop (SIGTERM, SIGINT): refuse what is new,
let what is under way end within drain_s, then cut it off. Killed instead, it leaves nothing that the next start cannot
handle: PostgreSQL dies with it, tasks lose their lease, a half-done change never was.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from controller import news_work, process
from controller.adapter_side import AdapterSide, open_side
from controller.authority import Authority
from controller.cli import profile
from controller.domain.exchange_deadlines import ChangeRule
from controller.domain.firmware_update import Patience
from controller.faces import http, metrics
from controller.faces.api import ROUTES, Context
from controller.faces.api.doors import KeptAnswers, authenticator
from controller.faces.figures import Figures
from controller.faces.firmware_figures import MetadataFigures, image_figures
from controller.files import replace
from controller.firmware_images import open_images
from controller.parts import Parts, utc_now
from controller.services import (
    access,
    audit,
    bulk_turn,
    exchange_turn,
    firmware_damage,
    firmware_rollout_turn,
    firmware_trust_turn,
    firmware_turn,
    housekeeping,
    kept_sessions,
    news,
    preflight,
    work,
)
from controller.services.firmware_online_keys import Safe
from controller.services.idempotency import Repeats
from controller.settings import Endpoint, Settings
from controller.startup import CannotStart
from controller.store.embedded import Embedded
from controller.store.migrate import migrate
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import unlock
from controller.task_workers import collectors, work_of
from controller.tls import api_context

log = structlog.stdlib.get_logger("controller")

_RENEWAL_S = 6 * 3600.0
_CUT_OFF_S = 5.0  # the share of drain_s for cutting off what did not end, closing the pool and stopping PostgreSQL


async def serve(settings: Settings) -> None:
    """Run the controller until SIGTERM or SIGINT. Raises CannotStart with a sentence for the terminal."""
    stop, starting = asyncio.Event(), asyncio.current_task()

    def give_up_starting() -> None:
        if starting is not None:  # nothing is under way yet that could be lost
            starting.cancel()

    process.told_to_stop(stop, within_s=max(settings.drain_s, _CUT_OFF_S), also=give_up_starting)
    process.as_many_descriptors_as_allowed()
    try:
        async with AsyncExitStack() as stack:
            dsn, database_gave_up = await _postgres(settings, stack)
            parts = await _parts(settings, await _database(settings, dsn, stack))
            bearers = news_work.work_of(parts)
            side, renew = await stack.enter_async_context(_listening(parts))
            starting = None
            process.collect_garbage_seldom()
            await _until(stop, parts, side, bearers, database_gave_up, renew)
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        log.info("Stopped before it was ready.")


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
        db = await Database.open(dsn, size=settings.database_connections, retry_s=settings.database_wait_s)
        stack.push_async_callback(db.close, deadline_s=1)
        await migrate(dsn)
    except TROUBLE as error:
        why = (str(error) or "it does not answer").rstrip(".")
        raise CannotStart(
            f"The database cannot be used: {why}. Check database_url and that PostgreSQL runs."
        ) from error
    if settings.database_url is None:  # ours alone, so the controller before us is dead
        await housekeeping.take_over(db, utc_now())
    return db


async def _parts(settings: Settings, db: Database) -> Parts:
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
    blobs = await asyncio.to_thread(open_images, settings)
    return Parts(settings, db, vault, authority, blobs)


def _make_folder(data_dir: Path) -> None:
    """Where the database is elsewhere and every file has a place of its own, nothing has made it yet."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"Cannot make the data directory {data_dir}: {error.strerror}.") from error


@asynccontextmanager
async def _listening(parts: Parts) -> AsyncIterator[tuple[AdapterSide, Callable[[], None]]]:
    """The listeners are open inside this block; the second value renews their certificates when they are due."""
    settings = parts.settings
    contexts: list[tuple[ssl.SSLContext, Callable[[], Path]]] = []

    def secured(make: Callable[[Path], ssl.SSLContext], certificate: Callable[[], Path]) -> ssl.SSLContext:
        contexts.append((make(certificate()), certificate))
        return contexts[-1][0]

    def renew() -> None:
        for context, certificate in contexts:
            context.load_cert_chain(certificate())

    async with AsyncExitStack() as stack:
        side = await stack.enter_async_context(open_side(parts, secured))
        api = await _started(stack, _api_app(parts))
        if not settings.api_uses_tls and not settings.api_listen.is_loopback:
            log.warning("The API is served without TLS: only a proxy that adds TLS may reach this address.")
        context = None
        if settings.api_uses_tls:
            context = secured(api_context, lambda: parts.authority.api(settings.api_addresses, now=utc_now()))
        await _listen(api, settings.api_listen, context)
        log.info("Ready.", api=str(settings.api_listen), devices=str(settings.device_listen))
        yield side, renew


async def _started(stack: AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = http.runner(app, drain_s=0.5)  # by then the drain has waited
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


async def _listen(runner: web.AppRunner, at: Endpoint, context: ssl.SSLContext | None) -> None:
    site = web.TCPSite(runner, at.host, at.port, ssl_context=context)
    try:
        await site.start()
    except OSError as error:
        raise CannotStart(f"Cannot listen on {at}: {error.strerror}. Is another controller running?") from error


def _api_app(parts: Parts) -> web.Application:
    authenticate = authenticator(parts.db)
    deadline = timedelta(seconds=parts.settings.swap_deadline_s)
    context = Context(
        parts.db,
        parts.vault,
        parts.blobs,
        utc_now,
        deadline,
        parts.wake,
        parts.wake_push,
        parts.stopping,
        parts.settings.contract_tasks_at_once,
        change_rule=ChangeRule(parts.settings.change_registration),
        return_address=parts.settings.return_address,
        news_terms=news_work.terms_of(parts.settings),
        wake_news=parts.wake_news,
        firmware_root=parts.settings.firmware_root,
        firmware_safe=Safe(parts.settings.firmware_signing_key_file),
    )
    app = http.build(
        ROUTES,
        authenticate=authenticate,
        metrics=parts.metrics,
        version=version("hikitsugi"),
        idempotency=KeptAnswers(Repeats(parts.db, parts.vault, utc_now)),
        provide=(context,),
        drain=parts.drain,
    )
    figures = Figures(parts.db, utc_now, parts.metrics.registry)
    signed = MetadataFigures(parts.signed_metadata, utc_now, parts.metrics.registry)
    image_figures(parts.images_seen, parts.metrics.registry)

    async def read() -> None:
        signed.read()
        await figures.read()

    checks: dict[str, metrics.Check] = {"database": partial(housekeeping.ping, parts.db), "images": parts.blobs.check}
    metrics.add(app, parts.metrics, checks, authenticate, read)
    return app


async def _until(
    stop: asyncio.Event,
    parts: Parts,
    side: AdapterSide,
    bearers: news.Work,
    database_gave_up: Callable[[], Awaitable[object]],
    renew: Callable[[], None],
) -> None:
    """Work until told to stop; then let what is under way end. Raises what ended a part that must not end."""
    ssh, collector = collectors(parts.settings, side.work.pusher)
    workers = work_of(
        parts.settings, parts.db, parts.vault, collector, parts.wake, parts.stopping, lambda: side.tunnels.controller
    )
    days = (
        parts.settings.heartbeats_kept_days,
        parts.settings.transcripts_kept_days,
        parts.settings.news_kept_days,
        parts.settings.firmware_downloads_kept_days,
    )
    kept = housekeeping.Kept(*(timedelta(days=each) for each in days))
    rule = ChangeRule(parts.settings.change_registration)
    endless: list[asyncio.Future[Any]] = [  # Any: none of them ends with a result
        asyncio.create_task(work.run(workers), name="workers"),
        asyncio.create_task(news.run(bearers), name="news"),
        *(asyncio.create_task(endless, name=name) for name, endless in side.endless(parts).items()),
        asyncio.create_task(housekeeping.run(workers, parts.db, utc_now, kept), name="housekeeping"),
        asyncio.create_task(
            exchange_turn.run(parts.db, parts.vault, utc_now, rule, parts.wake_push.set), name="exchanges"
        ),
        asyncio.create_task(
            preflight.run(
                *(parts.db, parts.vault, utc_now, timedelta(seconds=parts.settings.swap_deadline_s)),
                parts.wake_push.set,
            ),
            name="pre-flight",
        ),
        asyncio.create_task(
            bulk_turn.run(
                *(parts.db, parts.vault, utc_now, timedelta(seconds=parts.settings.swap_deadline_s)),
                partial(_wake, parts),
            ),
            name="bulk exchanges",
        ),
        asyncio.create_task(firmware_rollout_turn.run(parts.db, utc_now), name="rollouts"),
        asyncio.create_task(
            firmware_turn.run(parts.db, utc_now, _patience(parts.settings), parts.wake_push.set),
            name="firmware updates",
        ),
        asyncio.create_task(
            firmware_trust_turn.run(
                *(parts.db, Safe(parts.settings.firmware_signing_key_file), utc_now),
                *(parts.settings.firmware_root, parts.signed_metadata),
            ),
            name="signed metadata",
        ),
        asyncio.create_task(
            firmware_damage.run(parts.db, parts.blobs, utc_now, parts.images_seen), name="images looked after"
        ),
        asyncio.create_task(kept_sessions.run(parts.db, ssh.kept_sessions), name="kept sessions"),
        asyncio.create_task(audit.run(parts.db, utc_now), name="audit chain"),
        asyncio.create_task(_renewing(renew), name="certificates"),
        asyncio.ensure_future(database_gave_up()),
    ]
    try:
        async with process.until_told(stop, endless):
            log.info("Stopping.", running=parts.drain.under_way)
            parts.stopping.set()
            parts.wake.set()
            parts.wake_push.set()
            parts.wake_news.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, parts.settings.drain_s - _CUT_OFF_S)):
                    workers_end = map(asyncio.shield, endless[:3])
                    await asyncio.gather(parts.drain.finish(parts.settings.drain_s), *workers_end)
    finally:
        await ssh.close()
    log.info("Stopped.")


def _patience(settings: Settings) -> Patience:
    whole, after_sent = settings.firmware_update_deadline_s, settings.firmware_update_return_s
    return Patience(timedelta(seconds=whole), timedelta(seconds=after_sent))


def _wake(parts: Parts) -> None:
    """Swaps were ordered: evidence is collected by tasks, connected adapters are told by pushes."""
    parts.wake.set()
    parts.wake_push.set()


async def _renewing(renew: Callable[[], None]) -> None:
    """Certificates last 397 days and are renewed 30 before: a try every few hours outlives a full disk."""
    while True:
        await asyncio.sleep(_RENEWAL_S)
        try:
            await asyncio.to_thread(renew)
        except (CannotStart, OSError) as error:
            log.warning("Certificates could not be renewed; trying again.", why=str(error))
