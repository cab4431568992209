"""Signed metadata of firmware as it was published, the keys the controller signs with, and what is offered for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asyncpg import Record

from controller.domain.why import Why
from controller.store.pool import Connection, Database

_LOCK = 0x66776D64  # "fwmd"
_KEPT = 50  # snapshots and timestamps: a client may be between reading one and asking for the next


@dataclass(frozen=True, slots=True)
class Document:
    """One that was published. role: root, targets, snapshot, timestamp or a series."""

    role: str
    version: int
    body: bytes
    expires_at: datetime


async def turn_of(tx: Connection, *, wait: bool) -> bool:
    """Take the lock of all who change metadata, until the transaction ends. Not wait: False when it is taken."""
    if wait:
        await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        return True
    mine: bool = await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK)
    return mine


async def hold_imports(tx: Connection) -> None:
    """No release is imported until the transaction ends: none may be written by the rules of before."""
    await tx.execute("LOCK TABLE firmware_release IN SHARE ROW EXCLUSIVE MODE")


async def trust(connection: Connection) -> Record | None:
    """What the key ceremony established, and how the last check ended; None before the ceremony."""
    return await connection.fetchrow("SELECT * FROM firmware_trust")


async def establish(tx: Connection, account: str, now: datetime) -> None:
    query = "INSERT INTO firmware_trust (established_at, established_by, checked_at) VALUES ($1, $2, $1)"
    await tx.execute(query, now, account)


async def checked(tx: Connection, now: datetime, why: Why | None, series: Mapping[str, Why]) -> None:
    """How a check of the whole chain ended. why: None when all is well but, maybe, these series."""
    query = """UPDATE firmware_trust SET checked_at = $1, broken_why = $2::jsonb, series_why = $3::jsonb,
        broken_since = CASE WHEN $2::jsonb IS NOT NULL THEN coalesce(broken_since, $1) END"""
    await tx.execute(query, now, why, dict(series))


_CURRENT = """SELECT DISTINCT ON (role) role, version, serial, body, expires_at, published_at, published_by
    FROM firmware_metadata ORDER BY role, version DESC"""


async def current(connection: Connection) -> list[Record]:
    """The newest document of each role."""
    return await connection.fetch(_CURRENT)


async def roots(connection: Connection) -> list[Record]:
    """Every root, oldest first: version and body."""
    return await connection.fetch("SELECT version, body FROM firmware_metadata WHERE role = 'root' ORDER BY version")


async def one(connection: Connection, role: str, version: int | None) -> Record | None:
    """A document; version None: the newest of its role."""
    query = """SELECT role, version, body, expires_at FROM firmware_metadata
        WHERE role = $1 AND ($2::integer IS NULL OR version = $2) ORDER BY version DESC LIMIT 1"""
    return await connection.fetchrow(query, role, version)


async def serial(db: Database) -> int:
    """Of the newest document: as long as it stays, nothing was published."""
    async with db.connection() as connection:
        found: int = await connection.fetchval("SELECT coalesce(max(serial), 0) FROM firmware_metadata")
    return found


async def add(tx: Connection, documents: Iterable[Document], account: str, now: datetime) -> None:
    """Publish them. Of snapshots and timestamps the newest 50 are kept."""
    query = """INSERT INTO firmware_metadata (role, version, body, expires_at, published_at, published_by)
        VALUES ($1, $2, $3, $4, $5, $6)"""
    rows = [(each.role, each.version, each.body, each.expires_at, now, account) for each in documents]
    await tx.executemany(query, rows)
    forget = """DELETE FROM firmware_metadata WHERE role = $1 AND version < (
        SELECT version FROM firmware_metadata WHERE role = $1 ORDER BY version DESC OFFSET $2 LIMIT 1)"""
    for role in ("snapshot", "timestamp"):
        await tx.execute(forget, role, _KEPT - 1)


async def add_key(
    tx: Connection, role: str, public: Mapping[str, Any], sealed: bytes, account: str, now: datetime
) -> None:
    """A key of the controller's own. public: as root metadata has it, with its key id. Any: JSON values."""
    query = "INSERT INTO firmware_online_key (keyid, role, public, sealed, made_at, made_by) VALUES ($1,$2,$3,$4,$5,$6)"
    await tx.execute(query, public["keyid"], role, dict(public), sealed, now, account)


