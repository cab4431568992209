"""The company's own days: its holidays, and days on which it works although others do not (R1.3)."""

from __future__ import annotations

from datetime import datetime

from asyncpg import Record

from controller.domain.access import Caller
from controller.store.pool import Connection, Database

_KEPT = "SELECT day, name, works, account, changed_at FROM company_holiday"


async def every(connection: Connection) -> list[Record]:
    """All of them by day; services/calendar.py bounds how many there are."""
    return await connection.fetch(f"{_KEPT} ORDER BY day")


async def page(db: Database, *, after: str | None, limit: int) -> list[Record]:
    """By day: those of every year ("12-29") stand before those of one year ("2027-05-01") only by their text."""
    async with db.connection() as connection:
        return await connection.fetch(f"{_KEPT} WHERE $1::text IS NULL OR day > $1 ORDER BY day LIMIT $2", after, limit)


async def only_editor(tx: Connection) -> None:
    """Two edits at once are judged one after the other, until the transaction ends; readers are not held up."""
    await tx.execute("LOCK TABLE company_holiday IN SHARE ROW EXCLUSIVE MODE")


_KEEP = """
    INSERT INTO company_holiday (day, name, works, account, changed_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (day) DO UPDATE SET name = excluded.name, works = excluded.works, account = excluded.account,
        changed_at = excluded.changed_at"""


async def keep(tx: Connection, day: str, name: str, works: bool, *, caller: Caller, now: datetime) -> None:
    """Keep the day instead of what was kept for it."""
    await tx.execute(_KEEP, day, name, works, caller.account, now)


async def drop(tx: Connection, day: str) -> bool:
    """False when nothing was kept for the day."""
    return await tx.fetchval("DELETE FROM company_holiday WHERE day = $1 RETURNING day", day) is not None
