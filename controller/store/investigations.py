"""Investigations: the adapters concerned, the results pointed at, and what may be read because of them (R2.1-R2.3).

How they change is in investigation_moves.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record

from controller.store.pool import Connection, Database

_COVERING = """
    SELECT i.id, i.contract, array_agg(a.adapter) AS adapters
    FROM investigation i JOIN investigation_adapter a ON a.investigation = i.id
    WHERE a.adapter = ANY ($1) AND ($2::bigint IS NULL OR i.id = $2) AND i.closed_at IS NULL AND i.expires_at > $3
    GROUP BY i.id ORDER BY i.id"""


async def covering(
    connection: Connection, adapters: Sequence[str], investigation: int | None, now: datetime
) -> list[Record]:
    """Open investigations that concern any of these adapters: rows of id, contract, adapters (those of the given ones).

    investigation: only this one, None for all.
    """
    return await connection.fetch(_COVERING, list(adapters), investigation, now)


async def held_open(connection: Connection, investigation: int, now: datetime) -> Record | None:
    """The investigation if it is open, kept so until the end of the caller's transaction; None when it is not."""
    query = """SELECT id, contract, expires_at FROM investigation
               WHERE id = $1 AND closed_at IS NULL AND expires_at > $2 FOR SHARE"""
    return await connection.fetchrow(query, investigation, now)


_COLUMNS = """i.id, i.contract, i.title, i.observed, i.reported_by, i.inquiry, i.opened_by, i.opened_at, i.expires_at,
    i.closed_at, i.closed_by, i.finding,
    CASE WHEN i.closed_at IS NOT NULL THEN 'closed' WHEN i.expires_at <= $1 THEN 'lapsed' ELSE 'open' END AS state,
    (SELECT count(*) FROM investigation_adapter a WHERE a.investigation = i.id) AS adapter_count"""


async def one(db: Database, investigation: int, now: datetime) -> Record | None:
    """One investigation with its state now (open, lapsed, closed); None when there is no such id."""
    query = f"SELECT {_COLUMNS} FROM investigation i WHERE i.id = $2"  # noqa: S608 (constant columns)
    async with db.connection() as connection:
        return await connection.fetchrow(query, now, investigation)


async def locked(tx: Connection, investigation: int, now: datetime) -> Record | None:
    """The same row, locked against changes by others."""
    query = f"SELECT {_COLUMNS} FROM investigation i WHERE i.id = $2 FOR UPDATE"  # noqa: S608 (constant columns)
    return await tx.fetchrow(query, now, investigation)


async def page(
    db: Database,
    *,
    contract: str | None,
    state: str | None,
    adapter: str | None,
    before: int | None,
    limit: int,
    now: datetime,
) -> list[Record]:
    """Investigations, newest first; None for all. before: id of the last one already seen."""
    query = f"""SELECT * FROM (SELECT {_COLUMNS} FROM investigation i
            WHERE ($2::text IS NULL OR i.contract = $2) AND ($3::bigint IS NULL OR i.id < $3)
              AND ($4::text IS NULL OR EXISTS (SELECT FROM investigation_adapter a
                   WHERE a.investigation = i.id AND a.adapter = $4))) AS f
        WHERE $5::text IS NULL OR state = $5 ORDER BY id DESC LIMIT $6"""  # noqa: S608 (constant columns)
    async with db.connection() as connection:
        return await connection.fetch(query, now, contract, before, adapter, state, limit)


async def adapters(db: Database, investigation: int) -> list[Record]:
    """The adapters concerned: adapter, code when added, code now (None: on none), added_at, added_by."""
    query = """SELECT a.adapter, a.code, r.code AS code_now, a.added_at, a.added_by
        FROM investigation_adapter a LEFT JOIN registration r ON r.adapter = a.adapter
        WHERE a.investigation = $1 ORDER BY a.code, a.adapter"""
    async with db.connection() as connection:
        return await connection.fetch(query, investigation)


async def results(db: Database, investigation: int) -> list[Record]:
    """What was pointed at: task or operation (one is None), adapter, executed_at as named, added_at, added_by."""
    query = """SELECT r.task, NULL::bigint AS operation, t.adapter, r.executed_at, r.added_at, r.added_by
        FROM investigation_result r JOIN task t ON t.id = r.task WHERE r.investigation = $1
        UNION ALL SELECT NULL, r.operation, o.adapter, r.executed_at, r.added_at, r.added_by
        FROM investigation_operation r JOIN operation o ON o.id = r.operation WHERE r.investigation = $1
        ORDER BY executed_at, adapter, task, operation"""
    async with db.connection() as connection:
        return await connection.fetch(query, investigation)


async def runs(db: Database, investigation: int) -> list[Record]:
    """What ran, or is to run, under it, newest first, at most 200: campaign or operation, account, reason, lines."""
    query = """SELECT id AS campaign, NULL::bigint AS operation, account, reason, lines, created_at AS at
        FROM campaign WHERE investigation = $1
        UNION ALL SELECT NULL, id, account, reason, ARRAY[kind], created_at FROM operation WHERE investigation = $1
        ORDER BY at DESC LIMIT 200"""
    async with db.connection() as connection:
        return await connection.fetch(query, investigation)


# What support staff may read of what was run: under an investigation, pointed at in one, or asked for by themselves.
# Evidence for an exchange is read in its case (services/exchange_evidence.of), which is recorded.
_READABLE_TASKS = """
    SELECT t.id FROM task t JOIN campaign p ON p.id = t.campaign
    WHERE t.id = ANY ($1) AND (p.investigation IS NOT NULL OR p.account = $2 AND p.exchange IS NULL
        OR EXISTS (SELECT FROM investigation_result r WHERE r.task = t.id))"""
_READABLE_OPERATIONS = """
    SELECT o.id FROM operation o
    WHERE o.id = ANY ($1) AND (o.investigation IS NOT NULL OR o.account = $2
        OR EXISTS (SELECT FROM investigation_operation r WHERE r.operation = o.id))"""


async def readable_tasks(connection: Connection, tasks: Sequence[int], account: str) -> set[int]:
    """Those of the tasks whose results a member of the support staff may read (R2.2, R2.3)."""
    return {row["id"] for row in await connection.fetch(_READABLE_TASKS, list(tasks), account)}


async def readable_operations(connection: Connection, operations: Sequence[int], account: str) -> set[int]:
    """The same for push operations."""
    return {row["id"] for row in await connection.fetch(_READABLE_OPERATIONS, list(operations), account)}