async def online_keys(connection: Connection) -> list[Record]:
    """The controller's keys, the newest first."""
    return await connection.fetch("SELECT * FROM firmware_online_key ORDER BY made_at DESC, role")


async def forget_keys(tx: Connection, in_use: Sequence[str]) -> int:
    """Delete those that were made before the ones in use: nothing they sign counts any more. How many."""
    query = """DELETE FROM firmware_online_key WHERE NOT keyid = ANY ($1::text[])
        AND made_at < (SELECT min(made_at) FROM firmware_online_key WHERE keyid = ANY ($1::text[]))"""
    return int((await tx.execute(query, list(in_use))).rsplit(" ", 1)[-1])


async def unsigned(connection: Connection, *, after: tuple[str, str] | None = None, limit: int = 1000) -> list[Record]:
    """Releases that no signed metadata names and that are not withdrawn, by series and version."""
    query = """SELECT * FROM firmware_release WHERE state = 'unsigned'
        AND ($1::text IS NULL OR (series, version) > ($1, $2)) ORDER BY series, version LIMIT $3"""
    series, version = after or (None, None)
    return await connection.fetch(query, series, version, limit)


async def waiting(connection: Connection) -> tuple[int, list[str]]:
    """How many releases wait for a signature; which withdrawn ones ("seil8 3.42") are still named."""
    query = """SELECT count(*) FILTER (WHERE state = 'unsigned')::integer AS unsigned,
            coalesce(array_agg(series || ' ' || version ORDER BY series, version)
                     FILTER (WHERE state = 'withdrawn' AND signed_at IS NOT NULL), '{}') AS to_unsign
        FROM firmware_release"""
    row = await connection.fetchrow(query)
    assert row is not None  # an aggregate
    return row["unsigned"], row["to_unsign"]


async def offered_unsigned(connection: Connection) -> int:
    """How many releases are offered that nobody has signed; 0 from the ceremony on."""
    query = "SELECT count(*)::integer FROM firmware_release WHERE state = 'available' AND signed_at IS NULL"
    count: int = await connection.fetchval(query)
    return count


async def catalogued(tx: Connection) -> list[Record]:
    """Every release, locked: what is offered is decided about."""
    return await tx.fetch("SELECT * FROM firmware_release ORDER BY series, version FOR NO KEY UPDATE")


# What could not be fetched until now is available from now on; for earlier ones that day has been.
_SIGNED = """UPDATE firmware_release SET signed_at = $3,
        state = CASE WHEN state = 'unsigned' THEN 'available' ELSE state END,
        available_at = CASE WHEN state = 'unsigned' AND NOT was_offered THEN $3 ELSE available_at END
    WHERE series = $1 AND version = $2"""

_UNSIGNED = """UPDATE firmware_release SET signed_at = NULL,
        state = CASE WHEN state = 'available' THEN 'unsigned' ELSE state END
    WHERE series = $1 AND version = $2"""


async def mark(
    tx: Connection, *, signed: Iterable[tuple[str, str]], unsigned: Iterable[tuple[str, str]], now: datetime
) -> None:
    """Releases, by series and version, that are offered from now on, and that are not any more (R4.1, R4.3)."""
    await tx.executemany(_UNSIGNED, list(unsigned))
    await tx.executemany(_SIGNED, [(*each, now) for each in signed])


async def due_alarm(tx: Connection, subject: str, now: datetime, every: timedelta) -> bool:
    """True when people were not told of this for so long; then they are counted as told now."""
    query = """INSERT INTO firmware_alarm AS a (subject, told_at) VALUES ($1, $2)
        ON CONFLICT (subject) DO UPDATE SET told_at = excluded.told_at WHERE a.told_at <= $3 RETURNING true"""
    return bool(await tx.fetchval(query, subject, now, now - every))


async def alarm_over(tx: Connection, subject: str) -> None:
    """When it happens again, people are told again at once."""
    await tx.execute("DELETE FROM firmware_alarm WHERE subject = $1", subject)


async def tell(tx: Connection, topic: str, subject: str, payload: Mapping[str, Any], now: datetime) -> None:
    """A piece of news (Any: JSON values)."""
    query = "INSERT INTO outbox (at, topic, subject, payload) VALUES ($1, $2, $3, $4)"
    await tx.execute(query, now, topic, subject, dict(payload))
