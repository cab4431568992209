"""Bulk exchanges are carried out: row by row as codes get free, at_once open at a time, never both of a pair.

What becomes of a row is written in the transaction that exchanges it: whatever is killed, at any moment, no row is
exchanged twice and none is lost. Any number of controllers may do it, one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from controller.domain.access import CONTROLLER, Caller, Role
from controller.domain.bulk_exchange import ROW_MOVES, Event, RowEvent, RowState, State, advance
from controller.domain.errors import Conflict
from controller.domain.sentence import Sentence, sentence
from controller.domain.why import kept, parts
from controller.services import swap
from controller.services.bulk_rows import Candidate, Turn, exchange_rows, fail, judged_rows, too_many
from controller.store import bulk_exchanges, bulk_rows
from controller.store import preflight as preflights
from controller.store.bulk_rows import Became
from controller.store.pool import TROUBLE, Database, Row, is_away
from controller.store.secrets import Secrets

log = structlog.get_logger()

EVERY_S = 1.0


async def turn(db: Database, vault: Secrets, *, now: datetime, deadline: timedelta) -> int:
    """Go on with every bulk exchange that can; how many rows moved.

    deadline: how long a new adapter may stay unseen. A mistake of ours stops the one it happens to, not the others.
    """
    moved = 0
    for bulk in await bulk_rows.at_work(db):
        try:
            moved += await _go_on(db, vault, bulk, now, deadline)
        except Exception as error:
            if is_away(error):
                raise
            log.exception("bulk exchange was stopped by a mistake in the controller", bulk=bulk["id"])
            await _stop(db, bulk["id"], now)
    return moved


async def run(
    db: Database,
    vault: Secrets,
    clock: Callable[[], datetime],
    deadline: timedelta,
    ordered: Callable[[], None] = lambda: None,
) -> None:
    """Turns until cancelled; a database that is away is tried again.

    ordered: called when rows moved, so that evidence is collected and connected adapters are told at once.
    """
    while True:
        moved = 0
        try:
            moved = await turn(db, vault, now=clock(), deadline=deadline)
        except TROUBLE as error:
            log.warning("bulk exchanges must wait for the database", error=str(error) or type(error).__name__)
        if moved:
            ordered()
        await asyncio.sleep(0 if moved else EVERY_S)


async def _go_on(db: Database, vault: Secrets, bulk: Row, now: datetime, deadline: timedelta) -> int:
    if bulk["state"] == State.ABORTED:
        await _withdraw(db, bulk["id"], now)
    room = min(bulk["at_once"] - bulk["open"], swap.AT_ONCE)
    judged = await judged_rows(db, bulk, room, now) if bulk["state"] == State.RUNNING and room > 0 else {}
    async with db.transaction() as tx:
        locked = await bulk_exchanges.locked(tx, bulk["id"]) if await bulk_rows.alone(tx) else None
        if locked is None:
            return 0
        return await _turned(Turn(tx, vault, locked, now, deadline), judged)


async def _turned(at: Turn, judged: Mapping[int, Candidate]) -> int:
    failures = await _settle(at)
    permitted = at.is_running and await _is_permitted(at)
    if permitted and not too_many(at, failures):
        room = at.bulk["at_once"] - await bulk_rows.close_ended(at.tx, at.id)
        failures = await exchange_rows(at, judged, room, failures)
    await bulk_rows.put(at.tx, at.id, at.became)
    if permitted and not await bulk_rows.has_more(at.tx, at.id):
        await _move(at, Event.ALL_ENDED, None)
    elif permitted and too_many(at, failures):
        await _move(at, Event.TOO_MANY_FAILED, sentence("{failures} rows failed.", failures=failures))
    return len(at.became)


async def _move(at: Turn, event: Event, why: Sentence | None) -> None:
    to = advance(State.RUNNING, event)
    assert to is not None
    await bulk_exchanges.move(at.tx, at.bulk, to, kept(why) if why else None, caller=CONTROLLER, now=at.now)
    log.info("bulk exchange moved", bulk=at.id, state=to.value, why=str(why or ""))


async def _stop(db: Database, bulk: int, now: datetime) -> None:
    why = kept(sentence("Internal error; the log has the rest."))
    async with db.transaction() as tx:
        row = await bulk_exchanges.locked(tx, bulk)
        if row is not None and row["state"] == State.RUNNING:
            await bulk_exchanges.move(tx, row, State.STOPPED, why, caller=CONTROLLER, now=now)


async def _is_permitted(at: Turn) -> bool:
    """Who runs it may still exchange its codes; else it is stopped, and says why."""
    found = await bulk_rows.runner(at.tx, at.bulk["run_by"])
    account, contract = at.bulk["run_by"], found["contract"] if found else None
    if found is None or found["disabled"]:
        await _move(
            at, Event.NOT_PERMITTED, sentence("Account {account}, which runs it, is disabled.", account=account)
        )
    elif found["role"] not in (Role.OPERATOR, Role.ADMINISTRATOR) or contract not in (None, at.bulk["contract"]):
        refused = sentence("Account {account}, which runs it, may not exchange these codes any more.", account=account)
        await _move(at, Event.NOT_PERMITTED, refused)
    else:
        at.caller = Caller(account, Role(found["role"]), contract, "")
        return True
    return False


async def _settle(at: Turn) -> int:
    """Rows whose pre-flight is over; how many rows have failed since it was started or resumed."""
    refused = 0
    for row in await bulk_rows.left_preflight(at.tx, at.id):
        if row["exchange_state"] != "withdrawn":
            after = ROW_MOVES[RowState.PRE_FLIGHT, RowEvent.ORDERED]
            at.became.append(Became(row["line"], after, row["exchange"], open=not row["ended"]))
        elif at.bulk["state"] == State.ABORTED:
            at.became.append(Became(row["line"], ROW_MOVES[RowState.PRE_FLIGHT, RowEvent.ABORTED]))
        else:
            refused += 1
            why = parts(row["why"])[0] if row["why"] else ""
            error = Conflict("Its exchange {exchange} was withdrawn: {why}", exchange=row["exchange"], why=why)
            await fail(at, row, RowState.PRE_FLIGHT, error, row["contract"])
    return await bulk_rows.failed(at.tx, at.id, refused) if refused else int(at.bulk["failures"])


async def _withdraw(db: Database, bulk: int, now: datetime) -> None:
    """Swaps of an aborted one that wait for evidence are not ordered any more."""
    for number in await bulk_rows.in_preflight(db, bulk):
        why = sentence("Bulk exchange {bulk} was aborted.", bulk=bulk)
        await preflights.withdraw(db, number, kept(why), caller=CONTROLLER, now=now)
