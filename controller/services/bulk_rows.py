"""Rows of a bulk exchange whose turn has come: judged again, then exchanged, in the transaction that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.domain.access import CONTROLLER, Caller, Role
from controller.domain.bulk_exchange import ROW_MOVES, RowEvent, RowState, State, apart
from controller.domain.bulk_plan import judge
from controller.domain.errors import Conflict, ControllerError
from controller.domain.swap import Plan
from controller.domain.why import kept
from controller.services import preflight, swap
from controller.services.bulk_planning import code_of
from controller.services.swap import Order
from controller.store import bulk_rows, exchanges
from controller.store import preflight as preflights
from controller.store.bulk_rows import Became
from controller.store.pool import Connection, Database, Row
from controller.store.secrets import Secrets

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
class Turn:
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


async def judged_rows(db: Database, bulk: Row, room: int, now: datetime) -> dict[int, Candidate]:
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


async def exchange_rows(at: Turn, judged: Mapping[int, Candidate], room: int, failures: int) -> int:
    """Those of the judged rows whose turn it still is, as far as there is room; how many rows have failed then.

    In the order of lines: nothing after the row whose failure stops it is exchanged.
    """
    due = await bulk_rows.still_due(at.tx, at.id, list(judged)) if judged else []
    orders: list[Candidate] = []
    for candidate in apart(replace(judged[row["line"]], row=row) for row in due):
        if too_many(at, failures) or len(orders) >= room:
            break
        if candidate.error is None:
            orders.append(candidate)
        else:
            await fail(at, candidate.row, RowState.WAITING, candidate.error, candidate.contract)
            failures = await bulk_rows.failed(at.tx, at.id, 1)
    return await _carry_out(at, orders, failures)


async def _carry_out(at: Turn, orders: Sequence[Candidate], failures: int) -> int:
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


async def _in_preflight(at: Turn, each: Candidate) -> bool:
    """Evidence of the faulty adapter is asked for; False when it cannot be. Raises Conflict: a code was taken."""
    assert each.plan is not None
    async with at.tx.transaction():  # a savepoint: the others go on
        exchange = await preflight.open_within(at.tx, each.order, each.plan, caller=at.caller, now=at.now)
    if exchange is None:
        return False
    after = ROW_MOVES[RowState.WAITING, RowEvent.EVIDENCE_ASKED]
    at.became.append(Became(each.line, after, exchange, open=True))
    return True


async def _again(at: Turn, taken: Sequence[Candidate]) -> int:
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
        await fail(at, each.row, RowState.WAITING, error, each.contract)
    if given_up:
        await bulk_rows.failed(at.tx, at.id, len(given_up))
    if taken:
        await bulk_rows.tried(at.tx, at.id, [each.line for each in taken])
    return len(given_up)


async def fail(at: Turn, row: Row, before: RowState, error: ControllerError, contract: str | None) -> None:
    """A row in that state has failed: it is noted in `at.became`, audited and told. contract: the entry's."""
    at.became.append(Became(row["line"], ROW_MOVES[before, RowEvent.REFUSED], why=kept(error)))
    await bulk_rows.tell_failure(at.tx, at.id, row, contract, kept(error), str(error), caller=at.caller, now=at.now)


def too_many(at: Turn, failures: int) -> bool:
    """So many failed rows stop it."""
    return at.bulk["stop_after"] is not None and failures >= at.bulk["stop_after"]
