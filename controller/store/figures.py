"""How many there are, for machines that watch: exchanges that are open, and news on their way. Each by an index."""

from __future__ import annotations

from datetime import datetime

from controller.store.pool import Database, Row

_EXCHANGES = """
    SELECT kind, state, count(*) AS open, count(*) FILTER (WHERE deadline_at < $1) AS overdue,
           count(*) FILTER (WHERE stuck_at IS NOT NULL) AS stuck
    FROM exchange WHERE ended_at IS NULL GROUP BY kind, state"""


async def exchanges(db: Database, now: datetime) -> list[Row]:
    """kind, state, open, overdue, stuck; of those that have not ended."""
    async with db.connection() as connection:
        return await connection.fetch(_EXCHANGES, now)


_DELIVERIES = """
    SELECT (SELECT count(*) FROM delivery WHERE state = 'waiting') AS waiting,
           (SELECT count(*) FROM delivery WHERE state = 'sending') AS sending,
           (SELECT count(*) FROM delivery WHERE state = 'failed') AS failed"""


async def deliveries(db: Database) -> dict[str, int]:
    """How many pieces of news wait for an attempt, are being sent, and were given up and are still kept."""
    async with db.connection() as connection:
        row = await connection.fetchrow(_DELIVERIES)
        assert row is not None
        return dict(row)
