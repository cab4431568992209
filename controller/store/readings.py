"""What was made of outputs: digests without noise, typed fields. May be thrown away and made anew at any time.

Fields cost more than the digest, so a reading may be without (`parsed` false) until somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from asyncpg import Record

from controller.store.pool import Connection, Database

Key: TypeAlias = tuple[bytes, str, str]
"""SHA-256 of the output, name of the series, name of the declared command."""

_LOCK_KEY = 0x48494B52444E  # "HIKRDN"; one controller at a time makes readings by the clock

_MISSING = """
    SELECT DISTINCT p.sha256, a.series, p.command, o.size
    FROM task t JOIN adapter a ON a.serial = t.adapter JOIN transcript p ON p.task = t.id JOIN output o USING (sha256)
    LEFT JOIN reading r ON r.sha256 = p.sha256 AND r.series = a.series AND r.command = p.command AND r.version = $2
    WHERE t.campaign = $1 AND p.failure IS NULL AND r.sha256 IS NULL
      AND ($4::timestamptz IS NULL OR t.finished_at >= $4) LIMIT $3"""

# Outputs are held while their readings are written: retention may be about to delete them, in the same order.
_PUT = """
    WITH held AS MATERIALIZED (SELECT sha256 FROM output WHERE sha256 = ANY ($3) ORDER BY sha256 FOR KEY SHARE)
    INSERT INTO reading (sha256, series, command, version, digest, fields, fault, parsed)
    SELECT sha256, series, command, $1, digest, fields::jsonb, fault, $2
    FROM unnest($3::bytea[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[])
         AS u (sha256, series, command, digest, fields, fault)
    JOIN held USING (sha256) ORDER BY sha256, series, command
    ON CONFLICT (sha256, series, command) DO UPDATE
        SET version = EXCLUDED.version, digest = EXCLUDED.digest, fields = EXCLUDED.fields, fault = EXCLUDED.fault,
            parsed = EXCLUDED.parsed
        WHERE reading.version <> EXCLUDED.version OR NOT reading.parsed AND EXCLUDED.parsed"""


@dataclass(frozen=True, slots=True)
class Made:
    """A reading to be stored. fields: JSON text, None where there is no parser, it found a fault, or none were looked
    for."""

    key: Key
    digest: bytes
    fields: str | None
    fault: str


async def known(db: Database, keys: Sequence[Key], version: int) -> list[Record]:
    """The readings with fields that there are of these: sha256, series, command, digest, fields, fault."""
    query = """SELECT sha256, series, command, digest, fields, fault
        FROM unnest($1::bytea[], $2::text[], $3::text[]) AS u (sha256, series, command)
        JOIN reading USING (sha256, series, command) WHERE version = $4 AND parsed"""
    async with db.connection() as connection:
        return await connection.fetch(query, *_columns(keys), version)


async def missing(
    db: Database, campaign: int, version: int, limit: int, *, since: datetime | None = None
) -> list[Record]:
    """Outputs of the campaign without a reading of this version: sha256, series, command, size (bytes).

    since: only of tasks that have ended then or later."""
    async with db.connection() as connection:
        return await connection.fetch(_MISSING, campaign, version, limit, since)


async def sizes(db: Database, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """Bytes of each of these outputs; those that are not kept (any more) are left out."""
    async with db.connection() as connection:
        rows = await connection.fetch("SELECT sha256, size FROM output WHERE sha256 = ANY ($1)", list(set(hashes)))
    return {row["sha256"]: row["size"] for row in rows}


async def outputs(db: Database, hashes: Sequence[bytes]) -> dict[bytes, Record]:
    """The outputs themselves, still packed (`transcripts.unpacked`)."""
    query = "SELECT sha256, size, packing, body FROM output WHERE sha256 = ANY ($1)"
    async with db.connection() as connection:
        rows = await connection.fetch(query, list(set(hashes)))
    return {row["sha256"]: row for row in rows}


async def put(db: Database, made: Sequence[Made], version: int, *, parsed: bool) -> None:
    """Keep these readings, but those of outputs that have been deleted meanwhile. parsed: fields were looked for."""
    columns = _columns([one.key for one in made])
    digests, fields = [one.digest for one in made], [one.fields for one in made]
    async with db.connection() as connection:
        await connection.execute(_PUT, version, parsed, *columns, digests, fields, [one.fault for one in made])


async def to_read(tx: Connection, now: datetime, within: timedelta, version: int) -> list[Record]:
    """Campaigns (id, live) that are under way, or have just ended and are not `noted` as read; the oldest first.

    None while another controller is at it: the caller's transaction keeps the others away until it ends."""
    if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK_KEY):
        return []
    query = """SELECT id, ended_at IS NULL AS live FROM campaign
        WHERE state IN ('running', 'paused') OR ended_at > $1 AND read_with IS DISTINCT FROM $2
        ORDER BY id LIMIT 1000"""
    return await tx.fetch(query, now - within, version)


async def note(tx: Connection, campaign: int, version: int) -> None:
    """All outputs of the campaign, which has ended, have readings of this version."""
    await tx.execute("UPDATE campaign SET read_with = $2 WHERE id = $1", campaign, version)


def _columns(keys: Sequence[Key]) -> tuple[list[bytes], list[str], list[str]]:
    return [key[0] for key in keys], [key[1] for key in keys], [key[2] for key in keys]
