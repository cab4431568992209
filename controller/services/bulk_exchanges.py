"""Bulk exchanges: many swaps from one file, planned, told, and steered by people. Carrying them out: bulk_turn.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from controller.domain.access import Caller
from controller.domain.bulk_exchange import AT_ONCE, Event, Pair, RowState, State, advance, states_before
from controller.domain.bulk_plan import Judged
from controller.domain.errors import Conflict, NotFound
from controller.domain.why import written
from controller.services.bulk_planning import contract_of, judge_all
from controller.store import bulk_exchanges as store
from controller.store.pool import Connection, Database, Row

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """How it is carried out. at_once: how many of its exchanges may be open. stop_after: so many failed rows stop it,
    None: none do. reason: of rows that name none."""

    at_once: int = AT_ONCE
    stop_after: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen. rows: as of store.rows, with no exchange yet. contract: the one that all are of, or None."""

    contract: str | None
    rows: Sequence[dict[str, Any]]  # Any: JSON values


async def preview(db: Database, pairs: Sequence[Pair], options: Options, *, caller: Caller, now: datetime) -> Plan:
    """Judge every row; change and keep nothing.

    Operators name codes of their contract: others are refused as unknown.
    """
    judged = await judge_all(db, pairs, caller=caller, now=now)
    return Plan(caller.contract or contract_of(judged), [_row(row, options.reason) for row in judged])


async def keep(db: Database, plan: Plan, options: Options, *, caller: Caller, now: datetime) -> int:
    """Keep a plan; its id. Nothing is exchanged before it is started. Rows that are refused will not be tried."""
    new = store.New(plan.contract, options.reason, options.at_once, options.stop_after, plan.rows)
    return await store.insert(db, new, caller=caller, now=now)


def _row(row: Judged, reason: str) -> dict[str, Any]:
    pair = row.pair
    return {
        **{"line": pair.line, "entry": pair.entry, "standby": pair.standby},
        **{"reason": pair.reason or reason, "fault": pair.fault},
        **{"state": row.state.value, "why": row.why, "after_lines": row.after_lines},
        **{"plan": asdict(row.units) if row.units else None, "exchange": None, "exchange_state": None},
    }


async def one(db: Database, bulk: int, *, caller: Caller) -> Row:
    """See store.one. Raises NotFound: no such one, or not the caller's to know of."""
    row = await store.one(db, bulk, contract=caller.contract)
    if row is None:
        raise _unknown(bulk)
    return row


async def page(
    db: Database, *, caller: Caller, contract: str | None, state: State | None, before: int | None, limit: int
) -> list[Row]:
    """Newest first, see store.page."""
    return await store.page(db, contract=caller.within(contract), state=state, before=before, limit=limit)


async def rows(
    db: Database, bulk: int, *, caller: Caller, state: RowState | None, after: int = 0, limit: int
) -> list[Row]:
    """See store.rows. Raises NotFound."""
    await one(db, bulk, caller=caller)
    return await store.rows(db, bulk, state=state, after=after, limit=limit)


async def all_rows(db: Database, bulk: int, *, state: RowState | None) -> AsyncIterator[Row]:
    """Every row, of one that the caller may see; read page by page, so that a slow reader holds no connection."""
    after = 0
    while found := await store.rows(db, bulk, state=state, after=after, limit=_PAGE):
        for row in found:
            yield row
        after = found[-1]["line"]


async def start(db: Database, bulk: int, reason: str, *, caller: Caller, now: datetime) -> None:
    """Begin, in the caller's name. Raises NotFound, Conflict (it is not planned, or every row was refused)."""
    await _steer(db, bulk, Event.STARTED, reason, caller, now)


async def pause(db: Database, bulk: int, reason: str, *, caller: Caller, now: datetime) -> None:
    """Begin no other row. Raises NotFound, Conflict (it is not running)."""
    await _steer(db, bulk, Event.PAUSED, reason, caller, now)


async def resume(db: Database, bulk: int, reason: str, *, caller: Caller, now: datetime) -> None:
    """Go on, in the caller's name; failures count anew. Raises NotFound, Conflict (neither paused nor stopped)."""
    await _steer(db, bulk, Event.RESUMED, reason, caller, now)


async def abort(db: Database, bulk: int, reason: str, *, caller: Caller, now: datetime) -> None:
    """End it: rows that wait are cancelled, what was exchanged stays, swaps in pre-flight are withdrawn within seconds.

    Raises NotFound, Conflict (it has ended).
    """
    await _steer(db, bulk, Event.ABORTED, reason, caller, now)


async def _steer(db: Database, bulk: int, event: Event, reason: str, caller: Caller, now: datetime) -> None:
    async with db.transaction() as tx:
        row = await store.locked(tx, bulk, contract=caller.contract)
        if row is None:
            raise _unknown(bulk)
        to = advance(State(row["state"]), event)
        if to is None:
            raise _not_now(row, event)
        if event is Event.STARTED:
            await _has_work(tx, bulk)
        if event is Event.ABORTED:
            await store.cancel_waiting(tx, bulk)
        run_by = caller.account if to is State.RUNNING else None
        await store.move(tx, row, to, written(reason), caller=caller, now=now, run_by=run_by)


async def _has_work(tx: Connection, bulk: int) -> None:
    if not await store.has_waiting(tx, bulk):
        raise Conflict(
            "Every row of bulk exchange {bulk} was refused, so there is nothing to start.",
            next_step="hikitsugi exchange bulk rows {bulk} says why; mend the file and plan it again.",
            bulk=bulk,
        )


def _unknown(bulk: int) -> NotFound:
    return NotFound("No {what} {name}.", next_step="Check the name.", what="bulk exchange", name=bulk)


def _not_now(row: Row, event: Event) -> Conflict:
    return Conflict(
        "Bulk exchange {bulk} is {state}; only these can be {event}: {wanted}.",
        next_step="hikitsugi exchange bulk show {bulk} says how far it is.",
        bulk=row["id"],
        state=State(row["state"]),
        event=event,
        wanted=states_before(event),
    )
