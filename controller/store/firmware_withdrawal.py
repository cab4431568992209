"""Withdrawing a release (R4.3): the row itself, the codes that had it as their target, who runs it, and the news."""

from __future__ import annotations

from datetime import datetime

from asyncpg import Record

from controller.domain.access import Caller
from controller.domain.firmware_notice import Notice
from controller.store.pool import Connection, Database

_WITHDRAW = """
    UPDATE firmware_release SET state = 'withdrawn', withdrawn_at = $3, withdrawn_why = $4, withdrawn_by = $5,
        notice_ja = $6, notice_en = $7
    WHERE series = $1 AND version = $2 AND state <> 'withdrawn'"""

# In the order of codes, as exchanges lock them, so that neither waits for the other for ever.
_CLEAR = """
    WITH held AS (
        SELECT c.code, c.contract FROM code c
        JOIN registration r ON r.code = c.code JOIN adapter a ON a.serial = r.adapter
        WHERE c.firmware_target = $2 AND a.series = $1 ORDER BY c.code FOR NO KEY UPDATE OF c
    ), cleared AS (
        UPDATE code c SET firmware_target = NULL FROM held h WHERE c.code = h.code RETURNING c.code, c.contract
    ), audited AS (
        INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
        SELECT $3, $4, $5, $6, 'code.firmware', code, contract, 'done',
               jsonb_build_object('version', NULL, 'before', $2::text, 'because', 'withdrawn')
        FROM cleared ORDER BY code
    )
    SELECT code, contract FROM cleared ORDER BY code"""

_RUNNING = """
    FROM contact k JOIN adapter a ON a.serial = k.adapter
    LEFT JOIN registration r ON r.adapter = a.serial LEFT JOIN code c ON c.code = r.code
    WHERE k.firmware = $2 AND a.series = $1"""

# One piece for each contract that it concerns, since nobody hears of another's; without any, one for staff.
_TELL = f"""
    WITH concerned AS (
        SELECT contract, sum(adapters)::integer AS adapters, sum(codes)::integer AS codes FROM (
            SELECT c.contract, count(*) AS adapters, 0 AS codes {_RUNNING} AND c.contract IS NOT NULL GROUP BY 1
            UNION ALL SELECT contract, 0, count(*) FROM unnest($5::text[]) AS t (contract) GROUP BY 1) each
        GROUP BY contract
    )
    INSERT INTO outbox (at, topic, subject, payload)
    SELECT $3, 'firmware.withdrawn', $1 || ' ' || $2, jsonb_strip_nulls(jsonb_build_object('series', $1, 'version', $2,
           'why', $4::text, 'newest', $6::text, 'contract', contract, 'adapters', coalesce(adapters, 0),
           'codes', coalesce(codes, 0)))
    FROM (SELECT 1) always LEFT JOIN concerned ON true ORDER BY contract"""  # noqa: S608 (constant text)


async def withdraw(
    tx: Connection, series: str, version: str, why: str, notice: Notice, *, caller: Caller, now: datetime
) -> bool:
    """From here on it is in no choice and no download. False: it is withdrawn already, or unknown."""
    values = (series, version, now, why, caller.account, notice.ja, notice.en)
    return bool(await tx.execute(_WITHDRAW, *values) == "UPDATE 1")


async def clear_targets(tx: Connection, series: str, version: str, *, caller: Caller, now: datetime) -> list[Record]:
    """Codes that had it as their target have none from here on, each with an audit row. Returns code and contract."""
    values = (series, version, now, caller.account, caller.role.value, caller.source)
    return await tx.fetch(_CLEAR, *values)


async def tell(
    tx: Connection, series: str, version: str, why: str, codes: list[Record], newest: str | None, now: datetime
) -> None:
    """News of it for each contract that runs it or had chosen it. codes: of `clear_targets`."""
    await tx.execute(_TELL, series, version, now, why, [row["contract"] for row in codes], newest)


async def still_targets(db: Database) -> list[Record]:
    """series, version and reason of withdrawn releases that some code came to have as its target all the same: it was
    chosen, by a swap (R3.14) say, in the moment in which it was withdrawn."""
    query = """SELECT DISTINCT f.series, f.version, f.withdrawn_why AS why
        FROM firmware_release f JOIN code c ON c.firmware_target = f.version
        JOIN registration r ON r.code = c.code JOIN adapter a ON a.serial = r.adapter AND a.series = f.series
        WHERE f.state = 'withdrawn' ORDER BY 1, 2 LIMIT 100"""
    async with db.connection() as connection:
        return await connection.fetch(query)


async def runners(
    db: Database, series: str, version: str, *, contract: str | None, after: str | None, limit: int
) -> list[Record]:
    """Adapters that said last that they run it, in order of serial. contract: only those on its codes, None for all."""
    query = f"""SELECT a.serial, a.model, a.hardware_revision, r.code, c.contract, c.kind, c.firmware_target,
            k.last_pull_at {_RUNNING} AND ($3::text IS NULL OR c.contract = $3) AND ($4::text IS NULL OR a.serial > $4)
        ORDER BY a.serial LIMIT $5"""
    async with db.connection() as connection:
        return await connection.fetch(query, series, version, contract, after, limit)


async def counts(connection: Connection, series: str, version: str, *, contract: str | None) -> Record:
    """adapters that run it, codes that have it as their target; of one contract, None for all."""
    query = f"""SELECT (SELECT count(*) {_RUNNING} AND ($3::text IS NULL OR c.contract = $3))::integer AS running,
            (SELECT count(*) FROM code c JOIN registration r ON r.code = c.code JOIN adapter a ON a.serial = r.adapter
             WHERE c.firmware_target = $2 AND a.series = $1 AND ($3::text IS NULL OR c.contract = $3))::integer
            AS targets"""  # noqa: S608 (constant text)
    row = await connection.fetchrow(query, series, version, contract)
    assert row is not None  # an aggregate
    return row
