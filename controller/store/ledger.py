"""The registration ledger: which adapter sat in a code at a time, and where an adapter was."""

from __future__ import annotations

from datetime import datetime

from asyncpg import Record

from controller.store.pool import Database

_HOLDER = """
    SELECT at AS since, adapter, cause, exchange, account FROM registration_ledger
    WHERE code = $1 AND at <= $2 ORDER BY at DESC, id DESC LIMIT 1"""

_STAYS = """
    SELECT l.id, l.code, l.adapter, l.at AS since, l.cause, l.exchange, l.account,
           (SELECT n.at FROM registration_ledger n WHERE n.code = l.code AND (n.at, n.id) > (l.at, l.id)
            ORDER BY n.at, n.id LIMIT 1) AS until
    FROM registration_ledger l JOIN code c USING (code)
    WHERE ($1::text IS NULL OR l.adapter = $1) AND ($2::text IS NULL OR l.code = $2)
      AND ($3::text IS NULL OR c.contract = $3) AND ($4::bigint IS NULL OR l.id < $4)
    ORDER BY l.id DESC LIMIT $5"""


async def holder_at(db: Database, code: str, at: datetime) -> Record | None:
    """The ledger row in force for the code at that time; None before its first registration.

    Its adapter is None while the code stood empty.
    """
    async with db.connection() as connection:
        return await connection.fetchrow(_HOLDER, code, at)


async def stays(
    db: Database,
    *,
    adapter: str | None = None,
    code: str | None = None,
    contract: str | None,
    before: int | None,
    limit: int,
) -> list[Record]:
    """Stays of an adapter or in a code, newest first; until is None for the one that lasts.

    contract: only stays in codes of this contract (an operator sees no other), None for all.
    """
    async with db.connection() as connection:
        return await connection.fetch(_STAYS, adapter, code, contract, before, limit)
