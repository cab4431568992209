"""The workers: claim due tasks, talk to the adapters, record what they printed.

Claiming and recording are short transactions; nothing is held while an adapter talks. A worker that dies loses its
lease: what may be repeated waits again, of the rest nobody knows whether it was done, and a worker that comes back late
records nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from controller.ports import Collected, Collector, Failure, Limits
from controller.series import Via
from controller.services import claiming, credentials, host_keys, policy, task_outcomes, task_targets
from controller.services.cancellation import Held, Stop, watch
from controller.services.task_outcomes import Run
from controller.store import claims
from controller.store.pool import TROUBLE, Database, Row
from controller.store.secrets import Secrets

log = structlog.get_logger()

_POLL_S = 0.5  # how long a task made by another controller may go unnoticed, and a campaign's rate be late
_GATHER_S = 0.02
_TURN_S = 1.0
_CLAIM_LASTS = timedelta(seconds=45)  # at most: the database ends a statement after 30 s, the driver after 35
_LAST_WORD_S = 0.6  # of each step, once we are cut off


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs. concurrency: adapters at once. limits.total_s sets the lease. controller: its id, which
    changes when the database took it for gone. contract_at_once: adapters of one contract that are busy at once, over
    all workers, where the contract does not say. held: what it runs now."""

    db: Database
    vault: Secrets
    collector: Collector
    limits: Limits
    concurrency: int
    clock: Callable[[], datetime]
    wake: asyncio.Event
    stopping: asyncio.Event
    controller: Callable[[], int] = lambda: 0
    contract_at_once: int = claims.CONTRACT_AT_ONCE
    held: Held = field(default_factory=Held)

    @property
    def lease(self) -> timedelta:
        """Longer than a run can take, so that a lease runs out only when its worker is gone."""
        return timedelta(seconds=self.limits.total_s + 30)


async def run(work: Work) -> None:
    """Claim and run tasks until `stopping` is set; then wait for those under way. Cancelled, it gives them back."""
    beside = [asyncio.create_task(watch(work.db, work.held)), asyncio.create_task(_turns(work))]
    try:
        await claiming.run(
            "task",
            lambda limit: _claim(work, limit),
            lambda row: _one(work, row),
            concurrency=work.concurrency,
            poll_s=_POLL_S,
            gather_s=_GATHER_S,
            wake=work.wake,
            stopping=work.stopping,
        )
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)


async def return_lost(work: Work) -> None:
    """Tasks of workers that died are taken from them. To be called every few seconds, by any controller."""
    lost = await claims.return_lost(work.db, work.clock())
    if lost:
        log.warning("tasks were taken from workers that are gone", tasks=lost)


async def turn(work: Work) -> None:
    """What the clock does, once a second: tasks expire, are due since their adapter is back, or are not permitted any
    more; campaigns finish. By any number of workers."""
    await claims.turn(work.db, work.clock())


async def _turns(work: Work) -> None:
    while True:
        try:
            await turn(work)
            await _return_never_begun(work)
        except TROUBLE as error:
            log.warning("tasks' times must wait for the database", error=str(error) or type(error).__name__)
        await asyncio.sleep(_TURN_S)


async def _return_never_begun(work: Work) -> None:
    """Claims whose answer was lost on its way to us: the next claim takes them, and not the end of their leases."""
    if controller := work.controller():
        before = work.clock() - _CLAIM_LASTS
        returned = await claims.return_never_begun(work.db, controller, work.held.begun, before)
        if returned:
            log.warning("tasks were given back that never reached this worker", tasks=returned)


async def _claim(work: Work, limit: int) -> list[Row]:
    return await claims.claim(
        work.db,
        work.clock(),
        work.lease,
        limit,
        controller=work.controller(),
        contract_at_once=work.contract_at_once,
    )


async def _one(work: Work, row: Row) -> None:
    with work.held.holding(row) as stop:
        try:
            run = await _run(work, row, stop)
        except asyncio.CancelledError:
            if task_outcomes.is_repeatable(row):
                await _give_back(work, row)
            raise
        await _record(work, row, run)


