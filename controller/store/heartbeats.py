"""Heartbeats as a time series, and what is needed to verify them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from controller.store import connections
from controller.store.connections import Heard
from controller.store.pool import Database, Row

_SENDERS = """
    SELECT a.distribution_id, a.serial, r.code, r.since, r.heartbeat_passphrase,
           array_remove(array(SELECT DISTINCT host(t.source) FROM reach t WHERE t.adapter = a.serial)
                        || host(k.last_address), NULL) AS addresses
    FROM adapter a JOIN registration r ON r.adapter = a.serial LEFT JOIN contact k ON k.adapter = a.serial
    WHERE a.distribution_id = ANY ($1::uuid[]) AND a.locked_out_at IS NULL"""


async def senders(db: Database, distribution_ids: Sequence[bytes]) -> list[Row]:
    """Who may send heartbeats under these ids (16 bytes each): those on a code and not locked out.

    Rows of distribution_id (UUID), serial, code and since of the registration, heartbeat_passphrase (sealed), addresses
    (numeric: where its last pull and its tunnels came from).
    """
    async with db.connection() as connection:
        return await connection.fetch(_SENDERS, [UUID(bytes=each) for each in distribution_ids])


_COLUMNS = ("at", "adapter", "code", "cpu", "memory", "disk", "datagram")


async def add(db: Database, batch: Sequence[Heard]) -> set[tuple[str, datetime]]:
    """Store a batch and note who was heard, in one transaction; the partitions of its days must be there.

    Returns serial and since of those that were stored: whose registration is still the one that verified them (an
    exchange makes the old passphrase worthless at once, whatever a cache says) and who are not locked out.
    """
    newest = {(each.serial, each.since): each for each in batch}
    async with db.transaction() as tx:
        # A crash of the database may cost the last second of heartbeats; so may the network, and the disk is spared.
        await tx.execute("SET LOCAL synchronous_commit = off")
        stored = await connections.heard(tx, [newest[key] for key in sorted(newest)])
        if len(stored) < len(newest):
            batch = [each for each in batch if (each.serial, each.since) in stored]
        rows = ((e.at, e.serial, e.code, e.cpu, e.memory, e.disk, e.datagram) for e in batch)
        await tx.copy_records_to_table("heartbeat", records=rows, columns=_COLUMNS)
    return stored


async def make_days(db: Database, first: date, last: date) -> None:
    """Make the partitions of these days (UTC) that are missing."""
    async with db.connection() as connection:
        await connection.execute("SELECT make_heartbeat_days($1, $2)", first, last)


async def forget_before(db: Database, at: datetime) -> int:
    """Drop the days (UTC) that ended before `at`; returns how many went.

    It waits two seconds at most for those who read: everybody else would wait behind it.
    """
    async with db.transaction() as tx:
        await tx.execute("SET LOCAL lock_timeout = '2s'")
        gone: int = await tx.fetchval("SELECT forget_heartbeat_days($1)", at.astimezone(UTC).date())
    return gone


_RECENT = """
    SELECT at, adapter, code, cpu, memory, disk, datagram FROM heartbeat
    WHERE adapter = $1 AND at >= $2 AND at < $3 AND ($5::text IS NULL OR code IN
          (SELECT code FROM code WHERE contract = $5))
    ORDER BY at DESC LIMIT $4"""


async def recent(
    db: Database, serial: str, since: datetime, until: datetime, limit: int, *, contract: str | None = None
) -> list[Row]:
    """An adapter's heartbeats from `since` to before `until`, newest first: at, adapter, code, cpu, memory, disk
    (percent, or None), datagram (bytes; `protocol.arms.heartbeat.decode_statistics` reads them).

    contract: only those sent while one of its codes held the adapter, None for all.
    The next page goes until the last one's `at`.
    """
    async with db.connection() as connection:
        return await connection.fetch(_RECENT, serial, since, until, limit, contract)


def days_of(batch: Sequence[Heard]) -> tuple[date, date]:
    """The first day (UTC) of a batch, and the day after its last."""
    first, last = min(each.at for each in batch), max(each.at for each in batch)
    return first.astimezone(UTC).date(), last.astimezone(UTC).date() + timedelta(days=1)
