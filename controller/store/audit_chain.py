"""The sealed places of the audit trail: added to by a turn, read by a check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from asyncpg import Record

from controller.store.pool import Connection, Database

LATE = timedelta(hours=1)
"""Longer than any transaction can last: a row this old that is in no place of the chain was never sealed."""

_LOCK = 0x61756469  # "audi"

_ROW = "a.id, a.at, a.account, a.role, a.source, a.action, a.subject, a.contract, a.outcome, a.detail"


async def only_one(tx: Connection) -> bool:
    """True when this transaction is the one that may seal now; another controller's turn is not waited for."""
    mine: bool = await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK)
    return mine


async def head(connection: Connection) -> Record | None:
    """The last place: position and hash; None while nothing is sealed."""
    return await connection.fetchrow("SELECT position, hash FROM audit_chain ORDER BY position DESC LIMIT 1")


async def newer(connection: Connection, limit: int) -> list[Record]:
    """Committed audit rows with ids beyond all that are sealed, oldest first."""
    query = f"""SELECT {_ROW} FROM audit a WHERE a.id > coalesce((SELECT max(audit) FROM audit_chain), 0)
        ORDER BY a.id LIMIT $1"""  # noqa: S608 (constant column list)
    return await connection.fetch(query, limit)


async def belated(connection: Connection, since: datetime, limit: int) -> list[Record]:
    """Committed audit rows that were overtaken: their transaction ended after rows with higher ids were sealed.

    since: only those from then on.
    """
    query = f"""SELECT {_ROW} FROM audit a WHERE a.at >= $1
          AND NOT EXISTS (SELECT FROM audit_chain c WHERE c.audit = a.id) ORDER BY a.id LIMIT $2"""  # noqa: S608
    return await connection.fetch(query, since, limit)


async def belated_among(connection: Connection, ids: range, limit: int) -> list[Record]:
    """The same among the rows with these ids, however old: the whole trail would take longer than a statement may."""
    query = f"""SELECT {_ROW} FROM audit a WHERE a.id >= $1 AND a.id < $2
          AND NOT EXISTS (SELECT FROM audit_chain c WHERE c.audit = a.id) ORDER BY a.id LIMIT $3"""  # noqa: S608
    return await connection.fetch(query, ids.start, ids.stop, limit)


async def newest(db: Database) -> int:
    """The highest id in the trail, 0 when it is empty."""
    async with db.connection() as connection:
        return int(await connection.fetchval("SELECT coalesce(max(id), 0) FROM audit"))


async def add(tx: Connection, first: int, places: Sequence[tuple[int, bytes]], now: datetime) -> None:
    """Add places from position `first` on: (id of the audit row, hash)."""
    await tx.execute(
        """INSERT INTO audit_chain (position, audit, hash, sealed_at)
           SELECT $1 + o - 1, id, hash, $2 FROM unnest($3::bigint[], $4::bytea[]) WITH ORDINALITY AS u (id, hash, o)""",
        *(first, now, [audit for audit, _ in places], [place for _, place in places]),
    )


async def places(connection: Connection, after: int, limit: int) -> list[Record]:
    """Places after a position with the rows they seal; a row that is gone has id None."""
    query = f"""SELECT c.position, c.audit, c.hash, {_ROW}
        FROM audit_chain c LEFT JOIN audit a ON a.id = c.audit
        WHERE c.position > $1 ORDER BY c.position LIMIT $2"""  # noqa: S608
    return await connection.fetch(query, after, limit)


async def hash_at(connection: Connection, position: int) -> bytes | None:
    """The hash of one place; None when there is no such place."""
    found: bytes | None = await connection.fetchval("SELECT hash FROM audit_chain WHERE position = $1", position)
    return found


async def forgotten(db: Database, now: datetime, ids: range, limit: int) -> list[int]:
    """Which of the audit rows with these ids are older than LATE and in no place."""
    query = """SELECT a.id FROM audit a WHERE a.id >= $1 AND a.id < $2 AND a.at < $3
          AND NOT EXISTS (SELECT FROM audit_chain c WHERE c.audit = a.id) ORDER BY a.id LIMIT $4"""
    async with db.connection() as connection:
        return [row["id"] for row in await connection.fetch(query, ids.start, ids.stop, now - LATE, limit)]
