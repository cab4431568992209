"""Entry/standby exchange: plan from what is there, then one transaction (R3.10-R3.14)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.access import Caller, require_contract
from controller.domain.errors import Conflict, ControllerError, NotFound
from controller.domain.exchange import Kind, State
from controller.domain.firmware import Image
from controller.domain.swap import Plan, Slot, Unit, described, plan
from controller.series import by_name
from controller.store import audit, exchanges, firmware, registration_change
from controller.store.pool import Connection, Database, Row
from controller.store.registration_change import Change
from controller.store.secrets import Secrets

AT_ONCE, STATEMENTS = 100, 3
"""Most orders in one statement, and statements at once: while one is carried out, another is made ready."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator asks for. replaces: id of the entry's open exchange that this one ends, None for none.

    fault: what is wrong with the entry's adapter, "" for nothing; then the case of its return is opened (R3.13).
    preflight: id of the exchange in state pre-flight that is ordered by this, None: a new one.
    """

    entry: str
    standby: str
    reason: str = ""
    replaces: int | None = None
    fault: str = ""
    preflight: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What an order has become. return_case: id of the case of the faulty unit, None without a fault."""

    exchange: int
    return_case: int | None
    _row: Row
    _order: Order
    _deadline_at: datetime

    @property
    def plan(self) -> Plan:
        """In words. Made when asked for: of thousands nobody reads them all."""
        return _plan_of(self._row, self._order, self._deadline_at)


async def preview(db: Database, order: Order, *, caller: Caller, now: datetime, deadline: timedelta) -> Plan:
    """The pre-flight report: what the exchange would do. Changes nothing.

    deadline: how long the new adapter may stay unseen before the exchange counts as LAPSED.
    Raises NotFound, Invalid, Conflict with a sentence for the operator.
    """
    rows = await exchanges.slots(db, (order.entry, order.standby))
    return _planned(rows, order, caller, now, deadline)


async def carry_out(
    db: Database, vault: Secrets, order: Order, *, caller: Caller, now: datetime, deadline: timedelta
) -> tuple[int, Plan]:
    """Exchange the two registrations; returns the exchange's id and what was done.

    Works whether or not the adapters are connected (R3.11); those that may be are ordered to pull by the same
    transaction. The database carries it out under the plan's conditions, in one statement with others that are ordered
    at the same moment; when a condition does not hold, the plan is made to say which. A refusal is recorded and raised.
    """
    row = await registration_change.make(db, _change(vault, order, caller, now, now + deadline))
    if row is not None:
        return row["exchange"], _plan_of(row, order, now + deadline)
    rows = await exchanges.slots(db, (order.entry, order.standby))
    refused = _why_not(rows, order, caller, now, deadline)
    await _record_refusal(db, rows, order, refused, caller, now)
    raise refused


async def carry_out_many(
    db: Database, vault: Secrets, orders: Sequence[Order], *, caller: Caller, now: datetime, deadline: timedelta
) -> list[Done | ControllerError]:
    """Many orders, up to AT_ONCE in a statement, each as `carry_out` would do it; what became of each, in order.

    Orders that name a code which an earlier one names come after it, and find what that one has made of the code.
    Raises what the database raises; each statement by then has been carried out or not, as a whole.
    """
    results: dict[int, Done | ControllerError] = {}
    waiting = list(range(len(orders)))
    turn = asyncio.Semaphore(STATEMENTS)

    async def make(some: Sequence[int]) -> None:
        async with turn:
            changes = [_change(vault, orders[n], caller, now, now + deadline) for n in some]
            rows = dict(zip(some, await registration_change.make_many(db, changes), strict=True))
        refused = [n for n in some if rows[n] is None]
        why = await _refused(db, [orders[n] for n in refused], caller, now, deadline)
        results.update(zip(refused, why, strict=True))
        for n, row in rows.items():
            if row is not None:
                results[n] = Done(row["exchange"], row["return_case"], row, orders[n], now + deadline)

    while waiting:
        first = registration_change.apart([(orders[n].entry, orders[n].standby) for n in waiting])
        try:
            async with asyncio.TaskGroup() as group:
                for start in range(0, len(first), AT_ONCE):
                    group.create_task(make([waiting[n] for n in first[start : start + AT_ONCE]]))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from failed  # who waits for a database that is away knows its errors, no groups
        waiting = [n for n in waiting if n not in results]
    return [results[n] for n in range(len(orders))]


async def carry_out_within(
    tx: Connection, vault: Secrets, orders: Sequence[Order], *, caller: Caller, now: datetime, deadline: timedelta
) -> list[Done | None]:
    """Up to AT_ONCE orders that name no code twice, inside the caller's transaction: it keeps what belongs to them.

    None for one whose conditions do not hold; it has changed nothing, and is not recorded.
    """
    changes = [_change(vault, order, caller, now, now + deadline) for order in orders]
    rows = await registration_change.make_many_within(tx, changes)
    return [
        Done(row["exchange"], row["return_case"], row, order, now + deadline) if row else None
        for row, order in zip(rows, orders, strict=True)
    ]


async def _refused(
    db: Database, orders: Sequence[Order], caller: Caller, now: datetime, deadline: timedelta
) -> list[ControllerError]:
    if not orders:
        return []
    rows = await exchanges.slots(db, {code for order in orders for code in (order.entry, order.standby)})
    errors = [_why_not(rows, order, caller, now, deadline) for order in orders]
    for order, error in zip(orders, errors, strict=True):
        await _record_refusal(db, rows, order, error, caller, now)
    return errors


