"""Presets: sets of lines that people keep under a title, per contract or for staff (contract None)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record

from controller.domain.access import Caller
from controller.store import audit
from controller.store.pool import Connection, Database

_KEPT = "SELECT contract, title, kind, lines, account, changed_at FROM preset"


async def page(db: Database, *, contract: str | None, after: str | None, limit: int) -> list[Record]:
    """Presets by title: the contract's, or those of staff (None)."""
    query = f"""{_KEPT} WHERE contract IS NOT DISTINCT FROM $1 AND ($2::text IS NULL OR title > $2)
        ORDER BY title LIMIT $3"""
    async with db.connection() as connection:
        return await connection.fetch(query, contract, after, limit)


async def one(connection: Connection, contract: str | None, title: str) -> Record | None:
    """The preset of that title of the contract, or of staff (None)."""
    return await connection.fetchrow(f"{_KEPT} WHERE contract IS NOT DISTINCT FROM $1 AND title = $2", contract, title)


_SAVE = """
    INSERT INTO preset (contract, title, kind, lines, account, changed_at)
    SELECT $1, $2, $3, $4, $5, $6 WHERE $1::text IS NULL OR EXISTS (SELECT FROM contract WHERE contract = $1)
    ON CONFLICT (contract, title) DO UPDATE SET kind = excluded.kind, lines = excluded.lines,
        account = excluded.account, changed_at = excluded.changed_at
    RETURNING id"""


async def save(
    db: Database,
    contract: str | None,
    title: str,
    kind: str,
    lines: Sequence[str],
    *,
    caller: Caller,
    now: datetime,
) -> bool:
    """Keep it under the title, instead of what was kept there; False when there is no such contract."""
    async with db.transaction() as tx:
        if await tx.fetchval(_SAVE, contract, title, kind, list(lines), caller.account, now) is None:
            return False
        detail = {"kind": kind, "lines": list(lines)}
        await audit.write(tx, caller, "preset.save", title, now=now, contract=contract, detail=detail)
    return True


async def forget(db: Database, contract: str | None, title: str, *, caller: Caller, now: datetime) -> bool:
    """Drop the preset; False when there is none of that title."""
    async with db.transaction() as tx:
        query = "DELETE FROM preset WHERE contract IS NOT DISTINCT FROM $1 AND title = $2 RETURNING id"
        if await tx.fetchval(query, contract, title) is None:
            return False
        await audit.write(tx, caller, "preset.delete", title, now=now, contract=contract)
    return True
