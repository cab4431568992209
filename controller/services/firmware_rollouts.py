"""Staged rollouts of a firmware version, steered by people and by withdrawals. Doing: firmware_rollout_turn.py."""

from __future__ import annotations

from datetime import datetime

from controller.domain.access import CONTROLLER, Caller
from controller.domain.errors import Conflict, NotFound
from controller.domain.firmware_rollout import Event, ItemState, State, advance, states_before
from controller.domain.sentence import Sentence
from controller.domain.why import kept, written
from controller.series import by_name
from controller.services.firmware_rollout_moving import moved
from controller.services.firmware_rollout_options import Options
from controller.services.firmware_rollout_planning import Plan, in_order_of_versions, new
from controller.store import firmware_rollout_items as items_of
from controller.store import firmware_rollouts as store
from controller.store.pool import Connection, Database, Row


async def keep(db: Database, plan: Plan, options: Options, *, caller: Caller, now: datetime) -> int:
    """Keep a plan; its id. Nothing is updated before it is started. Codes that are left out stay so."""
    return await store.insert(db, new(plan, options), caller=caller, now=now)


async def one(db: Database, rollout: int, *, caller: Caller) -> Row:
    """See store.one. Raises NotFound: no such one, or not the caller's to know of."""
    row = await store.one(db, rollout, contract=caller.contract)
    if row is None:
        raise _unknown(rollout)
    return row


async def running(db: Database, row: Row) -> tuple[str, ...]:
    """Versions that its codes ran when they were last looked at, the lowest first. row: of `one`."""
    numbering = by_name(row["series"]).firmware.numbering
    return in_order_of_versions(numbering, await store.running(db, row["id"]))


async def page(
    db: Database, *, caller: Caller, contract: str | None, state: State | None, before: int | None, limit: int
) -> list[Row]:
    """Newest first, see store.page."""
    return await store.page(db, contract=caller.within(contract), state=state, before=before, limit=limit)


async def items(
    db: Database,
    rollout: int,
    *,
    caller: Caller,
    state: ItemState | None,
    wave: int | None,
    after: int = 0,
    limit: int,
) -> list[Row]:
    """See store.items. Raises NotFound."""
    await one(db, rollout, caller=caller)
    return await store.items(db, rollout, state=state, wave=wave, after=after, limit=limit)


async def start(db: Database, rollout: int, reason: str, *, caller: Caller, now: datetime) -> None:
    """Begin its first wave, in the caller's name.

    Raises NotFound, Conflict (it is not planned, everybody was left out, the version is not offered any more).
    """
    async with db.transaction() as tx:
        row = await _ready(tx, rollout, Event.STARTED, caller)
        if not await items_of.has_waiting(tx, rollout):
            raise Conflict(
                "Every code of rollout {rollout} was left out, so there is nothing to start.",
                next_step="hikitsugi rollout items {rollout} says why.",
                rollout=rollout,
            )
        await _run(tx, row, Event.STARTED, 1, reason, caller, now)


async def approve(db: Database, rollout: int, reason: str, *, caller: Caller, now: datetime) -> None:
    """Let the next wave begin. Raises NotFound, Conflict (it does not wait for that; not offered any more)."""
    async with db.transaction() as tx:
        row = await _ready(tx, rollout, Event.APPROVED, caller)
        await store.approve(tx, rollout, row["wave"] + 1, caller=caller, now=now)
        await _run(tx, row, Event.APPROVED, row["wave"] + 1, reason, caller, now)


async def resume(
    db: Database, rollout: int, reason: str, *, retry: bool = False, caller: Caller, now: datetime
) -> None:
    """Go on after a pause or a stop, in the caller's name. After a stop what has failed counts no more.

    retry: what has failed is tried again. Raises NotFound, Conflict (neither paused nor stopped; not offered any more).
    """
    async with db.transaction() as tx:
        row = await _ready(tx, rollout, Event.RESUMED, caller)
        if retry:
            await items_of.try_again(tx, rollout)
        if row["state"] == State.STOPPED:
            await store.count_anew(tx, rollout, row["wave"], now)
        await _run(tx, row, Event.RESUMED, max(1, row["wave"]), reason, caller, now)


async def pause(db: Database, rollout: int, reason: str, *, caller: Caller, now: datetime) -> None:
    """Begin no other update: those that are scheduled are called off, those under way go on.

    Raises NotFound, Conflict (nothing is under way).
    """
    await _end(db, rollout, Event.PAUSED, reason, caller, now)


async def abort(db: Database, rollout: int, reason: str, *, caller: Caller, now: datetime) -> None:
    """End it: what is not flashing yet is cancelled, what was updated stays.

    Raises NotFound, Conflict (it has ended).
    """
    await _end(db, rollout, Event.ABORTED, reason, caller, now)


async def stop_all_of(
    tx: Connection, series: str, version: str, why: Sentence, now: datetime, *, caller: Caller = CONTROLLER
) -> int:
    """Stop every rollout of a version that is withdrawn, in the transaction that withdraws it (R4.3); how many.

    Its updates that do not flash yet are cancelled. Call it first, before firmware_updates.cancel_all_of: from then on
    no rollout orders another one, and whoever carries out a rollout locks it before its updates.
    """
    stopped = 0
    for row in await store.locked_of(tx, series, version):
        stopped += await moved(tx, row, Event.WITHDRAWN, kept(why), caller=caller, now=now) is not None
    return stopped


async def _ready(tx: Connection, rollout: int, event: Event, caller: Caller) -> Row:
    """The rollout, locked, where the event leads on and the version is still offered."""
    row = await _locked(tx, rollout, event, caller)
    if not await store.is_offered(tx, row["series"], row["version"]):
        raise Conflict(
            "Firmware {version} of {series} is not offered any more.",
            next_step="hikitsugi firmware show {series} {version} says why; plan a rollout of another version.",
            series=row["series"],
            version=row["version"],
        )
    return row


async def _run(tx: Connection, row: Row, event: Event, wave: int, reason: str, caller: Caller, now: datetime) -> None:
    if event is not Event.APPROVED:
        await store.runs_for(tx, row["id"], caller.account)
    await store.begin_wave(tx, row["id"], wave, now)
    await moved(tx, row, event, written(reason), caller=caller, now=now, detail={"wave": wave})


async def _end(db: Database, rollout: int, event: Event, reason: str, caller: Caller, now: datetime) -> None:
    async with db.transaction() as tx:
        row = await _locked(tx, rollout, event, caller)
        await moved(tx, row, event, written(reason), caller=caller, now=now)


async def _locked(tx: Connection, rollout: int, event: Event, caller: Caller) -> Row:
    row = await store.locked(tx, rollout, contract=caller.contract)
    if row is None:
        raise _unknown(rollout)
    if advance(State(row["state"]), event) is None:
        raise Conflict(
            "Rollout {rollout} is {state}; only these can be {event}: {wanted}.",
            next_step="hikitsugi rollout show {rollout} says how far it is.",
            rollout=rollout,
            state=State(row["state"]),
            event=event,
            wanted=states_before(event),
        )
    return row


def _unknown(rollout: int) -> NotFound:
    return NotFound("No {what} {name}.", next_step="Check the name.", what="rollout", name=rollout)
