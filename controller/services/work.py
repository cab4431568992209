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

from controller.ports import Collected, Collector, Failure, Limits, Login, Reach, Target
from controller.series import Via, by_name
from controller.services import claiming, credentials, host_keys, transcripts
from controller.store import claims
from controller.store.pool import TROUBLE, Database, Row
from controller.store.secrets import Secrets
from protocol.ids import DistributionId

log = structlog.get_logger()

_POLL_S = 1.0  # how long a task made by another controller may go unnoticed
_GATHER_S = 0.02


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs. concurrency: adapters at once. limits.total_s sets the lease. controller: its id, which
    changes when the database took it for gone."""

    db: Database
    vault: Secrets
    collector: Collector
    limits: Limits
    concurrency: int
    clock: Callable[[], datetime]
    wake: asyncio.Event
    stopping: asyncio.Event
    controller: Callable[[], int] = lambda: 0

    @property
    def lease(self) -> timedelta:
        """Longer than a run can take, so that a lease runs out only when its worker is gone."""
        return timedelta(seconds=self.limits.total_s + 30)


async def run(work: Work) -> None:
    """Claim and run tasks until `stopping` is set; then wait for those under way. Cancelled, it gives them back."""
    await claiming.run(
        "task",
        lambda limit: claims.claim(work.db, work.clock(), work.lease, limit, controller=work.controller()),
        lambda row: _one(work, row),
        concurrency=work.concurrency,
        poll_s=_POLL_S,
        gather_s=_GATHER_S,
        wake=work.wake,
        stopping=work.stopping,
    )


async def return_lost(work: Work) -> None:
    """Tasks of workers that died wait again. To be called every few seconds, by any controller."""
    await claims.return_lost(work.db, work.clock())


async def _one(work: Work, row: Row) -> None:
    try:
        collected, via = await _collect(work, row)
    except asyncio.CancelledError:
        await _give_back(work, row)
        raise
    except Exception:  # a bug of ours must cost this task, not the worker and the others with it
        log.exception("task failed by a mistake in the controller", task=row["id"], adapter=row["serial"])
        detail = f"Internal error; the log has the rest under task={row['id']}."
        collected, via = Collected((), Failure.INTERNAL_ERROR, detail), None
    series = by_name(row["series"])
    kept = [transcripts.keep(series, printed) for printed in collected.printed]
    detail = series.mask(collected.detail.encode())[0].decode()
    finished = claims.Finished(
        row["id"], row["fence"], row["since"], row["firmware"], kept, collected.failure, detail, via
    )
    try:
        recorded = await claims.finish(work.db, finished, work.clock())
    except TROUBLE as error:
        # The lease runs out and the task is run again: the result is late, not lost.
        log.warning("result could not be recorded", task=row["id"], adapter=row["serial"], error=str(error))
        return
    if via is Via.SSH:
        await _learn(work, row, collected)
    outcome = collected.failure.value if collected.failure else "done"
    log.info("task finished", task=row["id"], adapter=row["serial"], code=row["code"], outcome=outcome, kept=recorded)


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
        async with asyncio.timeout(1):
            await claims.release(work.db, row["id"], row["fence"])
    except (*TROUBLE, TimeoutError) as error:
        log.warning("task could not be given back", task=row["id"], error=str(error) or type(error).__name__)


async def _collect(work: Work, row: Row) -> tuple[Collected, Via | None]:
    """What the adapter printed and over which transport; None when none was tried."""
    if row["since"] is None:
        detail = "The registration changed before the task ran; start it again for the adapter that is there now."
        return Collected((), Failure.REGISTRATION_CHANGED, detail), None
    via = chosen(row)
    if via is Via.SSH and row["address"] is None:
        detail = "No address is known: the adapter has never pulled. Plug it in, or set its ssh_address."
        return Collected((), Failure.UNREACHABLE, detail), via
    return await work.collector.collect(_target(work.vault, row, via), row["lines"], work.limits), via


def chosen(row: Row) -> Via:
    """The transport that was asked for, else the first of the series' own that leads to the adapter now.

    SSH needs an address and a pinned host key, ARMS a confirmed way. When neither is there, the series' first one says
    what is missing.
    """
    if row["via"]:
        return Via(row["via"])
    leads = {Via.SSH: row["address"] is not None and row["ssh_host_key"] != "", Via.ARMS: row["reach"] is not None}
    preferred = by_name(row["series"]).vias
    return next((via for via in preferred if leads[via]), preferred[0])


def _target(vault: Secrets, row: Row, via: Via) -> Target:
    if via is Via.SSH:
        login, previous, jump = credentials.login_of(vault, row)
    else:
        login, previous, jump = Login(row["username"]), None, None
    return Target(
        serial=row["serial"],
        series_name=row["series"],
        address=row["address"] or "",
        port=row["ssh_port"],
        username=login.username,
        password=login.password,
        host_key=row["ssh_host_key"],
        via=via,
        reach=_reach(vault, row) if via is Via.ARMS and row["reach"] is not None else None,
        private_key=login.private_key,
        previous=previous,
        jump=jump,
        since=row["since"],
    )


def _reach(vault: Secrets, row: Row) -> Reach:
    key = row["endpoint_key"]
    return Reach(
        serial=row["serial"],
        distribution_id=DistributionId(row["distribution_id"].int),
        tunnel=row["tunnel"],
        endpoint=row["endpoint"] or "",
        key=vault.open(key, purpose="rs-sa-key").decode() if key else "",
        certificate_sha256=row["certificate_sha256"] or b"",
        legacy=row["legacy"],
    )
