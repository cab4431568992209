"""Cases: what opens and moves one, its journal, and the questions people ask. What the clock looks for is in
exchange_due.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Any

from asyncpg import UniqueViolationError

from controller.domain.access import Caller
from controller.domain.errors import Conflict
from controller.domain.why import Why
from controller.store.pool import Connection, Database, Row

_ALL = "SELECT x.*, coalesce(x.entry, x.standby) AS code FROM exchange x"


async def one(connection: Connection, exchange: int) -> Row | None:
    """All columns of one exchange, and code: the entry, or the standby where there is none."""
    return await connection.fetchrow(f"{_ALL} WHERE x.id = $1", exchange)


async def locked(tx: Connection, exchange: int) -> Row | None:
    """The same row, locked. First the registration of its code, as everybody does who needs both: whoever exchanges or
    pulls has that one first."""
    await tx.execute(
        """SELECT FROM registration r JOIN exchange x ON r.code IN (x.entry, x.standby)
           WHERE x.id = $1 ORDER BY r.code FOR UPDATE OF r""",
        exchange,
    )
    return await tx.fetchrow(f"{_ALL} WHERE x.id = $1 FOR UPDATE OF x", exchange)


_PLACE = """
    SELECT c.code, c.contract, c.kind, o.ultra_send_back, o.delivery_address, r.adapter, a.series, a.ownership,
           a.reseller, x.id AS open_case, x.kind AS open_kind, x.state AS open_state
    FROM code c
    JOIN contract o ON o.contract = c.contract
    LEFT JOIN registration r ON r.code = c.code
    LEFT JOIN adapter a ON a.serial = r.adapter
    LEFT JOIN exchange x ON x.old_adapter = r.adapter AND x.kind <> 'swap'
         AND x.state NOT IN ('declined', 'withdrawn', 'closed')
    WHERE c.code = $1"""


async def place(tx: Connection, code: str) -> Row | None:
    """The code with its contract's options and the adapter it holds, which stays there until the transaction ends.

    adapter None: it holds none. open_case: id of the case that the adapter has already.
    """
    await tx.execute("SELECT FROM registration WHERE code = $1 FOR UPDATE", code)
    return await tx.fetchrow(_PLACE, code)


_UNIT = """
    SELECT a.serial, a.series, a.model, a.ownership, a.reseller, a.locked_out_at IS NOT NULL AS locked_out, a.stock,
           r.code, c.contract, x.id AS destined
    FROM adapter a
    LEFT JOIN registration r ON r.adapter = a.serial
    LEFT JOIN code c ON c.code = r.code
    LEFT JOIN exchange x ON x.new_adapter = a.serial AND x.kind <> 'swap'
         AND x.state IN ('dispatched', 'driver-assigned')
    WHERE a.serial = $1"""


async def unit(tx: Connection, serial: str) -> Row | None:
    """A unit with the code it sits on and the case whose replacement it is on its way for (destined); None: no such."""
    return await tx.fetchrow(_UNIT, serial)


async def holder(tx: Connection, code: str, exchange: int) -> Row | None:
    """id, kind, state of another exchange that holds the code; None: it is free. Read it with the registration locked,
    as everybody does who is about to hold a code."""
    query = """SELECT id, kind, state FROM exchange
        WHERE (entry = $1 OR standby = $1) AND id <> $2
          AND state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned') LIMIT 1"""
    return await tx.fetchrow(query, code, exchange)


@dataclass(frozen=True, slots=True)
class New:
    """A case as it begins. ended_at: of one that is declined at once. Order of the fields: that of the INSERT."""

    kind: str
    contract: str
    entry: str | None
    standby: str | None
    old_adapter: str
    state: str
    deadline_at: datetime | None
    account: str
    fault: str
    received_at: datetime
    channel: str
    received_on: date
    address: str
    reported_by: str
    why: Why | None
    ended_at: datetime | None


_INSERT = """
    INSERT INTO exchange AS x (kind, contract, entry, standby, old_adapter, state, deadline_at, account, fault,
        received_at, channel, received_on, address, reported_by, why, ended_at, ordered_at, state_since)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)
    RETURNING x.*, coalesce(x.entry, x.standby) AS code"""


async def insert(tx: Connection, new: New, now: datetime) -> Row:
    """The new row. Raises asyncpg.UniqueViolationError when the unit has an open case."""
    row = await tx.fetchrow(_INSERT, *astuple(new), now)
    assert row is not None
    return row


@dataclass(frozen=True, slots=True)
class Changes:
    """What a move writes besides the state; None: as it was."""

    new_adapter: str | None = None
    driver: str | None = None
    shipment: str | None = None
    address: str | None = None
    dispatched_at: datetime | None = None
    arrives_on: date | None = None
    change_at: datetime | None = None
    returned_at: datetime | None = None
    why: Why | None = None
    evidence_reason: str | None = None


_MOVE = """
    UPDATE exchange AS x SET state = $3, state_since = $4::timestamptz, deadline_at = $5,
        ended_at = CASE WHEN $6 THEN $4::timestamptz END,
        new_adapter = coalesce($7, new_adapter), driver = coalesce($8, driver), shipment = coalesce($9, shipment),
        address = coalesce($10, address), dispatched_at = coalesce($11, dispatched_at),
        arrives_on = coalesce($12, arrives_on), change_at = coalesce($13, change_at),
        returned_at = coalesce($14, returned_at),
        why = coalesce($15, CASE WHEN stuck_at IS NULL THEN why END),
        evidence_reason = coalesce($16, evidence_reason), stuck_at = NULL
    WHERE id = $1 AND state = $2
    RETURNING x.*, coalesce(x.entry, x.standby) AS code"""


