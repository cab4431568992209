"""Campaigns: made with all their tasks at once, steered as wholes, counted. Claiming and finishing is not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from asyncpg import Record

from controller.store.pool import Connection, Database

ABORT_CHANNEL = "hikitsugi_abort"
"""NOTIFY with the campaign's id, so that workers need not wait for their next look."""


@dataclass(frozen=True, slots=True)
class New:
    """A campaign to be made: columns of the table, in the order of _CREATE. Any in selection: JSON values.

    exchange: it collects evidence for that case.
    """

    account: str
    reason: str
    lines: Sequence[str]
    via: str | None
    kind: str
    contract: str | None
    selection: dict[str, Any]
    investigation: int | None
    preset: str
    priority: int
    due_at: datetime
    expires_at: datetime | None
    jitter_s: int
    until_back: bool
    at_once: int | None
    per_minute: int | None
    stop_share: float | None
    stop_after: int
    created_at: datetime
    exchange: int | None = None


_CREATE = """
    INSERT INTO campaign (account, reason, lines, via, kind, contract, selection, investigation, preset, priority,
                          due_at, expires_at, jitter_s, until_back, at_once, per_minute, stop_share, stop_after,
                          created_at, exchange)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) RETURNING id"""

_TASKS = """
    INSERT INTO task (campaign, code, contract, adapter, due_at, expires_at)
    SELECT $1, code, contract, serial, $2::timestamptz + random() * $3::float8 * interval '1 second', $4
    FROM unnest($5::text[], $6::text[], $7::text[]) AS u (code, contract, serial)"""

_SKIPPED = """
    INSERT INTO campaign_skipped (campaign, code, adapter, why)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[])"""


async def create(
    tx: Connection, new: New, targets: Sequence[Record], skips: Sequence[tuple[str, str | None, str]]
) -> int:
    """The campaign, a waiting task for each target (code, contract, serial), and who was skipped (code, adapter, why).

    Each task is due up to jitter_s after due_at. Returns the campaign's id.
    """
    campaign: int = await tx.fetchval(_CREATE, *(getattr(new, field.name) for field in fields(new)))
    await tx.execute(
        _TASKS,
        *(campaign, new.due_at, float(new.jitter_s), new.expires_at),
        *([t["code"] for t in targets], [t["contract"] for t in targets], [t["serial"] for t in targets]),
    )
    if skips:
        await tx.execute(_SKIPPED, campaign, *map(list, zip(*skips, strict=True)))
    return campaign


async def live(tx: Connection) -> int:
    """How many campaigns are running or paused."""
    count: int = await tx.fetchval("SELECT count(*) FROM campaign WHERE state IN ('running', 'paused')")
    return count


_CAMPAIGN = """
    SELECT p.*, n.*, (SELECT count(*) FROM campaign_skipped s JOIN code c USING (code)
                      WHERE s.campaign = p.id AND ($2::text IS NULL OR c.contract = $2)) AS skipped
    FROM campaign p CROSS JOIN LATERAL (
        SELECT count(*) AS tasks,
               count(*) FILTER (WHERE t.state = 'waiting') AS waiting,
               count(*) FILTER (WHERE t.state = 'running') AS running,
               count(*) FILTER (WHERE t.state = 'done') AS done,
               count(*) FILTER (WHERE t.state = 'failed') AS failed,
               count(*) FILTER (WHERE t.state = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE t.state = 'expired') AS expired
        FROM task t WHERE t.campaign = p.id AND ($2::text IS NULL OR t.contract = $2)) n"""


async def one(db: Database, campaign: int, *, contract: str | None) -> Record | None:
    """A campaign with its counts by state. contract: None for all, else only when it has tasks of that contract,
    and only those are counted."""
    async with db.connection() as connection:
        return await connection.fetchrow(f"{_CAMPAIGN} WHERE p.id = $1 AND n.tasks > 0", campaign, contract)


