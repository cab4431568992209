"""The workers: claim due tasks, talk to the adapters, record what they printed.

Claiming and recording are short transactions; nothing is held while an adapter talks. A worker that dies loses its
lease: the task waits again (status commands may be repeated), and a worker that comes back late records nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from controller.ports import Collected, Collector, Failure, Limits, Target
from controller.store import tasks
from controller.store.pool import TROUBLE, Database, Row
from controller.store.secrets import Secrets

log = structlog.get_logger()

_POLL_S = 1.0  # how long a task made by another controller may go unnoticed
_PAUSE_S = 2.0  # after the database refused: it is restarting, or gone


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs. concurrency: adapters at once. limits.total_s sets the lease."""

    db: Database
    vault: Secrets
    collector: Collector
    limits: Limits
    concurrency: int
    clock: Callable[[], datetime]
    wake: asyncio.Event

    @property
    def lease(self) -> timedelta:
        """Longer than a run can take, so that a lease runs out only when its worker is gone."""
        return timedelta(seconds=self.limits.total_s + 30)


async def run(work: Work) -> None:
    """Claim and run tasks until cancelled; runs under way are then cancelled too and wait for their next worker."""
    busy: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:
        while True:
            rows = await _claim(work, work.concurrency - len(busy))
            for row in rows:
                task = group.create_task(_one(work, row), name=f"task {row['id']}")
                busy.add(task)
                task.add_done_callback(busy.discard)
            if not rows or len(busy) >= work.concurrency:
                await _wait(work, busy)


async def _claim(work: Work, limit: int) -> list[Row]:
    try:
        now = work.clock()
        await tasks.return_lost(work.db, now)
        return await tasks.claim(work.db, now, work.lease, limit)
    except TROUBLE as error:
        log.warning("tasks cannot be claimed; trying again", error=str(error))
        await asyncio.sleep(_PAUSE_S)
        return []


async def _wait(work: Work, busy: set[asyncio.Task[None]]) -> None:
    """Until something is over, something new was asked for, or the poll is due."""
    woken = asyncio.ensure_future(work.wake.wait())
    try:
        await asyncio.wait({woken, *busy}, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        woken.cancel()
    work.wake.clear()


async def _one(work: Work, row: Row) -> None:
    try:
        collected = await _collect(work, row)
    except Exception:  # a bug of ours must cost this task, not the worker and the others with it
        log.exception("task failed by a mistake in the controller", task=row["id"], adapter=row["serial"])
        detail = f"Internal error; the log has the rest under task={row['id']}."
        collected = Collected((), Failure.INTERNAL_ERROR, detail)
    finished = tasks.Finished(row["id"], row["fence"], row["since"] or work.clock(), row["firmware"], collected)
    try:
        recorded = await tasks.finish(work.db, finished, work.clock())
    except TROUBLE as error:
        # The lease runs out and the task is run again: the result is late, not lost.
        log.warning("result could not be recorded", task=row["id"], adapter=row["serial"], error=str(error))
        return
    outcome = collected.failure.value if collected.failure else "done"
    log.info("task finished", task=row["id"], adapter=row["serial"], code=row["code"], outcome=outcome, kept=recorded)


async def _collect(work: Work, row: Row) -> Collected:
    if row["address"] is None:
        detail = "No address is known: the adapter has never pulled. Plug it in, or set its ssh_address."
        return Collected((), Failure.UNREACHABLE, detail)
    target = Target(
        serial=row["serial"],
        series_name=row["series"],
        address=row["address"],
        port=row["ssh_port"],
        username=row["ssh_username"],
        password=work.vault.open(row["ssh_password"], purpose="ssh-password").decode(),
        host_key=row["ssh_host_key"],
    )
    return await work.collector.collect(target, row["lines"], work.limits)
