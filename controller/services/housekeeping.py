"""What is done by the clock: lapsed exchanges, lost tasks, old rows. Any number of controllers may do it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from controller.services import firmware_downloads as download_log
from controller.services import firmware_withdrawal, news, push_work, reaches, readings, retention, work
from controller.services.idempotency import KEPT
from controller.store import claims, connections, exchanges, firmware_downloads, heartbeats, idempotency, logins, pulls
from controller.store.pool import TROUBLE, Database

log = structlog.get_logger()

EVERY_S = 5.0
EVENTS_KEPT = timedelta(days=400)
PULLS_KEPT = timedelta(days=90)  # first and last pull of each adapter stay in contact


@dataclass(frozen=True, slots=True)
class Kept:
    """How long what devices said is kept, and what people were told."""

    heartbeats: timedelta
    transcripts: timedelta
    news: timedelta
    downloads: timedelta = timedelta(days=90)


async def run(workers: work.Work, db: Database, clock: Callable[[], datetime], kept: Kept) -> None:
    """Repeat until cancelled; a database that is away is tried again at the next turn."""
    while True:
        try:
            await once(workers, db, clock(), kept)
        except TROUBLE as error:
            log.warning("housekeeping must wait for the database", error=str(error) or type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def take_over(db: Database, now: datetime) -> None:
    """For the only controller of a database, before it works: what its predecessor had under way need not wait for
    its lease or deadline, and the tunnels it held are gone."""
    await claims.end_leases(db, now)
    await reaches.take_over(db, now)
    await push_work.take_over(db, now)
    await download_log.take_over(db, now)
    await news.take_over(db, now)


async def once(workers: work.Work, db: Database, now: datetime, kept: Kept) -> None:
    """One turn; each step is bounded and may be repeated."""
    await work.return_lost(workers)
    for exchange, entry in await exchanges.lapse(db, now):
        log.warning("swap lapsed: its new adapter was not seen in time", exchange=exchange, entry=entry)
    await pulls.forget_before(db, now - PULLS_KEPT)
    await idempotency.forget_before(db, now - KEPT)
    await reaches.forget_gone(db, now)
    await push_work.turn(db, now)
    await heartbeats.forget_before(db, now - kept.heartbeats)
    await connections.forget_before(db, now - EVENTS_KEPT)
    await retention.turn(db, now, kept.transcripts)
    await news.turn(db, now, kept.news)
    await download_log.close_unserved(db, now)
    await firmware_downloads.forget_before(db, now - kept.downloads)
    await readings.turn(db, now)
    if cleared := await firmware_withdrawal.sweep(db, now):
        log.warning("codes had just chosen a withdrawn firmware; they have no target now (R4.3)", codes=cleared)
    if gone := await logins.forget_unused(db, now):
        log.info("earlier credentials were deleted: others have worked everywhere since", credentials=gone)


async def ping(db: Database) -> None:
    """Raises when the database does not answer (for /readyz)."""
    async with db.connection() as connection:
        await connection.fetchval("SELECT 1")
