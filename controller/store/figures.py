"""How many there are, for machines that watch: open exchanges, news on their way, open updates. Each by an index."""

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


# Releases, not adapters: there are some hundreds. Days are those of JST, as in domain/firmware_release.days_late.
_MISSED = """
    SELECT series, count(*) FILTER (WHERE released_at IS NOT NULL
               AND ((CASE WHEN was_offered THEN available_at ELSE $1 END) AT TIME ZONE 'Asia/Tokyo')::date
                   > (released_at AT TIME ZONE 'Asia/Tokyo')::date) AS missed
    FROM firmware_release GROUP BY series"""


async def missed_releases(db: Database, now: datetime) -> dict[str, int]:
    """How many releases of each series were, or are, not here on the vendor's day (R4.1)."""
    async with db.connection() as connection:
        return {row["series"]: row["missed"] for row in await connection.fetch(_MISSED, now)}


async def firmware_updates(db: Database) -> dict[str, int]:
    """How many updates of firmware have not ended, by state."""
    return await _by_state(db, "SELECT state, count(*) AS open FROM firmware_update WHERE ended_at IS NULL GROUP BY 1")


async def firmware_rollouts(db: Database) -> dict[str, int]:
    """How many rollouts have not ended, by state."""
    return await _by_state(db, "SELECT state, count(*) AS open FROM firmware_rollout WHERE ended_at IS NULL GROUP BY 1")


async def _by_state(db: Database, query: str) -> dict[str, int]:
    async with db.connection() as connection:
        return {row["state"]: row["open"] for row in await connection.fetch(query)}
