"""Tasks as people look for them: one, or pages of them, with what their campaign says. What moves them is not here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from controller.store.pool import Connection, Database

_TASK = """
    SELECT t.id, t.campaign, t.code, t.contract, t.adapter, t.state, t.failure, t.detail, t.due_at, t.expires_at,
           t.waits_for, t.waits_since, t.fence, t.started_at, t.finished_at, t.via, p.account, p.reason, p.lines,
           p.kind, p.investigation, a.series, a.model
    FROM task t JOIN campaign p ON p.id = t.campaign JOIN adapter a ON a.serial = t.adapter"""


async def one(connection: Connection, task: int) -> Record | None:
    """One task, None when unknown."""
    return await connection.fetchrow(_TASK + " WHERE t.id = $1", task)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks; None: whichever. since, until: begun, or due where it has not begun, in this half-open time."""

    contract: str | None = None
    campaign: int | None = None
    adapter: str | None = None
    code: str | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def page(db: Database, wanted: Wanted, *, before: int | None, limit: int) -> list[Record]:
    """Newest first. before: only ids below."""
    query = f"""{_TASK} WHERE ($1::text IS NULL OR t.contract = $1) AND ($2::bigint IS NULL OR t.campaign = $2)
          AND ($3::text IS NULL OR t.adapter = $3) AND ($4::text IS NULL OR t.code = $4)
          AND ($5::text IS NULL OR t.state = $5)
          AND ($6::timestamptz IS NULL OR coalesce(t.started_at, t.due_at) >= $6)
          AND ($7::timestamptz IS NULL OR coalesce(t.started_at, t.due_at) < $7)
          AND ($8::bigint IS NULL OR t.id < $8)
        ORDER BY t.id DESC LIMIT $9"""
    async with db.connection() as connection:
        return await connection.fetch(
            query,
            *(wanted.contract, wanted.campaign, wanted.adapter, wanted.code, wanted.state),
            *(wanted.since, wanted.until, before, limit),
        )