async def move(
    tx: Connection,
    exchange: int,
    before: str,
    after: str,
    changes: Changes,
    *,
    now: datetime,
    deadline_at: datetime | None,
    ended: bool,
) -> Row | None:
    """Compare and set; the row as it is now, None when it was no longer in that state.

    Raises Conflict when another exchange has taken the code, or another case the replacement, since both were looked
    at: a late adapter that takes up its lapsed swap again waits for nobody who has the standby.
    """
    try:
        return await tx.fetchrow(_MOVE, exchange, before, after, now, deadline_at, ended, *astuple(changes))
    except UniqueViolationError as error:
        raise Conflict(
            "Another exchange took the code or the replacement at the same moment; nothing was changed.",
            next_step="Look at it (hikitsugi exchange show {exchange}), then decide again.",
            exchange=exchange,
        ) from error


_OPENED = """
    WITH trail AS (
        INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
        SELECT $2, $3, $4, $5, 'exchange.open', coalesce(entry, standby), contract, 'done',
               jsonb_build_object('exchange', id, 'kind', kind, 'state', state) || $6::jsonb
        FROM exchange WHERE id = $1
    )
    INSERT INTO outbox (at, topic, subject, payload)
    SELECT $2, 'exchange.' || state, coalesce(entry, standby), jsonb_build_object('exchange', id, 'kind', kind,
           'code', coalesce(entry, standby), 'state', state, 'old_adapter', old_adapter, 'new_adapter', new_adapter)
    FROM exchange WHERE id = $1"""


async def opened(tx: Connection, exchange: int, data: Mapping[str, Any], *, caller: Caller, now: datetime) -> None:
    """The audit and outbox rows of a case that begins; it is in no journal. data: JSON values, never a secret."""
    await tx.execute(_OPENED, exchange, now, caller.account, caller.role.value, caller.source, dict(data))


async def noted(
    tx: Connection,
    exchange: int,
    event: str,
    before: str,
    after: str,
    *,
    caller: Caller,
    now: datetime,
    note: str,
    data: Mapping[str, Any],
) -> None:
    """The journal, audit and outbox rows of a move. data: JSON values that came with it, never a secret."""
    by = (caller.account, caller.role.value, caller.source)
    query = "SELECT exchange_moved($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    await tx.execute(query, exchange, event, before, after, now, *by, note, dict(data))


async def led_here(tx: Connection, exchange: int, state: str) -> str | None:
    """The event that led to this state last; None: it began so."""
    query = """SELECT event FROM exchange_move WHERE exchange = $1 AND to_state = $2 AND from_state <> to_state
               ORDER BY id DESC LIMIT 1"""
    event: str | None = await tx.fetchval(query, exchange, state)
    return event


async def reminded_when_late(tx: Connection, exchange: int, what: str, due_at: datetime) -> None:
    """Have people told at that time, unless the case has moved on by then; once for each `what`."""
    query = """INSERT INTO exchange_reminder (exchange, what, due_at) VALUES ($1, $2, $3)
               ON CONFLICT (exchange, what) DO NOTHING"""
    await tx.execute(query, exchange, what, due_at)


async def delivered(tx: Connection, exchange: int, at: datetime, account: str) -> None:
    """The replacement is there: when, the return it starts (R3.9) with its reminders, and where the unit is."""
    await tx.execute("SELECT exchange_delivered($1, $2, $3)", exchange, at, account)


async def collecting_since(tx: Connection, exchange: int) -> datetime | None:
    """Since when evidence is being collected; None when it is not."""
    query = """SELECT c.created_at FROM exchange x JOIN campaign c ON c.id = x.evidence_campaign
               WHERE x.id = $1 AND x.evidence = 'collecting'"""
    since: datetime | None = await tx.fetchval(query, exchange)
    return since


_BOOT = """
    SELECT config.at AS config_pulled_at, applied.at AS applied_at, c.state = 'connected' AS connected,
           c.last_heartbeat_at AS heartbeat_at, k.last_pull_at AS seen_at
    FROM (SELECT $1::text AS adapter) a
    LEFT JOIN contact k ON k.adapter = a.adapter
    LEFT JOIN connection c ON c.adapter = a.adapter
    LEFT JOIN LATERAL (SELECT p.id, p.at FROM pull p WHERE p.adapter = a.adapter AND p.code = $2 AND p.result = 100
        AND p.message = 'config-solicitation' AND p.at >= $3 ORDER BY p.id DESC LIMIT 1) config ON true
    LEFT JOIN LATERAL (SELECT p.at FROM pull p WHERE p.adapter = a.adapter AND p.code = $2 AND p.result = 100
        AND p.message = 'push-method-query' AND p.at >= $3 ORDER BY p.id DESC LIMIT 1) applied ON true"""


async def boot(connection: Connection, adapter: str, code: str, since: datetime) -> Row:
    """What was seen of the adapter: config_pulled_at and applied_at since then on this code, connected, heartbeat_at,
    seen_at; None for what never happened."""
    row = await connection.fetchrow(_BOOT, adapter, code, since)
    assert row is not None
    return row


async def journal(db: Database, exchange: int, *, limit: int) -> list[Row]:
    """Moves, oldest first."""
    query = """SELECT at, event, from_state, to_state, account, role, note, data FROM exchange_move
               WHERE exchange = $1 ORDER BY id LIMIT $2"""
    async with db.connection() as connection:
        return await connection.fetch(query, exchange, limit)


async def reminders(db: Database, exchange: int) -> list[Row]:
    """what, due_at, done_at."""
    query = "SELECT what, due_at, done_at FROM exchange_reminder WHERE exchange = $1 ORDER BY due_at, what"
    async with db.connection() as connection:
        return await connection.fetch(query, exchange)