async def _run(work: Work, row: Row, stop: Stop) -> Run:
    if task_outcomes.is_repeatable(row):
        return await _collected(work, row, stop)
    running = asyncio.create_task(_collected(work, row, stop))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.event.set()
        await asyncio.wait({running}, timeout=_LAST_WORD_S)
        if not running.done():
            running.cancel()
            return Run(Collected((), Failure.INTERNAL_ERROR, "The worker was stopped in the middle."), None)
        run = running.result()
        if run.collected.failure is Failure.STOPPED and not run.collected.printed:
            await _give_back(work, row)
            raise
        return run


async def _collected(work: Work, row: Row, stop: Stop) -> Run:
    try:
        collected, via = await _collect(work, row, stop)
    except Exception:  # a bug of ours must cost this task, not the worker and the others with it
        log.exception("task failed by a mistake in the controller", task=row["id"], adapter=row["serial"])
        detail = f"Internal error; the log has the rest under task={row['id']}."
        collected, via = Collected((), Failure.INTERNAL_ERROR, detail), None
    return Run(collected, via, stop.why)


async def _collect(work: Work, row: Row, stop: Stop) -> tuple[Collected, Via | None]:
    """What the adapter printed and over which transport; None when none was tried."""
    if why := policy.no_longer(row):
        return Collected((), Failure.NOT_PERMITTED, why), None
    if row["since"] is None:
        detail = "The registration changed before the task ran; start it again for the adapter that is there now."
        return Collected((), Failure.REGISTRATION_CHANGED, detail), None
    via = task_targets.chosen(row)
    if via is Via.SSH and row["address"] is None:
        detail = "No address is known: the adapter has never pulled. Plug it in, or set its ssh_address."
        return Collected((), Failure.UNREACHABLE, detail), via
    target = task_targets.target(work.vault, row, via)
    return await work.collector.collect(target, row["lines"], work.limits, stop=stop.event), via


async def _record(work: Work, row: Row, run: Run) -> None:
    """Cut off meanwhile, it has a moment to end: what is lost here was done for nothing, or nobody will know of it."""
    recording = asyncio.create_task(_recorded(work, row, run))
    try:
        await asyncio.shield(recording)
    except asyncio.CancelledError:
        await asyncio.wait({recording}, timeout=_LAST_WORD_S)
        recording.cancel()
        raise


async def _recorded(work: Work, row: Row, run: Run) -> None:
    finished = task_outcomes.finished(row, run, work.clock())
    try:
        recorded = await claiming.recorded(lambda: claims.finish(work.db, finished, work.clock()))
    except TROUBLE as error:
        # The lease runs out: it is run again, or said to be unknown.
        work.held.unrecorded.add(row["id"])
        log.warning("result could not be recorded", task=row["id"], adapter=row["serial"], error=str(error))
        return
    if run.via is Via.SSH:
        await _learn(work, row, run.collected)
    outcome = finished.failure.value if finished.failure else finished.state.value
    tell = log.info if finished.failure else log.debug  # of what went well, the campaign's end is told
    tell("task finished", task=row["id"], adapter=row["serial"], code=row["code"], outcome=outcome, kept=recorded)


async def _learn(work: Work, row: Row, collected: Collected) -> None:
    """What the run says about credential and host key. The next run says it again, so trouble costs nothing."""
    try:
        await credentials.tried(work.db, row, collected, work.clock())
        await host_keys.offered(work.db, row, collected, work.clock())
    except TROUBLE as error:
        log.warning("what a login told could not be recorded", adapter=row["serial"], error=str(error))


async def _give_back(work: Work, row: Row) -> None:
    """Quickly, since the controller is stopping; what cannot be given back waits for its lease to run out."""
    try:
        async with asyncio.timeout(_LAST_WORD_S):
            await claims.release(work.db, row["id"], row["fence"])
    except (*TROUBLE, TimeoutError) as error:
        log.warning("task could not be given back", task=row["id"], error=str(error) or type(error).__name__)
