"""What is done by the clock: lapsed exchanges, lost tasks, old rows. Any number of controllers may do it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from controller.services import work
from controller.services.repeats import KEPT
from controller.store import exchanges, idempotency, pulls, tasks
from controller.store.pool import TROUBLE, Database

log = structlog.get_logger()

EVERY_S = 5.0
PULLS_KEPT = timedelta(days=90)  # first and last pull of each adapter stay in contact


async def run(workers: work.Work, db: Database, clock: Callable[[], datetime]) -> None:
    """Repeat until cancelled; a database that is away is tried again at the next turn."""
    while True:
        try:
            await once(workers, db, clock())
        except TROUBLE as error:
            log.warning("housekeeping must wait for the database", error=str(error) or type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def take_over(db: Database, now: datetime) -> None:
    """For the only controller of a database, before it works: its predecessor's tasks need not wait for their lease."""
    await tasks.end_leases(db, now)


async def once(workers: work.Work, db: Database, now: datetime) -> None:
    """One turn; each step is bounded and may be repeated."""
    await work.return_lost(workers)
    for exchange, entry in await exchanges.lapse(db, now):
        log.warning("swap lapsed: its new adapter was not seen in time", exchange=exchange, entry=entry)
    await pulls.forget_before(db, now - PULLS_KEPT)
    await idempotency.forget_before(db, now - KEPT)


async def ping(db: Database) -> None:
    """Raises when the database does not answer (for /readyz)."""
    async with db.connection() as connection:
        await connection.fetchval("SELECT 1")