def _why_not(
    rows: Mapping[str, Row], order: Order, caller: Caller, now: datetime, deadline: timedelta
) -> ControllerError:
    try:
        _planned(rows, order, caller, now, deadline)
    except ControllerError as error:
        return error
    return Conflict(
        "Another exchange of {entry} or {standby} was carried out at the same moment; this one changed nothing.",
        next_step="Look at both codes (hikitsugi code show {entry}) and order again if it is still wanted.",
        entry=order.entry,
        standby=order.standby,
    )


async def refused(db: Database, order: Order, error: ControllerError, *, caller: Caller, now: datetime) -> None:
    """Record that an order was refused before it was tried to carry it out."""
    rows = await exchanges.slots(db, (order.entry, order.standby))
    await _record_refusal(db, rows, order, error, caller, now)


async def _record_refusal(
    db: Database, rows: Mapping[str, Row], order: Order, error: ControllerError, caller: Caller, now: datetime
) -> None:
    """With the entry's contract, where that is the caller's to know."""
    entry = rows.get(order.entry)
    contract = entry["contract"] if entry and caller.sees(entry["contract"]) else caller.contract
    detail = {"standby": order.standby, "why": str(error)}
    told = {"why": _FOREIGN_STANDBY} if _is_foreign(rows.get(order.standby), contract, caller) else None
    await audit.refused(db, caller, "swap", order.entry, now=now, contract=contract, detail=detail, told=told)


_FOREIGN_STANDBY = "The standby that was named is not of this contract."


def _is_foreign(standby: Row | None, contract: str | None, caller: Caller) -> bool:
    """Staff named a standby of another contract than the entry's: the entry's trail names neither it nor its adapter.

    What an operator named is in the own trail as it was named. standby: of store/exchanges.slots.
    """
    return caller.contract is None and standby is not None and standby["contract"] != contract


def _plan_of(row: Row, order: Order, deadline_at: datetime) -> Plan:
    new = Unit(row["new_adapter"], "", row["new_model"], "", "", row["new_firmware"])
    old = Unit(row["old_adapter"], "", row["old_model"], "", "", "", reseller=row["reseller"])
    return described(
        row["contract"],
        order.entry,
        order.standby,
        new,
        old,
        row["firmware_target"],
        row["open_tasks"],
        deadline_at=deadline_at,
        replaces=order.replaces,
        was_warm=row["was_warm"],
        fault=order.fault,
    )


def _change(vault: Secrets, order: Order, caller: Caller, now: datetime, deadline_at: datetime) -> Change:
    """With fresh secrets: the old adapter's open nothing any more (R3.7). The new one's RS-SA key comes with it."""
    return Change(
        kind=Kind.SWAP,
        code=order.entry,
        standby=order.standby,
        exchange=order.preflight,
        replaces=order.replaces,
        old_adapter=None,
        new_adapter=None,
        key=vault.seal(secrets.token_urlsafe(24), purpose="rs-sa-key"),
        passphrase=vault.seal(secrets.token_urlsafe(24), purpose="heartbeat-passphrase"),
        standby_passphrase=vault.seal(secrets.token_urlsafe(24), purpose="heartbeat-passphrase"),
        caller=caller,
        reason=order.reason,
        fault=order.fault,
        now=now,
        deadline_at=deadline_at,
    )


def _planned(rows: Mapping[str, Row], order: Order, caller: Caller, now: datetime, deadline: timedelta) -> Plan:
    entry, standby = (slot(rows, name, caller) for name in (order.entry, order.standby))
    return plan(
        entry,
        standby,
        images(rows[order.entry]),
        now=now,
        deadline=deadline,
        replaces=order.replaces,
        fault=order.fault,
        preflight=order.preflight,
    )


def images(row: Row) -> tuple[Image, ...]:
    """What is catalogued for the series of an entry's adapter. row: of store/exchanges.slots."""
    return firmware.from_arrays(row["series"] or "", row["images"])


def slot(rows: Mapping[str, Row], name: str, caller: Caller) -> Slot:
    """What a plan is made from. rows: of store/exchanges.slots. Raises NotFound: unknown, or foreign."""
    row = rows.get(name)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="code", name=name)
    require_contract(caller, row["contract"], "code", name)
    return Slot(
        code=name,
        contract=row["contract"],
        kind=row["kind"],
        firmware_target=row["firmware_target"],
        unit=_unit(row) if row["serial"] else None,
        open_tasks=row["open_tasks"],
        open_exchange=row["open_exchange"],
        open_since=row["open_since"],
        open_kind=Kind(row["open_kind"]) if row["open_kind"] else None,
        open_state=State(row["open_state"]) if row["open_state"] else None,
        open_case=row["open_case"],
        received=row["received"],
        warm=row["warm"],
    )


def _unit(row: Row) -> Unit:
    return Unit(
        serial=row["serial"],
        series=row["series"],
        model=row["model"],
        hardware_revision=row["hardware_revision"],
        config_language=by_name(row["series"]).config_language,
        firmware=row["firmware"],
        locked_out=row["locked_out"],
        reseller=row["reseller"],
    )
