"""The log of firmware downloads: a row for each attempt of an adapter at an image (migration 0030)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from controller.store.pool import Connection, Database


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Whose download it is, and of which image; contract and code as of now."""

    adapter: str
    code: str
    contract: str
    series: str
    version: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Part:
    """What went out in one attempt, or in a part of it. anew: from the first byte on.

    source: a numeric address, "" when nobody knows. sent: body bytes; reached: so many of the image's first bytes went
    out. outcome: of the last request.
    """

    fetcher: Fetcher
    anew: bool
    source: str
    began_at: datetime
    last_at: datetime
    requests: int
    sent: int
    reached: int
    outcome: str


# The newest attempt goes on, unless the adapter starts at the first byte again, of which it had more, or has come back
# after a day. One at a time: two that go on with the same rows in another order would wait for each other.
_ADD = """
    WITH given AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                             $8::boolean[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::integer[],
                             $13::bigint[], $14::bigint[], $15::text[])
        AS g (adapter, code, contract, series, version, sha256, size, anew, source, began_at, last_at, requests, sent,
              reached, outcome)
    ), goes_on AS MATERIALIZED (
        SELECT g.*, d.id FROM given g LEFT JOIN LATERAL (
            SELECT newest.id FROM (SELECT id, reached, last_at FROM firmware_download
                                   WHERE adapter = g.adapter AND sha256 = g.sha256 ORDER BY id DESC LIMIT 1) newest
            WHERE NOT (g.anew AND newest.reached > 0) AND newest.last_at > g.began_at - interval '1 day') d ON true
    ), gone_on AS (
        UPDATE firmware_download d
        SET last_at = greatest(d.last_at, g.last_at), source = coalesce(nullif(g.source, '')::inet, d.source),
            requests = d.requests + g.requests, sent = d.sent + g.sent, reached = greatest(d.reached, g.reached),
            outcome = CASE WHEN d.outcome = 'complete' THEN d.outcome ELSE g.outcome END
        FROM goes_on g WHERE d.id = g.id)
    INSERT INTO firmware_download (adapter, code, contract, series, version, sha256, size, source, began_at, last_at,
                                   requests, sent, reached, outcome)
    SELECT adapter, code, contract, series, version, sha256, size, nullif(source, '')::inet, began_at, last_at,
           requests, sent, reached, outcome
    FROM goes_on WHERE id IS NULL"""


async def add(db: Database, parts: Sequence[Part]) -> None:
    """Write down what went out; at most one part for each adapter and image."""
    async with db.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtext('firmware_download'))")
        await tx.execute(_ADD, *map(list, zip(*map(_values, parts), strict=True)))


def _values(part: Part) -> tuple[object, ...]:
    who = part.fetcher
    return (
        *(who.adapter, who.code, who.contract, who.series, who.version, who.sha256, who.size),
        *(part.anew, part.source, part.began_at, part.last_at, part.requests, part.sent, part.reached, part.outcome),
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """An attempt at an image that was going on at `since` or after it."""

    adapter: str
    sha256: str
    since: datetime


_NEWEST = """
    SELECT w.n, d.reached, d.size, d.last_at, d.outcome
    FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS w (adapter, sha256, since, n)
    CROSS JOIN LATERAL (SELECT * FROM firmware_download WHERE adapter = w.adapter AND sha256 = w.sha256
                        ORDER BY id DESC LIMIT 1) d
    WHERE d.last_at >= w.since"""


async def newest(db: Database, wanted: Wanted) -> Record | None:
    """reached, size, last_at and outcome of the newest attempt, None when there is none. Asked together with others."""
    return await db.together(_newest, wanted)


async def _newest(connection: Connection, wanted: list[Wanted]) -> list[Record | None]:
    rows: list[Record | None] = [None] * len(wanted)
    columns = ([each.adapter for each in wanted], [each.sha256 for each in wanted], [each.since for each in wanted])
    for row in await connection.fetch(_NEWEST, *columns):
        rows[row["n"] - 1] = row
    return rows


_PAGE = """
    SELECT id, adapter, code, contract, series, version, sha256, size, host(source) AS source, began_at, last_at,
           requests, sent, reached, outcome
    FROM firmware_download
    WHERE ($1::text IS NULL OR contract = $1) AND ($2::text IS NULL OR adapter = $2) AND ($3::text IS NULL OR code = $3)
      AND ($4::text IS NULL OR series = $4) AND ($5::text IS NULL OR version = $5)
      AND ($6::text IS NULL OR outcome = $6) AND ($7::bigint IS NULL OR id < $7)
    ORDER BY id DESC LIMIT $8"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which downloads; None: all. contract: whose codes they were made for."""

    contract: str | None = None
    adapter: str | None = None
    code: str | None = None
    series: str | None = None
    version: str | None = None
    outcome: str | None = None


async def page(db: Database, which: Filter, *, before: int | None, limit: int) -> list[Record]:
    """Attempts, newest first; before: the id at which the last page ended."""
    values = (which.contract, which.adapter, which.code, which.series, which.version, which.outcome)
    async with db.connection() as connection:
        return await connection.fetch(_PAGE, *values, before, limit)


async def close_before(db: Database, at: datetime) -> int:
    """Downloads under way of which nothing has gone out since `at` are lost; how many. last_at stays what it was."""
    query = "UPDATE firmware_download SET outcome = 'lost' WHERE outcome = 'under-way' AND last_at < $1"
    async with db.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtext('firmware_download'))")  # as add
        status: str = await tx.execute(query, at)
    return int(status.rsplit(" ", 1)[-1])


async def forget_before(db: Database, at: datetime, *, limit: int = 10_000) -> int:
    """Delete attempts that ended before `at`, at most `limit` at once; returns how many went."""
    query = """DELETE FROM firmware_download WHERE id IN (
        SELECT id FROM firmware_download WHERE last_at < $1 ORDER BY last_at LIMIT $2)"""
    async with db.connection() as connection:
        status: str = await connection.execute(query, at, limit)
    return int(status.rsplit(" ", 1)[-1])
