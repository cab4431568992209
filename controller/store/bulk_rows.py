"""Rows of bulk exchanges, taken on by controllers: whose turn it is, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.domain.access import Caller
from controller.domain.why import Why
from controller.store import audit
from controller.store.pool import Connection, Database, Row


async def at_work(db: Database) -> list[Row]:
    """Bulk exchanges that the clock has something to do for: all columns, and of who runs it role, account_contract,
    disabled; open: how many of its exchanges are."""
    query = """SELECT b.*, u.role, u.contract AS account_contract, u.disabled_at IS NOT NULL AS disabled,
            (SELECT count(*) FROM bulk_exchange_row r JOIN exchange x ON x.id = r.exchange
             WHERE r.bulk = b.id AND r.is_open AND x.ended_at IS NULL) AS open
        FROM bulk_exchange b JOIN account u ON u.account = b.run_by
        WHERE b.state = 'running' OR b.id IN (SELECT bulk FROM bulk_exchange_row WHERE state = 'pre-flight')
        ORDER BY b.id"""
    async with db.connection() as connection:
        return await connection.fetch(query)


async def alone(tx: Connection) -> bool:
    """False when another controller carries out bulk exchanges at this moment; else nobody does before this ends."""
    mine: bool = await tx.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('bulk exchanges'))")
    return mine


async def runner(tx: Connection, account: str) -> Row | None:
    """role, contract and disabled of who runs it, kept as they are until the transaction ends."""
    query = "SELECT role, contract, disabled_at IS NOT NULL AS disabled FROM account WHERE account = $1 FOR SHARE"
    return await tx.fetchrow(query, account)


# Whose turn it is: no earlier row that shares a code waits, and no exchange holds a code of it, nor the other one of a
# pair: the entry's designated standby, or an entry that the standby stands by for. OFFSET 0: each row is looked up by
# itself, in the order of lines, and no more of them than are wanted.
_DUE = """
    SELECT r.line, r.entry, r.standby, r.reason, r.fault, r.tries, p.partners
    FROM bulk_exchange_row r
    CROSS JOIN LATERAL (
        SELECT array_remove(ARRAY(
            SELECT designated_standby FROM code WHERE code = r.entry
            UNION ALL SELECT code FROM code WHERE designated_standby = r.standby), NULL) AS partners OFFSET 0) p
    WHERE r.bulk = $1 AND r.state = 'waiting' AND {lines}
      AND NOT EXISTS (SELECT FROM bulk_exchange_row o
                      WHERE o.bulk = $1 AND o.line = ANY (r.after_lines) AND o.state = 'waiting' OFFSET 0)
      AND NOT EXISTS (SELECT FROM exchange x WHERE x.entry = ANY (p.partners || r.entry || r.standby)
            AND x.state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned') AND x.entry <> ''
            OFFSET 0)
      AND NOT EXISTS (SELECT FROM exchange x WHERE x.standby = ANY (p.partners || r.entry || r.standby)
            AND x.state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned') AND x.standby <> ''
            OFFSET 0)
    ORDER BY r.line LIMIT $2"""
_DUE_FIRST = _DUE.format(lines="true")
_DUE_STILL = _DUE.format(lines="r.line = ANY ($3)")


async def due(connection: Connection, bulk: int, limit: int) -> list[Row]:
    """Rows whose turn it is, in the order of lines: line, entry, standby, reason, fault, tries, partners.

    Two of them may be in each other's way; domain/bulk_exchange.apart chooses.
    """
    return await connection.fetch(_DUE_FIRST, bulk, limit)


async def still_due(tx: Connection, bulk: int, lines: Sequence[int]) -> list[Row]:
    """The same, of these lines only."""
    return await tx.fetch(_DUE_STILL, bulk, len(lines), lines)


@dataclass(frozen=True, slots=True)
class Became:
    """What a row has become. exchange, open: of one that was ordered. why: of one that failed."""

    line: int
    state: str
    exchange: int | None = None
    open: bool = False
    why: dict[str, Any] | None = None  # Any: JSON values


async def put(tx: Connection, bulk: int, became: Sequence[Became]) -> None:
    """Write it down, of rows whose bulk exchange is locked."""
    query = """UPDATE bulk_exchange_row r SET state = b.state, exchange = coalesce(b.exchange, r.exchange),
            is_open = b.open, why = b.why
        FROM jsonb_to_recordset($2) AS b (line integer, state text, exchange bigint, open boolean, why jsonb)
        WHERE r.bulk = $1 AND r.line = b.line"""
    values = [{"line": b.line, "state": b.state, "exchange": b.exchange, "open": b.open, "why": b.why} for b in became]
    await tx.execute(query, bulk, values)


async def tried(tx: Connection, bulk: int, lines: Sequence[int]) -> None:
    """The codes of these were taken at the moment they were ordered."""
    await tx.execute("UPDATE bulk_exchange_row SET tries = tries + 1 WHERE bulk = $1 AND line = ANY ($2)", bulk, lines)


async def left_preflight(tx: Connection, bulk: int) -> list[Row]:
    """Rows in pre-flight whose exchange is so no more: line, entry, standby, exchange, exchange_state, why, ended."""
    query = """SELECT r.line, r.entry, r.standby, r.exchange, x.contract, x.state AS exchange_state, x.why,
            x.ended_at IS NOT NULL AS ended
        FROM bulk_exchange_row r JOIN exchange x ON x.id = r.exchange
        WHERE r.bulk = $1 AND r.state = 'pre-flight' AND x.state <> 'pre-flight' ORDER BY r.line"""
    return await tx.fetch(query, bulk)


async def in_preflight(db: Database, bulk: int) -> list[int]:
    """Exchanges of its rows that are in pre-flight."""
    query = """SELECT r.exchange FROM bulk_exchange_row r JOIN exchange x ON x.id = r.exchange
        WHERE r.bulk = $1 AND r.state = 'pre-flight' AND x.state = 'pre-flight' ORDER BY r.line"""
    async with db.connection() as connection:
        return [row["exchange"] for row in await connection.fetch(query, bulk)]


async def close_ended(tx: Connection, bulk: int) -> int:
    """Exchanges that have ended do not count any more; how many still do."""
    await tx.execute(
        """UPDATE bulk_exchange_row r SET is_open = false FROM exchange x
           WHERE r.bulk = $1 AND r.is_open AND x.id = r.exchange AND x.ended_at IS NOT NULL""",
        bulk,
    )
    count: int = await tx.fetchval("SELECT count(*) FROM bulk_exchange_row WHERE bulk = $1 AND is_open", bulk)
    return count


async def failed(tx: Connection, bulk: int, count: int) -> int:
    """So many more rows have failed since it was started or resumed; how many now."""
    query = "UPDATE bulk_exchange SET failures = failures + $2 WHERE id = $1 RETURNING failures"
    failures: int = await tx.fetchval(query, bulk, count)
    return failures


async def has_more(tx: Connection, bulk: int) -> bool:
    """Whether a row waits, or is in pre-flight."""
    query = "SELECT EXISTS (SELECT FROM bulk_exchange_row WHERE bulk = $1 AND state IN ('waiting', 'pre-flight'))"
    more: bool = await tx.fetchval(query, bulk)
    return more


async def tell_failure(
    tx: Connection,
    bulk: int,
    row: Row,
    contract: str | None,
    why: Why,
    in_english: str,
    *,
    caller: Caller,
    now: datetime,
) -> None:
    """The audit row of the refused swap, and the news. row: line, entry and standby. why: for the news, in_english: the
    same for the trail."""
    detail = {"bulk": bulk, "line": row["line"], "standby": row["standby"], "why": in_english}
    await audit.write(tx, caller, "swap", row["entry"], now=now, contract=contract, detail=detail, refused=True)
    await tx.execute(
        "INSERT INTO outbox (at, topic, subject, payload) VALUES ($1, 'bulk-exchange.row-failed', $2, $3)",
        *(now, row["entry"], {**detail, "why": why, "code": row["entry"], "contract": contract}),
    )
