"""Bulk exchanges are carried out: row by row as codes get free, at_once open at a time, never both of a pair.

What becomes of a row is written in the transaction that exchanges it: whatever is killed, at any moment, no row is
exchanged twice and none is lost. Any number of controllers may do it, one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from controller.domain.access import CONTROLLER, Caller, Role
from controller.domain.bulk_exchange import ROW_MOVES, Event, RowEvent, RowState, State, advance, apart
from controller.domain.bulk_plan import judge, kept
from controller.domain.errors import Conflict, ControllerError
from controller.domain.swap import Plan
from controller.services import preflight, swap
from controller.services.bulk_planning import code_of
from controller.services.swap import Order
from controller.store import bulk_exchanges, bulk_rows, exchanges
from controller.store import preflight as preflights
from controller.store.bulk_rows import Became
from controller.store.pool import TROUBLE, Connection, Database, Row, is_away
from controller.store.secrets import Secrets

log = structlog.get_logger()

EVERY_S = 1.0
_TRIES = 5
"""So often the codes of a row may be taken in the very moment it is ordered."""


@dataclass(slots=True)
class Candidate:
    """A row whose turn it is. plan: None when error says why it is refused."""

    row: Row
    contract: str | None = None
    plan: Plan | None = None
    error: ControllerError | None = None

    @property
    def line(self) -> int:
        line: int = self.row["line"]
        return line

    @property
    def codes(self) -> tuple[str, str]:
        return self.row["entry"], self.row["standby"]

    @property
    def partners(self) -> Sequence[str]:
        partners: Sequence[str] = self.row["partners"]
        return partners

    @property
    def order(self) -> Order:
        return Order(*self.codes, self.row["reason"], fault=self.row["fault"])


@dataclass(slots=True)
class _Turn:
    """What is done with one bulk exchange in one transaction. bulk: its row, locked. caller: who runs it."""

    tx: Connection
    vault: Secrets
    bulk: Row
    now: datetime
    deadline: timedelta
    caller: Caller = CONTROLLER
    became: list[Became] = field(default_factory=list)

    @property
    def id(self) -> int:
        number: int = self.bulk["id"]
        return number

    @property
    def is_running(self) -> bool:
        return bool(self.bulk["state"] == State.RUNNING)


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
            await _stop(db, bulk["id"], "Internal error; the log has the rest.", now)
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
    judged = await _judged(db, bulk, room, now) if bulk["state"] == State.RUNNING and room > 0 else {}
    async with db.transaction() as tx:
        locked = await bulk_exchanges.locked(tx, bulk["id"]) if await bulk_rows.alone(tx) else None
        if locked is None:
            return 0
        return await _turned(_Turn(tx, vault, locked, now, deadline), judged)


async def _turned(at: _Turn, judged: Mapping[int, Candidate]) -> int:
    failures = await _settle(at)
    permitted = at.is_running and await _is_permitted(at)
    if permitted and not _too_many(at, failures):
        room = at.bulk["at_once"] - await bulk_rows.close_ended(at.tx, at.id)
        failures = await _exchange(at, judged, room, failures)
    await bulk_rows.put(at.tx, at.id, at.became)
    if permitted and not await bulk_rows.has_more(at.tx, at.id):
        await _move(at, Event.ALL_ENDED, "")
    elif permitted and _too_many(at, failures):
        await _move(at, Event.TOO_MANY_FAILED, f"{failures} rows failed.")
    return len(at.became)


def _too_many(at: _Turn, failures: int) -> bool:
    return at.bulk["stop_after"] is not None and failures >= at.bulk["stop_after"]


async def _move(at: _Turn, event: Event, why: str) -> None:
    to = advance(State.RUNNING, event)
    assert to is not None
    await bulk_exchanges.move(at.tx, at.bulk, to, why, caller=CONTROLLER, now=at.now)
    log.info("bulk exchange moved", bulk=at.id, state=to.value, why=why)


async def _stop(db: Database, bulk: int, why: str, now: datetime) -> None:
    async with db.transaction() as tx:
        row = await bulk_exchanges.locked(tx, bulk)
        if row is not None and row["state"] == State.RUNNING:
            await bulk_exchanges.move(tx, row, State.STOPPED, why, caller=CONTROLLER, now=now)


async def _is_permitted(at: _Turn) -> bool:
    """Who runs it may still exchange its codes; else it is stopped, and says why."""
    found = await bulk_rows.runner(at.tx, at.bulk["run_by"])
    account, contract = at.bulk["run_by"], found["contract"] if found else None
    if found is None or found["disabled"]:
        await _move(at, Event.NOT_PERMITTED, f"Account {account}, which runs it, is disabled.")
    elif found["role"] not in (Role.OPERATOR, Role.ADMINISTRATOR) or contract not in (None, at.bulk["contract"]):
        await _move(
            at, Event.NOT_PERMITTED, f"Account {account}, which runs it, may not exchange these codes any more."
        )
    else:
        at.caller = Caller(account, Role(found["role"]), contract, "")
        return True
    return False


async def _settle(at: _Turn) -> int:
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
            error = Conflict("Its exchange {exchange} was withdrawn: {why}", exchange=row["exchange"], why=row["why"])
            await _fail(at, row, RowState.PRE_FLIGHT, error, row["contract"])
    return await bulk_rows.failed(at.tx, at.id, refused) if refused else int(at.bulk["failures"])


async def _fail(at: _Turn, row: Row, before: RowState, error: ControllerError, contract: str | None) -> None:
    at.became.append(Became(row["line"], ROW_MOVES[before, RowEvent.REFUSED], why=kept(error)))
    await bulk_rows.tell_failure(at.tx, at.id, row, contract, str(error), caller=at.caller, now=at.now)


async def _judged(db: Database, bulk: Row, room: int, now: datetime) -> dict[int, Candidate]:
    """Rows whose turn it is, by line, with what will be done or why they are refused now."""
    async with db.connection() as connection:
        due = await bulk_rows.due(connection, bulk["id"], room)
    rows = await exchanges.slots(db, {code for row in due for code in (row["entry"], row["standby"])})
    caller = Caller(bulk["run_by"], Role(bulk["role"]), bulk["account_contract"], "")
    return {row["line"]: _candidate(row, rows, caller, now) for row in due}


def _candidate(row: Row, rows: Mapping[str, Row], caller: Caller, now: datetime) -> Candidate:
    entry = rows.get(row["entry"])
    contract = entry["contract"] if entry and caller.sees(entry["contract"]) else caller.contract
    try:
        codes = [code_of(rows, row[name], caller) for name in ("entry", "standby")]
        return Candidate(row, contract, judge(codes[0], codes[1], now=now, fault=row["fault"]))
    except ControllerError as error:
        return Candidate(row, contract, error=error)


async def _exchange(at: _Turn, judged: Mapping[int, Candidate], room: int, failures: int) -> int:
    """Those of the judged rows whose turn it still is, as far as there is room; how many rows have failed then.

    In the order of lines: nothing after the row whose failure stops it is exchanged.
    """
    due = await bulk_rows.still_due(at.tx, at.id, list(judged)) if judged else []
    orders: list[Candidate] = []
    for candidate in apart(replace(judged[row["line"]], row=row) for row in due):
        if _too_many(at, failures) or len(orders) >= room:
            break
        if candidate.error is None:
            orders.append(candidate)
        else:
            await _fail(at, candidate.row, RowState.WAITING, candidate.error, candidate.contract)
            failures = await bulk_rows.failed(at.tx, at.id, 1)
    return await _carry_out(at, orders, failures)


async def _carry_out(at: _Turn, orders: Sequence[Candidate], failures: int) -> int:
    taken, plain = [], []
    for each in orders:
        if not each.row["fault"]:
            plain.append(each)
            continue
        try:
            if not await _in_preflight(at, each):
                plain.append(each)
        except Conflict:
            taken.append(each)
    given = [each.order for each in plain]
    done = (
        await swap.carry_out_within(at.tx, at.vault, given, caller=at.caller, now=at.now, deadline=at.deadline)
        if given
        else []
    )
    for each, made in zip(plain, done, strict=True):
        if made is None:
            taken.append(each)
            continue
        at.became.append(Became(each.line, ROW_MOVES[RowState.WAITING, RowEvent.ORDERED], made.exchange, open=True))
        if each.row["fault"]:
            await preflights.unreachable(at.tx, made.exchange, each.row["entry"])
    return failures + await _again(at, taken)


async def _in_preflight(at: _Turn, each: Candidate) -> bool:
    """Evidence of the faulty adapter is asked for; False when it cannot be. Raises Conflict: a code was taken."""
    assert each.plan is not None
    async with at.tx.transaction():  # a savepoint: the others go on
        exchange = await preflight.open_within(at.tx, each.order, each.plan, caller=at.caller, now=at.now)
    if exchange is None:
        return False
    after = ROW_MOVES[RowState.WAITING, RowEvent.EVIDENCE_ASKED]
    at.became.append(Became(each.line, after, exchange, open=True))
    return True


async def _again(at: _Turn, taken: Sequence[Candidate]) -> int:
    """Rows whose codes were taken at this moment wait for another turn; how many were tried too often, and failed."""
    given_up = [each for each in taken if each.row["tries"] + 1 >= _TRIES]
    for each in given_up:
        error = Conflict(
            "Another exchange of {entry} or {standby} was opened at the same moment, {tries} times.",
            next_step="Look at both codes (hikitsugi code show {entry}) and order it again if it is still wanted.",
            entry=each.row["entry"],
            standby=each.row["standby"],
            tries=_TRIES,
        )
        await _fail(at, each.row, RowState.WAITING, error, each.contract)
    if given_up:
        await bulk_rows.failed(at.tx, at.id, len(given_up))
    if taken:
        await bulk_rows.tried(at.tx, at.id, [each.line for each in taken])
    return len(given_up)


async def _withdraw(db: Database, bulk: int, now: datetime) -> None:
    """Swaps of an aborted one that wait for evidence are not ordered any more."""
    for exchange in await bulk_rows.in_preflight(db, bulk):
        why = f"Bulk exchange {bulk} was aborted."
        await preflights.withdraw(db, exchange, why, caller=CONTROLLER, now=now)