_ON_PAGE = """
    p.id IN (
        SELECT f.id FROM campaign f
        WHERE ($1::bigint IS NULL OR f.id < $1) AND ($3::text IS NULL OR f.state = $3)
          AND ($4::text IS NULL OR f.account = $4) AND ($5::bigint IS NULL OR f.investigation = $5)
          AND ($2::text IS NULL OR f.contract = $2 OR f.contract IS NULL
               AND EXISTS (SELECT FROM task e WHERE e.campaign = f.id AND e.contract = $2))
        ORDER BY f.id DESC LIMIT $6)"""


async def page(
    db: Database,
    *,
    contract: str | None,
    state: str | None,
    account: str | None,
    investigation: int | None,
    before: int | None,
    limit: int,
) -> list[Record]:
    """Campaigns, newest first, with the counts that `one` gives."""
    query = f"{_CAMPAIGN} WHERE {_ON_PAGE} ORDER BY p.id DESC"
    async with db.connection() as connection:
        return await connection.fetch(query, before, contract, state, account, investigation, limit)


async def skipped(db: Database, campaign: int, *, contract: str | None, after: str | None, limit: int) -> list[Record]:
    """Whom the selection meant and why nothing was run there, by code."""
    query = """SELECT s.code, s.adapter, s.why FROM campaign_skipped s JOIN code c USING (code)
        WHERE s.campaign = $1 AND ($2::text IS NULL OR c.contract = $2) AND ($3::text IS NULL OR s.code > $3)
        ORDER BY s.code LIMIT $4"""
    async with db.connection() as connection:
        return await connection.fetch(query, campaign, contract, after, limit)


async def locked(tx: Connection, campaign: int) -> Record | None:
    """The campaign's row, locked, for whoever changes it."""
    return await tx.fetchrow("SELECT * FROM campaign WHERE id = $1 FOR NO KEY UPDATE", campaign)


async def concerns(tx: Connection, campaign: int, contract: str | None) -> bool:
    """Has it tasks of the contract? Any at all, for None."""
    query = "SELECT EXISTS (SELECT FROM task WHERE campaign = $1 AND ($2::text IS NULL OR contract = $2))"
    found: bool = await tx.fetchval(query, campaign, contract)
    return found


async def contracts(tx: Connection, campaign: int) -> list[str]:
    """The contracts whose adapters it concerns."""
    query = "SELECT DISTINCT contract FROM task WHERE campaign = $1 ORDER BY contract"
    return [row["contract"] for row in await tx.fetch(query, campaign)]


async def move(
    tx: Connection, campaign: int, before: Sequence[str], to: str, why: str, now: datetime, *, ended: bool
) -> bool:
    """Compare-and-set of the state, with a row in the outbox; False when it was in none of `before`."""
    query = """UPDATE campaign SET state = $3, why = $4, changed_at = $5,
            ended_at = CASE WHEN $6 THEN $5::timestamptz END
        WHERE id = $1 AND state = ANY ($2) RETURNING id"""
    if await tx.fetchval(query, campaign, list(before), to, why, now, ended) is None:
        return False
    await tx.execute(
        "INSERT INTO outbox (at, topic, subject, payload) VALUES ($1, $2, $3, $4)",
        *(now, f"campaign.{to}", str(campaign), {"campaign": campaign, "why": why}),
    )
    return True


async def tell_workers(tx: Connection, campaign: int) -> None:
    """Those that run tasks of the campaign look at once, when this transaction is committed."""
    await tx.execute("SELECT pg_notify($1, $2)", ABORT_CHANNEL, str(campaign))


