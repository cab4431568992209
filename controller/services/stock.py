"""Stock: a unit is reserved for a case, and moved: with its case, or by a person (R3.3, R3.7, R3.9, R3.13).

Units in stock are no contract's: what stands in their way is for staff to read (ForStaff, a Conflict).
Which unit to choose: replacements.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.domain.access import Caller
from controller.domain.errors import Fault, ForStaff, Invalid, NotFound
from controller.domain.proposals import objections
from controller.domain.stock import Move, Stock, possible
from controller.domain.stock import move as move_between
from controller.services.replacements import candidate, wanted
from controller.store import audit, stock
from controller.store.pool import Connection, Database, Row


async def reserve(tx: Connection, serial: str, exchange: int, *, caller: Caller, now: datetime) -> bool:
    """Take the unit out of stock for a case: in-stock becomes in-transit, inside the caller's transaction.

    The exchange's row must be written (its new_adapter need not be). False: it is reserved for this very case already.
    Raises NotFound (no such unit, no such case), Conflict (gone, or it cannot replace the faulty one) with the reason.
    Of two that reserve one unit at once the second waits for the first, then gets Conflict.
    """
    row = await _locked(tx, serial)
    if row["stock"] == Stock.IN_TRANSIT and await _is_for(tx, serial, exchange):
        return False
    faulty = await stock.wanted_by_exchange(tx, exchange)
    if faulty is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="exchange", name=exchange)
    found = objections(wanted(faulty), candidate(row))
    if found:
        raise ForStaff(
            "{serial} cannot replace {old}: {why}",
            next_step="hikitsugi stock propose --exchange {exchange} lists the units that can.",
            serial=serial,
            old=faulty["serial"],
            why=found[0],
            exchange=exchange,
        )
    return await move(tx, serial, Stock.IN_TRANSIT, exchange=exchange, caller=caller, now=now)


async def move(
    tx: Connection, serial: str, to: Stock, *, exchange: int | None, note: str = "", caller: Caller, now: datetime
) -> bool:
    """Move a unit with its case, inside the caller's transaction. False: it is there already; nothing is written.

    A replaced unit that comes into stock is let in again (R3.7). The faulty unit of a return still sits on the standby
    code when it is received: it cannot be moved before the registration changes, which moves it to `returned`.
    Raises NotFound, Conflict (no such move; it sits on a code).
    """
    row = await _locked(tx, serial)
    if row["stock"] == to:
        return False
    of, one = _checked(row, to)
    if row["code"] is not None and not one.on_code:
        raise _on_code(row)
    await _write(tx, stock.Moved(serial, of, to, exchange, caller.account, note), caller, now)
    return True


@dataclass(frozen=True, slots=True)
class Moved:
    """What a person's move did, or would do. unlocked: an exchange had put the unit out; it is let in again."""

    serial: str
    of: Stock
    to: Stock
    unlocked: bool


async def move_by_hand(
    db: Database, serial: str, to: Stock, note: str, *, caller: Caller, now: datetime, dry_run: bool = False
) -> Moved:
    """What a person at the shelf says has become of a unit. dry_run: only say what would happen.

    One that an exchange had put out has nothing of its former place when it is in stock again: neither its address
    there nor a credential of its own.
    Raises NotFound, Invalid (a note is wanted), Conflict (no such move; a code holds it; an open case moves it).
    """
    async with db.transaction() as tx:
        row = await _locked(tx, serial)
        of, one = _checked(row, to)
        if not one.by_hand:
            raise ForStaff(
                "{serial} goes from {of} to {to} with its exchange only.",
                next_step="hikitsugi exchange ls lists the exchanges.",
                serial=serial,
                of=of,
                to=to,
            )
        if row["code"] is not None:
            raise _on_code(row)
        await _moves_by_itself(tx, row)
        if one.wants_note and not note.strip():
            raise Invalid(
                "A unit goes from {of} to {to} with a note that says why.",
                next_step="Give one: --note TEXT.",
                of=of,
                to=to,
                faults=(Fault("note", "A note is wanted here."),),
            )
        if not dry_run:
            await _write(tx, stock.Moved(serial, of, to, None, caller.account, note.strip()), caller, now)
        unlocked = to is Stock.IN_STOCK and row["locked_by_exchange"] is not None
        if unlocked and not dry_run:
            await stock.forget_place(tx, serial)
        return Moved(serial, of, to, unlocked)


async def _locked(tx: Connection, serial: str) -> Row:
    row = await stock.lock(tx, serial)
    if row is None:
        raise _no_unit(serial)
    return row


def _no_unit(serial: str) -> NotFound:
    return NotFound("No adapter {serial}.", next_step="hikitsugi stock ls lists what is in stock.", serial=serial)


async def _is_for(tx: Connection, serial: str, exchange: int) -> bool:
    return await stock.last_moved_for(tx, serial) == exchange


def _checked(row: Row, to: Stock) -> tuple[Stock, Move]:
    of = Stock(row["stock"])
    found = move_between(of, to)
    if found is None:
        ways = possible(of, by_hand=True)
        raise ForStaff(
            "{serial} is {of}; it cannot become {to}.",
            next_step="From there a person may send it to: {ways}.",
            serial=row["serial"],
            of=of,
            to=to,
            ways=ways,
        )
    return of, found


def _on_code(row: Row) -> ForStaff:
    return ForStaff(
        "{serial} sits on code {code}; it leaves it by an exchange only.",
        next_step="hikitsugi exchange open opens one.",
        serial=row["serial"],
        code=row["code"],
    )


async def _moves_by_itself(tx: Connection, row: Row) -> None:
    """A unit is its case's as long as that is open. One that is back goes on the shelf, or is retired, when the case is
    closed: elsewhere it could fail again, and a unit has one case."""
    case = await stock.open_case(tx, row["serial"], replacement=row["stock"] == Stock.IN_TRANSIT)
    if case is not None:
        raise ForStaff(
            "{serial} belongs to exchange {exchange}, which is {state} and not ended.",
            next_step="hikitsugi exchange show {exchange} says what comes next; when it has ended, move it.",
            serial=row["serial"],
            exchange=case["id"],
            state=case["state"],
        )


async def _write(tx: Connection, moved: stock.Moved, caller: Caller, now: datetime) -> None:
    if not await stock.move(tx, moved, now):
        raise AssertionError("the unit was locked, so nobody can have moved it")
    contract = await stock.contract_of_exchange(tx, moved.exchange) if moved.exchange is not None else None
    detail = {"from": moved.of, "to": moved.to, "exchange": moved.exchange, "note": moved.note}
    await audit.write(tx, caller, "stock.move", moved.serial, now=now, contract=contract, detail=detail)
