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
_GATHER_S = 0.02
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
    stopping: asyncio.Event

    @property
    def lease(self) -> timedelta:
        """Longer than a run can take, so that a lease runs out only when its worker is gone."""
        return timedelta(seconds=self.limits.total_s + 30)


async def run(work: Work) -> None:
    """Claim and run tasks until `stopping` is set; then wait for those under way. Cancelled, it gives them back."""
    busy: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:
        while not work.stopping.is_set():
            rows = await _claim(work, work.concurrency - len(busy))
            for row in rows:
                task = group.create_task(_one(work, row), name=f"task {row['id']}")
                busy.add(task)
                task.add_done_callback(busy.discard)
            await _wait(work, busy)


async def return_lost(work: Work) -> None:
    """Tasks of workers that died wait again. To be called every few seconds, by any controller."""
    await tasks.return_lost(work.db, work.clock())


async def _claim(work: Work, limit: int) -> list[Row]:
    if not limit:
        return []
    try:
        return await tasks.claim(work.db, work.clock(), work.lease, limit)
    except TROUBLE as error:
        log.warning("tasks cannot be claimed; trying again", error=str(error))
        await asyncio.sleep(_PAUSE_S)
        return []


async def _wait(work: Work, busy: set[asyncio.Task[None]]) -> None:
    """Until places are free or something new was asked for; at most until the poll is due.

    Places come free one by one; claiming for each would be a round trip a task, so a moment passes for more of them.
    """
    woken = asyncio.ensure_future(work.wake.wait())
    try:
        await asyncio.wait({woken, *busy}, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
        if not woken.done() and busy:
            await asyncio.sleep(_GATHER_S)
    finally:
        woken.cancel()
    work.wake.clear()


async def _one(work: Work, row: Row) -> None:
    try:
        collected = await _collect(work, row)
    except asyncio.CancelledError:
        await _give_back(work, row)
        raise
    except Exception:  # a bug of ours must cost this task, not the worker and the others with it
        log.exception("task failed by a mistake in the controller", task=row["id"], adapter=row["serial"])
        detail = f"Internal error; the log has the rest under task={row['id']}."
        collected = Collected((), Failure.INTERNAL_ERROR, detail)
    finished = tasks.Finished(row["id"], row["fence"], row["since"], row["firmware"], collected)
    try:
        recorded = await tasks.finish(work.db, finished, work.clock())
    except TROUBLE as error:
        # The lease runs out and the task is run again: the result is late, not lost.
        log.warning("result could not be recorded", task=row["id"], adapter=row["serial"], error=str(error))
        return
    outcome = collected.failure.value if collected.failure else "done"
    log.info("task finished", task=row["id"], adapter=row["serial"], code=row["code"], outcome=outcome, kept=recorded)


async def _give_back(work: Work, row: Row) -> None:
    """Quickly, since the controller is stopping; what cannot be given back waits for its lease to run out."""
    try:
        async with asyncio.timeout(1):
            await tasks.release(work.db, row["id"], row["fence"])
    except (*TROUBLE, TimeoutError) as error:
        log.warning("task could not be given back", task=row["id"], error=str(error) or type(error).__name__)


async def _collect(work: Work, row: Row) -> Collected:
    if row["since"] is None:
        detail = "The registration changed before the task ran; start it again for the adapter that is there now."
        return Collected((), Failure.REGISTRATION_CHANGED, detail)
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
