"""The composition root of `hikitsugi worker`: task workers without a controller, on this machine or on another one.

Any number of them share the work of one database. A worker reaches adapters over SSH and at their own endpoints;
tunnels belong to the controller that holds them, and tasks that must go through one are left to it. Killed, it loses
its leases and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import structlog

from controller import process
from controller.authority import Authority
from controller.parts import utc_now
from controller.services import kept_sessions, reaches, work
from controller.settings import Settings
from controller.startup import CannotStart
from controller.store import embedded
from controller.store.migrate import require_current
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import Secrets, unlock_beside
from controller.task_workers import collectors, work_of
from controller.tls import legacy_push_context, push_context
from controller.transports.arms.push import ArmsPusher
from controller.transports.arms.simple import Endpoints
from controller.transports.arms.tunnels import Tunnels
from controller.transports.ssh.collect import SshCollector

log = structlog.stdlib.get_logger("controller")

_SEEN_EVERY_S = 5.0
_FAREWELL_S = 1.0


async def run(settings: Settings) -> None:
    """Work on tasks until SIGTERM or SIGINT; then let what is under way end. Raises CannotStart with a sentence."""
    stop = asyncio.Event()
    process.told_to_stop(stop, within_s=settings.drain_s + 1)
    process.as_many_descriptors_as_allowed()
    async with AsyncExitStack() as stack:
        db, vault = await database_and_keys(settings, stack, "A worker")
        worker = await stack.enter_async_context(_registered(db))
        ssh, collector = collectors(settings, ArmsPusher(Tunnels(), _endpoints(settings)))
        stack.push_async_callback(ssh.close)
        workers = work_of(settings, db, vault, collector, asyncio.Event(), asyncio.Event(), lambda: worker.id)
        process.collect_garbage_seldom()
        log.info("Ready.", worker=worker.id, concurrency=settings.ssh_concurrency)
        await _until(stop, settings, workers, worker, ssh)
    log.info("Stopped.")


class _Registered:
    """This worker's row in the table `controller`. id: changes when it was taken for gone."""

    def __init__(self, db: Database, number: int) -> None:
        self._db, self.id = db, number

    async def be_seen(self) -> None:
        """Say every few seconds that we are alive, until cancelled."""
        while True:
            try:
                if not await reaches.seen(self._db, self.id, utc_now()):
                    self.id = await reaches.begin(self._db, utc_now(), is_worker=True)
                    log.warning("This worker was taken for gone; it goes on under another number.", worker=self.id)
            except TROUBLE as error:
                log.warning("The database was not told that we live.", why=str(error) or type(error).__name__)
            await asyncio.sleep(_SEEN_EVERY_S)


@asynccontextmanager
async def _registered(db: Database) -> AsyncIterator[_Registered]:
    registered = _Registered(db, await reaches.begin(db, utc_now(), is_worker=True))
    try:
        yield registered
    finally:
        with suppress(*TROUBLE, TimeoutError):  # it is forgotten by itself when it is not seen any more
            async with asyncio.timeout(_FAREWELL_S):
                await reaches.end(db, registered.id, utc_now())


async def _until(
    stop: asyncio.Event, settings: Settings, workers: work.Work, worker: _Registered, ssh: SshCollector
) -> None:
    endless: tuple[asyncio.Task[Any], ...] = (  # Any: none of them ends with a result
        asyncio.create_task(work.run(workers), name="workers"),
        asyncio.create_task(worker.be_seen(), name="seen"),
        asyncio.create_task(kept_sessions.run(workers.db, ssh.kept_sessions), name="kept sessions"),
    )
    async with process.until_told(stop, endless):
        log.info("Stopping.")
        workers.stopping.set()
        workers.wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.drain_s):
                await asyncio.shield(endless[0])


async def database_and_keys(settings: Settings, stack: AsyncExitStack, who: str) -> tuple[Database, Secrets]:
    """The controller's database and the keys of its secrets; both must be there already. who: it is for."""
    if settings.database_url is not None:
        dsn = settings.database_url.get_secret_value()
    else:
        dsn = embedded.running_dsn(settings.data_dir)
    try:
        db = await Database.open(dsn, size=settings.database_connections, retry_s=settings.database_wait_s)
        stack.push_async_callback(db.close, deadline_s=1)
        await require_current(dsn)
    except TROUBLE as error:
        why = (str(error) or "it does not answer").rstrip(".")
        raise CannotStart(f"The database cannot be used: {why}. {who} needs a running controller.") from error
    if not settings.secrets_key_file.exists():
        raise CannotStart(
            f"The key file {settings.secrets_key_file} is missing. Copy it from the controller: without it no "
            "adapter can be logged in to."
        )
    return db, await unlock_beside(db, settings.secrets_key_file)


def _endpoints(settings: Settings) -> Endpoints:
    """How adapters' own endpoints are reached: with a certificate of the root that they trust."""
    if not (settings.authority_dir / "root.key").exists():
        raise CannotStart(
            f"There is no authority in {settings.authority_dir}. Copy the folder from the controller: "
            "adapters trust no other."
        )
    authority = Authority.at(settings.authority_dir, now=utc_now())
    certificate = authority.push_client(now=utc_now())
    return Endpoints(
        push_context(authority.root_file, certificate), legacy_push_context(authority.root_file, certificate)
    )
