"""Investigations: the adapters concerned, the results pointed at, and what may be read because of them (R2.1-R2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record

from controller.store.pool import Connection

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
    i.closed_at, i.closed_by, i.finding"""


async def locked(tx: Connection, investigation: int) -> Record | None:
    """The row, locked against changes by others; None when there is none."""
    query = f"SELECT {_COLUMNS} FROM investigation i WHERE i.id = $1 FOR UPDATE"  # noqa: S608 (constant columns)
    return await tx.fetchrow(query, investigation)


# What support staff may read of what was run: under an investigation, pointed at in one, or asked for by themselves.
_READABLE_TASKS = """
    SELECT t.id FROM task t JOIN campaign p ON p.id = t.campaign
    WHERE t.id = ANY ($1) AND (p.investigation IS NOT NULL OR p.account = $2
        OR EXISTS (SELECT FROM investigation_result r WHERE r.task = t.id))"""


async def readable_tasks(connection: Connection, tasks: Sequence[int], account: str) -> set[int]:
    """Those of the tasks whose results a member of the support staff may read (R2.2, R2.3)."""
    return {row["id"] for row in await connection.fetch(_READABLE_TASKS, list(tasks), account)}
