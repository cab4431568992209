"""Bulk exchanges as people see and steer them: the plan is kept, told, moved. How rows are taken on: bulk_rows.py."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.domain.access import Caller
from controller.domain.bulk_exchange import ENDED, RowState, State
from controller.domain.why import Why
from controller.store import audit
from controller.store.pool import Connection, Database, Row

_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class New:
    """A plan as it is kept. rows: JSON objects, line, entry, standby, reason, fault, state, why, plan, after_lines."""

    contract: str | None
    reason: str
    at_once: int
    stop_after: int | None
    rows: Sequence[dict[str, Any]]  # Any: JSON values


async def connected(db: Database, serials: Collection[str]) -> set[str]:
    """Which of these adapters are connected now."""
    query = "SELECT adapter FROM connection WHERE adapter = ANY ($1) AND state = 'connected'"
    async with db.connection() as connection:
        return {row["adapter"] for row in await connection.fetch(query, list(serials))}


_INSERT = """
    INSERT INTO bulk_exchange (contract, reason, state, at_once, stop_after, account, created_at, changed_at)
    VALUES ($1, $2, 'planned', $3, $4, $5, $6, $6)
    RETURNING id, contract, state"""

_INSERT_ROWS = """
    INSERT INTO bulk_exchange_row (bulk, line, entry, standby, reason, fault, state, why, plan, after_lines)
    SELECT $1, r.* FROM jsonb_to_recordset($2) AS r (line integer, entry text, standby text, reason text, fault text,
                                                     state text, why jsonb, plan jsonb, after_lines integer[])"""


async def insert(db: Database, new: New, *, caller: Caller, now: datetime) -> int:
    """Keep a plan, with its rows, audit row and news; its id."""
    async with db.transaction() as tx:
        row = await tx.fetchrow(_INSERT, new.contract, new.reason, new.at_once, new.stop_after, caller.account, now)
        assert row is not None
        for start in range(0, len(new.rows), _CHUNK):
            await tx.execute(_INSERT_ROWS, row["id"], new.rows[start : start + _CHUNK])
        refused = sum(each["state"] == RowState.REFUSED for each in new.rows)
        detail = {"rows": len(new.rows), "refused": refused, "reason": new.reason, "at_once": new.at_once}
        await _tell(tx, row["id"], row["contract"], State.PLANNED, detail, caller, now)
    bulk: int = row["id"]
    return bulk


async def locked(tx: Connection, bulk: int, *, contract: str | None = None) -> Row | None:
    """All columns, locked; None: no such one, or of another contract than this."""
    query = "SELECT * FROM bulk_exchange WHERE id = $1 AND ($2::text IS NULL OR contract = $2) FOR UPDATE"
    return await tx.fetchrow(query, bulk, contract)


async def move(
    tx: Connection, row: Row, to: State, why: Why | None, *, caller: Caller, now: datetime, run_by: str | None = None
) -> None:
    """Move one that is locked, with audit row and news. run_by: who runs it from now on; its failures count anew."""
    await tx.execute(
        """UPDATE bulk_exchange SET state = $2, why = $3, changed_at = $4, run_by = coalesce($5, run_by),
               failures = CASE WHEN $5::text IS NULL THEN failures ELSE 0 END,
               ended_at = CASE WHEN $6 THEN $4::timestamptz END
           WHERE id = $1""",
        *(row["id"], to.value, why, now, run_by, to in ENDED),
    )
    await _tell(tx, row["id"], row["contract"], to, {"why": why}, caller, now)


async def has_waiting(tx: Connection, bulk: int) -> bool:
    """Whether a row waits for its turn."""
    query = "SELECT EXISTS (SELECT FROM bulk_exchange_row WHERE bulk = $1 AND state = 'waiting')"
    found: bool = await tx.fetchval(query, bulk)
    return found


async def cancel_waiting(tx: Connection, bulk: int) -> int:
    """Cancel the rows of one that is locked and aborted; how many."""
    query = """WITH ended AS (UPDATE bulk_exchange_row SET state = 'cancelled' WHERE bulk = $1 AND state = 'waiting'
                              RETURNING line) SELECT count(*) FROM ended"""
    count: int = await tx.fetchval(query, bulk)
    return count


async def _tell(
    tx: Connection, bulk: int, contract: str | None, state: State, more: dict[str, Any], caller: Caller, now: datetime
) -> None:
    """Any: JSON values."""
    told = {"bulk": bulk, "state": state.value, "contract": contract, **more}
    await tx.execute(
        "INSERT INTO outbox (at, topic, subject, payload) VALUES ($1, $2, $3, $4)",
        *(now, f"bulk-exchange.{state}", f"bulk exchange {bulk}", told),
    )
    action, subject = f"bulk-exchange.{state}", f"bulk exchange {bulk}"
    await audit.write(tx, caller, action, subject, now=now, contract=contract, detail=more)


_ONE = """
    SELECT b.id, b.contract, b.reason, b.state, b.why, b.at_once, b.stop_after, b.account, b.run_by, b.failures,
           b.created_at, b.changed_at, b.ended_at, c.counts
    FROM bulk_exchange b
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(s.state, s.rows) AS counts
        FROM (SELECT r.state, count(*) AS rows FROM bulk_exchange_row r WHERE r.bulk = b.id GROUP BY 1) s) c
    WHERE ($1::text IS NULL OR b.contract = $1)"""


async def one(db: Database, bulk: int, *, contract: str | None) -> Row | None:
    """One, with counts: rows by state. contract: only if it is of this one."""
    async with db.connection() as connection:
        return await connection.fetchrow(f"{_ONE} AND b.id = $2", contract, bulk)


async def page(db: Database, *, contract: str | None, state: State | None, before: int | None, limit: int) -> list[Row]:
    """Newest first, as `one`; before: id of the last one already seen."""
    query = f"""{_ONE} AND ($2::text IS NULL OR b.state = $2) AND ($3::bigint IS NULL OR b.id < $3)
        ORDER BY b.id DESC LIMIT $4"""
    async with db.connection() as connection:
        return await connection.fetch(query, contract, state, before, limit)


async def outcomes(db: Database, bulk: int) -> dict[str, int]:
    """Its exchanges by the state that they are in now."""
    query = """SELECT x.state, count(*) AS exchanges FROM bulk_exchange_row r JOIN exchange x ON x.id = r.exchange
        WHERE r.bulk = $1 GROUP BY 1"""
    async with db.connection() as connection:
        return {row["state"]: row["exchanges"] for row in await connection.fetch(query, bulk)}


_ROWS = """
    SELECT r.line, r.entry, r.standby, r.reason, r.fault, r.state, r.why, r.plan, r.after_lines, r.exchange,
           x.state AS exchange_state
    FROM bulk_exchange_row r LEFT JOIN exchange x ON x.id = r.exchange
    WHERE r.bulk = $1 AND r.line > $2 AND ($3::text IS NULL OR r.state = $3) ORDER BY r.line LIMIT $4"""


async def rows(db: Database, bulk: int, *, state: RowState | None, after: int, limit: int) -> list[Row]:
    """Its rows in the order of lines; after: the last line already seen, 0 for none. exchange_state: as it is now."""
    async with db.connection() as connection:
        return await connection.fetch(_ROWS, bulk, after, state, limit)
