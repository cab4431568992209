"""Answers kept by Idempotency-Key, so that a repeated write is answered and not repeated."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from asyncpg import Record

from controller.store.pool import Database

_BEGIN = """
    INSERT INTO idempotency AS i (account, key, request_hash, started_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account, key) DO UPDATE SET started_at = $4
        WHERE i.status IS NULL AND i.started_at < $5 AND i.request_hash = $3
    RETURNING account"""


async def begin(
    db: Database, account: str, key: str, request_hash: bytes, now: datetime, *, abandoned_after: timedelta
) -> Record | None:
    """None: the request is ours to carry out. Else the row of the earlier one (status None: still at work).

    abandoned_after: an unfinished earlier one older than this died with its controller and may be tried again.
    """
    async with db.connection() as connection:
        if await connection.fetchval(_BEGIN, account, key, request_hash, now, now - abandoned_after):
            return None
        query = "SELECT request_hash, status, headers, body FROM idempotency WHERE account = $1 AND key = $2"
        return await connection.fetchrow(query, account, key)


async def finish(db: Database, account: str, key: str, status: int, headers: dict[str, Any], body: bytes) -> None:
    """Keep the answer. body: sealed."""
    query = "UPDATE idempotency SET status = $3, headers = $4, body = $5 WHERE account = $1 AND key = $2"
    async with db.connection() as connection:
        await connection.execute(query, account, key, status, headers, body)


async def abandon(db: Database, account: str, key: str) -> None:
    """Forget a request that changed nothing, so that the key may be used again."""
    async with db.connection() as connection:
        await connection.execute(
            "DELETE FROM idempotency WHERE account = $1 AND key = $2 AND status IS NULL", account, key
        )


async def forget_before(db: Database, at: datetime) -> None:
    """Drop answers kept since before `at`."""
    async with db.connection() as connection:
        await connection.execute("DELETE FROM idempotency WHERE started_at < $1", at)
