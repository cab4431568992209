"""A swap that names a fault waits for evidence of the old adapter, if that can be asked, and is ordered then.

A swap without a fault, of an adapter that cannot be asked, or with `at_once`, is ordered at once (R3.10, R3.11). One in
pre-flight holds both codes. It is a row: whichever controller is alive goes on with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from controller.domain.access import CONTROLLER, Caller, Role, require_contract
from controller.domain.errors import Conflict, ControllerError, NotFound
from controller.domain.evidence import COLLECT_WITHIN, Evidence
from controller.domain.exchange import State
from controller.domain.sentence import sentence
from controller.domain.swap import Plan
from controller.domain.why import kept
from controller.services import exchange_evidence, swap
from controller.services.swap import Order
from controller.store import preflight as store
from controller.store.pool import TROUBLE, Connection, Database, Row, is_away
from controller.store.secrets import Secrets

log = structlog.get_logger()

EVERY_S = 1.0
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Taken:
    """A swap that was taken on. state: ordered, or pre-flight while evidence is collected; then order_by says when it
    is ordered at the latest. plan: what was done, or will be."""

    exchange: int
    state: State
    plan: Plan
    order_by: datetime | None = None


async def swap_or_preflight(
    db: Database,
    vault: Secrets,
    order: Order,
    *,
    at_once: bool = False,
    caller: Caller,
    now: datetime,
    deadline: timedelta,
) -> Taken:
    """Order the swap, or open its pre-flight when evidence of a faulty adapter can be had (order.fault, not at_once).

    deadline: how long the new adapter may stay unseen once it is ordered. One that replaces an open exchange is ordered
    at once: the adapter that goes has never come back on this code. Wake the workers afterwards.
    Raises what swap.carry_out raises; refusals are recorded.
    """
    if _asks_first(order, at_once):
        taken = await _opened(db, order, caller, now, deadline)
        if taken is not None:
            return taken
    exchange, plan = await swap.carry_out(db, vault, order, caller=caller, now=now, deadline=deadline)
    if order.fault and not at_once:
        async with db.connection() as connection:
            await store.unreachable(connection, exchange, order.entry)
    return Taken(exchange, State.ORDERED, plan)


async def preview(
    db: Database, order: Order, *, at_once: bool = False, caller: Caller, now: datetime, deadline: timedelta
) -> Plan:
    """What `swap_or_preflight` would do, and whether it would collect evidence first. Changes nothing.

    Raises what swap.preview raises.
    """
    plan = await swap.preview(db, order, caller=caller, now=now, deadline=deadline)
    if not _asks_first(order, at_once):
        return plan
    async with db.connection() as connection:
        if not await exchange_evidence.can_begin(connection, order.entry, plan.old_adapter, now):
            return plan
    first = sentence(
        "Config, status and log of adapter {old} are collected first; the swap is ordered in {seconds} s at the"
        " latest.",
        old=plan.old_adapter,
        seconds=int(COLLECT_WITHIN.total_seconds()),
    )
    return replace(plan, findings=(first, *plan.findings))


def _asks_first(order: Order, at_once: bool) -> bool:
    return bool(order.fault) and not at_once and order.replaces is None


async def order_now(
    db: Database, vault: Secrets, exchange: int, *, caller: Caller, now: datetime, deadline: timedelta
) -> None:
    """Order a swap in pre-flight without waiting for its evidence any longer.

    Raises NotFound, Conflict (it is in pre-flight no more), and what swap.carry_out raises: then it stays as it is.
    """
    row = await store.one(db, exchange)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="exchange", name=exchange)
    require_contract(caller, row["contract"], "exchange", str(exchange))
    if row["state"] != State.PRE_FLIGHT:
        raise _no_longer(exchange, State(row["state"]))
    await swap.carry_out(db, vault, _order(row), caller=caller, now=now, deadline=deadline)


async def turn(db: Database, vault: Secrets, *, now: datetime, deadline: timedelta) -> int:
    """Order what has its evidence, or has waited long enough; withdraw what is refused then. How many moved.

    In the name of who opened it. By any number of controllers, one at a time: two that order the same would record a
    refusal that nobody met.
    """
    moved = 0
    async with store.alone(db) as alone:
        for row in await store.due(db, now, _AT_ONCE) if alone else ():
            moved += await _go_on(db, vault, row, now, deadline)
    return moved


async def run(
    db: Database,
    vault: Secrets,
    clock: Callable[[], datetime],
    deadline: timedelta,
    ordered: Callable[[], None] = lambda: None,
) -> None:
    """Evidence and pre-flights, once a second until cancelled; a database that is away is tried again.

    ordered: called when swaps were ordered, so that the connected adapters are told at once.
    """
    while True:
        try:
            await exchange_evidence.turn(db, clock())
            if await turn(db, vault, now=clock(), deadline=deadline):
                ordered()
        except TROUBLE as error:
            log.warning("evidence must wait for the database", error=str(error) or type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def _opened(db: Database, order: Order, caller: Caller, now: datetime, deadline: timedelta) -> Taken | None:
    """None when the old adapter cannot be asked."""
    try:
        plan = await swap.preview(db, order, caller=caller, now=now, deadline=deadline)
        return await _open(db, order, plan, caller, now)
    except ControllerError as error:
        await swap.refused(db, order, error, caller=caller, now=now)
        raise


async def _open(db: Database, order: Order, plan: Plan, caller: Caller, now: datetime) -> Taken | None:
    async with db.transaction() as tx:
        exchange = await open_within(tx, order, plan, caller=caller, now=now)
    return Taken(exchange, State.PRE_FLIGHT, plan, now + COLLECT_WITHIN) if exchange else None


async def open_within(tx: Connection, order: Order, plan: Plan, *, caller: Caller, now: datetime) -> int | None:
    """Open the pre-flight of a planned swap inside the caller's transaction; its id, None when the old adapter cannot
    be asked. Raises Conflict when a code was taken at the same moment; the transaction is spoilt then."""
    new = store.New(
        contract=plan.contract,
        entry=order.entry,
        standby=order.standby,
        new_adapter=plan.new_adapter,
        old_adapter=plan.old_adapter,
        firmware_target=plan.firmware_target,
        reason=order.reason,
        fault=order.fault,
        order_by=now + COLLECT_WITHIN,
    )
    if not await exchange_evidence.can_begin(tx, order.entry, plan.old_adapter, now):
        return None
    exchange = await store.open_one(tx, new, caller=caller, now=now)
    if exchange is None:
        raise _taken(order)
    await exchange_evidence.begin(tx, exchange, caller=caller, now=now)
    return exchange


def _order(row: Row) -> Order:
    return Order(row["entry"], row["standby"], row["reason"], fault=row["fault"], preflight=row["id"])


async def _go_on(db: Database, vault: Secrets, row: Row, now: datetime, deadline: timedelta) -> bool:
    """Order one, or withdraw it: a mistake of ours must not keep its codes, nor the other swaps."""
    try:
        await _ordered(db, vault, row, now, deadline)
    except ControllerError as error:
        if not await store.withdraw(db, row["id"], kept(error), caller=CONTROLLER, now=now):
            return False  # the operator was quicker
        log.warning("swap was withdrawn: it is refused now", exchange=row["id"], entry=row["entry"], why=str(error))
    except Exception as error:
        if is_away(error):
            raise
        log.exception("swap was withdrawn by a mistake in the controller", exchange=row["id"], entry=row["entry"])
        why = sentence(
            "Internal error; the log has the rest under exchange={exchange}. Order it again.", exchange=row["id"]
        )
        return await store.withdraw(db, row["id"], kept(why), caller=CONTROLLER, now=now)
    return True


async def _ordered(db: Database, vault: Secrets, row: Row, now: datetime, deadline: timedelta) -> None:
    if row["disabled"]:
        raise Conflict(
            "Account {account}, which asked for this swap, was disabled since, so nothing was exchanged.",
            next_step="Order it again: hikitsugi swap {entry} {standby}.",
            account=row["account"],
            entry=row["entry"],
            standby=row["standby"],
        )
    opener = Caller(row["account"], Role(row["role"]), row["account_contract"], "")
    exchange, _ = await swap.carry_out(db, vault, _order(row), caller=opener, now=now, deadline=deadline)
    evidence = Evidence(row["evidence"]).value
    log.info("swap was ordered after its evidence", exchange=exchange, entry=row["entry"], evidence=evidence)


def _taken(order: Order) -> Conflict:
    return Conflict(
        "Another exchange of {entry} or {standby} was opened at the same moment; this one changed nothing.",
        next_step="Look at both codes (hikitsugi code show {entry}) and order again if it is still wanted.",
        entry=order.entry,
        standby=order.standby,
    )


def _no_longer(exchange: int, state: State) -> Conflict:
    return Conflict(
        "Exchange {exchange} is {state}: only one in pre-flight waits to be ordered.",
        next_step="hikitsugi exchange show {exchange} says what it waits for.",
        exchange=exchange,
        state=state,
    )
