"""Rollouts are carried out: wave by wave, at_once updates open at a time, through gate, soak and approval.

Any number of controllers may do it, one at a time. What a turn decides is one transaction with the updates it orders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from controller.domain.access import CONTROLLER, Caller, Role
from controller.domain.firmware_rollout import Event, Newcomers, Outcomes, State, passes, too_many
from controller.domain.sentence import Sentence, sentence
from controller.domain.why import kept
from controller.services import firmware_rollout_moving as moving
from controller.services.firmware_rollout_items import Turn, check_soaked, give_up_held, join, order_due, settle
from controller.store import firmware as catalogue
from controller.store import firmware_rollout_items as items
from controller.store import firmware_rollouts as store
from controller.store.pool import TROUBLE, Database, is_away

log = structlog.get_logger()

EVERY_S = 1.0


async def turn(db: Database, *, now: datetime) -> int:
    """Go on with every rollout that can; how many items and rollouts moved.

    A mistake of ours stops the one it happens to, not the others.
    """
    moved = 0
    for rollout in await items.at_work(db):
        try:
            moved += await _go_on(db, rollout["id"], rollout["series"], now)
        except Exception as error:
            if is_away(error):
                raise
            log.exception("rollout was stopped by a mistake in the controller", rollout=rollout["id"])
            await _stop(db, rollout["id"], now)
    return moved


async def run(db: Database, clock: Callable[[], datetime]) -> None:
    """Turns until cancelled; a database that is away is tried again."""
    while True:
        moved = 0
        try:
            moved = await turn(db, now=clock())
        except TROUBLE as error:
            log.warning("rollouts must wait for the database", error=str(error) or type(error).__name__)
        await asyncio.sleep(0 if moved else EVERY_S)


async def _go_on(db: Database, rollout: int, series: str, now: datetime) -> int:
    images = await catalogue.offered(db, series)
    async with db.transaction() as tx:
        row = await store.locked(tx, rollout) if await items.alone(tx) else None
        if row is None:
            return 0
        at = Turn(tx, row, images, now)
        under_way = await settle(at)
        if at.state in (State.RUNNING, State.SOAKING) and await _may_go_on(at):
            await _forward(at, under_way)
        return at.done


async def _may_go_on(at: Turn) -> bool:
    """The version is offered still, and who runs it may still update its codes; else it is stopped, and says why."""
    if at.target is None or not await store.is_offered(at.tx, at.rollout["series"], at.rollout["version"]):
        gone = sentence(
            "Firmware {version} of {series} is not offered any more.",
            series=at.rollout["series"],
            version=at.rollout["version"],
        )
        await _move(at, Event.WITHDRAWN, gone)
        return False
    account = at.rollout["run_by"]
    found = await store.runner(at.tx, account)
    if found is None or found["disabled"]:
        why = sentence("Account {account}, which runs it, is disabled.", account=account)
    elif not _may(found["role"], found["contract"], at.rollout["contract"]):
        why = sentence("Account {account}, which runs it, may not update these codes any more.", account=account)
    else:
        at.caller = Caller(account, Role(found["role"]), found["contract"], "")
        return True
    await _move(at, Event.NOT_PERMITTED, why)
    return False


def _may(role: str, contract: str | None, of: str | None) -> bool:
    return role == Role.ADMINISTRATOR or (role == Role.OPERATOR and contract is not None and contract == of)


async def _forward(at: Turn, under_way: int) -> None:
    if at.rollout["newcomers"] == Newcomers.JOIN and not (at.state is State.SOAKING and _is_last(at)):
        await join(at)
    if at.state is State.SOAKING:
        if at.now >= at.rollout["soak_until"]:
            await check_soaked(at)
            await _through_the_gate(at)
        return
    outcomes = await _outcomes(at)
    if too_many(outcomes, at.rollout["stop_share"]):
        await _move(at, Event.TOO_MANY_FAILED, _told(outcomes, at.wave))
        return
    had_turn = await order_due(at, at.rollout["at_once"] - under_way)
    if under_way == had_turn == 0:
        await _wave_ended(at, outcomes)


async def _outcomes(at: Turn) -> Outcomes:
    return await items.outcomes(at.tx, at.id, at.wave, at.rollout["counted_from"])


async def _wave_ended(at: Turn, outcomes: Outcomes) -> None:
    """Nothing of it is under way; what something holds is tried beside the next wave, after the last one no more."""
    if not passes(outcomes, at.rollout["success_share"]):
        await _move(at, Event.GATE_MISSED, _told(outcomes, at.wave))
        return
    ended = await store.end_wave(at.tx, at.id, at.wave, at.now)
    if _is_last(at):
        await give_up_held(at)
    soak = timedelta(seconds=at.rollout["soak_s"] if outcomes.ended else 0)
    await store.soak(at.tx, at.id, ended + soak)
    await _move(at, Event.WAVE_ENDED)


async def _through_the_gate(at: Turn) -> None:
    outcomes, following = await _outcomes(at), at.wave + 1
    if not passes(outcomes, at.rollout["success_share"]):
        await _move(at, Event.GATE_MISSED, _told(outcomes, at.wave))
    elif _is_last(at):
        await _move(at, Event.ALL_ENDED, _told(outcomes, at.wave) if outcomes.failed else None)
    elif at.rollout["approval"]:
        await _move(at, Event.APPROVAL_WANTED, detail_wave=following)
    else:
        await store.begin_wave(at.tx, at.id, following, at.now)
        await _move(at, Event.SOAKED, detail_wave=following)


def _is_last(at: Turn) -> bool:
    return bool(at.wave == at.rollout["waves"])


def _told(outcomes: Outcomes, wave: int) -> Sentence:
    return sentence(
        "Of wave {wave}, {good} updates were good, {failed} failed and {cancelled} were cancelled.",
        wave=wave,
        good=outcomes.good,
        failed=outcomes.failed,
        cancelled=outcomes.cancelled,
    )


async def _move(at: Turn, event: Event, why: Sentence | None = None, *, detail_wave: int | None = None) -> None:
    detail = {"wave": detail_wave or at.wave, "waves": at.rollout["waves"]}
    told = kept(why) if why else None
    to = await moving.moved(at.tx, at.rollout, event, told, caller=CONTROLLER, now=at.now, detail=detail)
    assert to is not None
    at.done += 1
    log.info("rollout moved", rollout=at.id, state=to.value, wave=at.wave, why=str(why or ""))


async def _stop(db: Database, rollout: int, now: datetime) -> None:
    why = kept(sentence("Internal error; the log has the rest."))
    async with db.transaction() as tx:
        row = await store.locked(tx, rollout)
        if row is not None:
            await moving.moved(tx, row, Event.MISTAKE, why, caller=CONTROLLER, now=now)