async def put_off(tx: Connection, campaign: int, due_at: datetime, now: datetime) -> int:
    """Give the waiting tasks another time, spread as before; returns how many. Tasks that wait for their adapter keep
    waiting for it."""
    await tx.execute("UPDATE campaign SET due_at = $2, changed_at = $3 WHERE id = $1", campaign, due_at, now)
    query = """UPDATE task SET due_at = $2::timestamptz + random() * p.jitter_s * interval '1 second'
        FROM (SELECT jitter_s FROM campaign WHERE id = $1) p
        WHERE id IN (SELECT id FROM task WHERE campaign = $1 AND state = 'waiting' AND waits_for = ''
                     FOR UPDATE SKIP LOCKED)"""  # what a worker has hold of now begins now
    status: str = await tx.execute(query, campaign, due_at)
    return int(status.split()[-1])


_ENDED = """
    SELECT id, code, adapter, state, failure, detail, finished_at FROM task
    WHERE campaign = $1 AND ($2::text IS NULL OR contract = $2) AND finished_at IS NOT NULL
      AND (finished_at, id) > ($3, $4) ORDER BY finished_at, id LIMIT $5"""


async def ended_after(
    db: Database, campaign: int, *, contract: str | None, after: tuple[datetime, int], limit: int
) -> list[Record]:
    """Tasks that ended after that time and id, in the order in which they ended."""
    async with db.connection() as connection:
        return await connection.fetch(_ENDED, campaign, contract, *after, limit)


_OUTCOMES = """
    SELECT state, failure, count(*) AS tasks, min(code) AS example, min(id) AS task
    FROM task WHERE campaign = $1 AND ($2::text IS NULL OR contract = $2)
    GROUP BY state, failure ORDER BY tasks DESC, state, failure"""

_SLOWEST = """
    SELECT id AS task, code, adapter, state, failure,
           extract(epoch FROM finished_at - started_at)::float8 AS duration_s
    FROM task WHERE campaign = $1 AND ($2::text IS NULL OR contract = $2)
      AND started_at IS NOT NULL AND finished_at IS NOT NULL
    ORDER BY finished_at - started_at DESC, id LIMIT $3"""

# The firmware as it was when the task ran, which its first transcript says; else what the adapter said last. Looked up
# by key (OFFSET 0): there are a thousand times more transcripts than a campaign has tasks.
_BY_MODEL = """
    SELECT a.series, a.model, coalesce(x.firmware, k.firmware, '') AS firmware, count(*) AS tasks,
           count(*) FILTER (WHERE t.state = 'done') AS done, count(*) FILTER (WHERE t.state = 'failed') AS failed
    FROM task t JOIN adapter a ON a.serial = t.adapter LEFT JOIN contact k ON k.adapter = t.adapter
    LEFT JOIN LATERAL (SELECT firmware FROM transcript WHERE task = t.id AND position = 1 OFFSET 0) x ON true
    WHERE t.campaign = $1 AND ($2::text IS NULL OR t.contract = $2)
    GROUP BY 1, 2, 3 ORDER BY tasks DESC, 1, 2, 3 LIMIT $3"""

_WHY_SKIPPED = """
    SELECT s.why, count(*) AS codes, min(s.code) AS example FROM campaign_skipped s JOIN code c USING (code)
    WHERE s.campaign = $1 AND ($2::text IS NULL OR c.contract = $2) GROUP BY s.why
    ORDER BY codes DESC, s.why LIMIT $3"""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a summary is made of."""

    outcomes: Sequence[Record]
    slowest: Sequence[Record]
    models: Sequence[Record]
    skipped: Sequence[Record]


async def numbers(db: Database, campaign: int, *, contract: str | None, slowest: int, rows: int = 200) -> Numbers:
    """Outcomes, the slowest tasks, outcomes per model and firmware, reasons for skipping; at most `rows` of each."""
    async with db.transaction(readonly=True) as tx:
        return Numbers(
            await tx.fetch(_OUTCOMES, campaign, contract),
            await tx.fetch(_SLOWEST, campaign, contract, slowest),
            await tx.fetch(_BY_MODEL, campaign, contract, rows),
            await tx.fetch(_WHY_SKIPPED, campaign, contract, rows),
        )
