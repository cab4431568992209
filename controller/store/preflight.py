"""Swaps in pre-flight: opened, looked for, withdrawn. Ordering one is the change of its registrations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from asyncpg import UniqueViolationError

from controller.domain.access import Caller
from controller.domain.exchange import Event, State
from controller.domain.why import Why
from controller.store import audit
from controller.store.pool import Connection, Database, Row


@dataclass(frozen=True, slots=True)
class New:
    """A swap that waits for evidence of its old adapter. order_by: when it is ordered at the latest."""

    contract: str
    entry: str
    standby: str
    new_adapter: str
    old_adapter: str
    firmware_target: str | None
    reason: str
    fault: str
    order_by: datetime


# Only while both codes hold what the plan was made of; nobody changes that before the end of the transaction.
_OPEN = """
    WITH held AS MATERIALIZED (
        SELECT code, adapter FROM registration WHERE code IN ($2, $3) ORDER BY code FOR SHARE)
    INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, firmware_target, reason, fault,
                          state, ordered_at, state_since, deadline_at, account)
    SELECT 'swap', $1, $2, $3, $4, $5, $6, $7, $8, 'pre-flight', $10, $10, $9, $11
    WHERE EXISTS (SELECT FROM held WHERE code = $2 AND adapter = $5)
      AND EXISTS (SELECT FROM held WHERE code = $3 AND adapter = $4)
    RETURNING id"""


async def open_one(tx: Connection, new: New, *, caller: Caller, now: datetime) -> int | None:
    """The exchange's id, with its audit and outbox rows; None when a code holds another adapter by now, or another
    exchange holds a code (the transaction is spoilt then)."""
    try:
        exchange: int | None = await tx.fetchval(
            _OPEN,
            *(new.contract, new.entry, new.standby, new.new_adapter, new.old_adapter, new.firmware_target),
            *(new.reason, new.fault, new.order_by, now, caller.account),
        )
    except UniqueViolationError:
        return None
    if exchange is not None:
        told = {
            "exchange": exchange,
            "kind": "swap",
            "code": new.entry,
            "state": State.PRE_FLIGHT.value,
            "old_adapter": new.old_adapter,
            "new_adapter": new.new_adapter,
        }
        await tx.execute(
            "INSERT INTO outbox (at, topic, subject, payload) VALUES ($1, 'exchange.pre-flight', $2, $3)",
            *(now, new.entry, told),
        )
        detail = told | {"standby": new.standby, "fault": new.fault, "reason": new.reason}
        await audit.write(tx, caller, "exchange.pre-flight", new.entry, now=now, contract=new.contract, detail=detail)
    return exchange


_COLUMNS = """x.id, x.contract, x.entry, x.standby, x.new_adapter, x.old_adapter, x.reason, x.fault, x.state,
    x.evidence, x.deadline_at, x.account, u.role, u.contract AS account_contract,
    u.disabled_at IS NOT NULL AS disabled"""


async def one(db: Database, exchange: int) -> Row | None:
    """A swap with who opened it (account, role, account_contract, disabled); None when there is no such one."""
    query = f"SELECT {_COLUMNS} FROM exchange x JOIN account u USING (account) WHERE x.id = $1 AND x.kind = 'swap'"  # noqa: S608
    async with db.connection() as connection:
        return await connection.fetchrow(query, exchange)


_DUE = f"""
    SELECT {_COLUMNS} FROM exchange x JOIN account u USING (account)
    WHERE x.state = 'pre-flight' AND (x.evidence <> 'collecting' OR x.deadline_at <= $1)
    ORDER BY x.id LIMIT $2"""  # noqa: S608 (constant columns)


async def due(db: Database, now: datetime, limit: int) -> list[Row]:
    """Swaps in pre-flight whose evidence has ended, or has not come in time; rows as of `one`."""
    async with db.connection() as connection:
        return await connection.fetch(_DUE, now, limit)


@asynccontextmanager
async def alone(db: Database) -> AsyncIterator[bool]:
    """False inside when another controller orders swaps at this moment."""
    async with db.transaction() as tx:
        yield await tx.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('order pre-flight'))")


_WITHDRAW = """
    UPDATE exchange SET state = 'withdrawn', why = $2, state_since = $3, ended_at = $3, deadline_at = NULL
    WHERE id = $1 AND state = 'pre-flight' RETURNING id"""


async def withdraw(db: Database, exchange: int, why: Why, *, caller: Caller, now: datetime) -> bool:
    """Withdraw a swap in pre-flight, with journal, audit and outbox rows; False when it is in pre-flight no more."""
    async with db.transaction() as tx:
        if await tx.fetchval(_WITHDRAW, exchange, why, now) is None:
            return False
        await tx.execute(
            "SELECT exchange_moved($1, $2, $3, $4, $5, $6, $7, $8, '', $9)",
            *(exchange, Event.WITHDRAW.value, State.PRE_FLIGHT.value, State.WITHDRAWN.value, now),
            *(caller.account, caller.role.value, caller.source, {"why": why}),
        )
    return True


async def unreachable(connection: Connection, exchange: int, code: str) -> None:
    """Of a swap that was ordered at once: its old adapter could not be asked. Its configs are noted all the same."""
    query = """
        WITH noted AS (
            UPDATE exchange SET evidence = 'unreachable' WHERE id = $1 AND evidence = 'none')
        INSERT INTO exchange_config (exchange, module, stage, revision)
        SELECT $1, module, stage, revision FROM config_stage WHERE code = $2 AND stage IN ('startup', 'running')
        ON CONFLICT DO NOTHING"""
    await connection.execute(query, exchange, code)
