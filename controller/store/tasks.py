"""Tasks as people look at them, and what people do to them. How workers take them on is in claims.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record

from controller.domain.access import Caller
from controller.series import Via
from controller.store import audit
from controller.store.pool import Database

MAX_TASKS = 20_000
"""Most adapters in one campaign."""

_SELECTED = """
    SELECT c.code, c.contract, c.kind, a.serial, a.series
    FROM code c LEFT JOIN registration r ON r.code = c.code LEFT JOIN adapter a ON a.serial = r.adapter
    WHERE ($1::text[] IS NULL AND c.kind = 'entry' OR c.code = ANY ($1))
      AND ($2::text IS NULL OR c.contract = $2) AND ($3::text IS NULL OR a.series = $3)
    ORDER BY c.code LIMIT $4"""


async def selected(
    db: Database, *, codes: Sequence[str] | None, contract: str | None, series: str | None
) -> list[Record]:
    """Codes of a selection with the adapter each holds (serial None: empty). codes None: every entry.

    At most MAX_TASKS + 1 rows, so that the caller can tell that there are too many.
    """
    async with db.connection() as connection:
        return await connection.fetch(_SELECTED, codes, contract, series, MAX_TASKS + 1)


async def create_campaign(
    db: Database,
    lines: Sequence[str],
    targets: Sequence[Record],
    reason: str,
    *,
    via: Via | None,
    caller: Caller,
    now: datetime,
) -> int:
    """One campaign with a waiting task for each target row of `selected`; returns the campaign's id.

    via: the transport for all of them, None for what fits each.
    """
    async with db.transaction() as tx:
        campaign: int = await tx.fetchval(
            "INSERT INTO campaign (account, reason, lines, via, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
            *(caller.account, reason, list(lines), via, now),
        )
        await tx.execute(
            """INSERT INTO task (campaign, code, contract, adapter, due_at)
               SELECT $1, code, contract, serial, $2 FROM unnest($3::text[], $4::text[], $5::text[])
                      AS u (code, contract, serial)""",
            *(campaign, now, [t["code"] for t in targets], [t["contract"] for t in targets]),
            [t["serial"] for t in targets],
        )
        for contract in sorted({target["contract"] for target in targets}):
            codes = [target["code"] for target in targets if target["contract"] == contract]
            detail = {"campaign": campaign, "lines": list(lines), "reason": reason, "codes": codes, "via": via}
            await audit.write(tx, caller, "run", f"campaign {campaign}", now=now, contract=contract, detail=detail)
    return campaign


async def campaign(db: Database, campaign_id: int, *, contract: str | None) -> Record | None:
    """A campaign with its counts by state. contract: None for all, else only when it has tasks of that contract,
    and only those are counted."""
    query = """SELECT p.id, p.account, p.reason, p.lines, p.created_at, count(t.id) AS tasks,
            count(*) FILTER (WHERE t.state = 'waiting') AS waiting,
            count(*) FILTER (WHERE t.state = 'running') AS running,
            count(*) FILTER (WHERE t.state = 'done') AS done, count(*) FILTER (WHERE t.state = 'failed') AS failed
        FROM campaign p JOIN task t ON t.campaign = p.id
        WHERE p.id = $1 AND ($2::text IS NULL OR t.contract = $2) GROUP BY p.id"""
    async with db.connection() as connection:
        return await connection.fetchrow(query, campaign_id, contract)


_TASK = """
    SELECT t.id, t.campaign, t.code, t.contract, t.adapter, t.state, t.failure, t.detail, t.due_at, t.started_at,
           t.finished_at, p.account, p.reason, p.lines, a.series, t.via
    FROM task t JOIN campaign p ON p.id = t.campaign JOIN adapter a ON a.serial = t.adapter"""


async def task(db: Database, task_id: int) -> Record | None:
    """One task with its campaign's account, reason and lines; None when unknown."""
    async with db.connection() as connection:
        return await connection.fetchrow(_TASK + " WHERE t.id = $1", task_id)


async def page(
    db: Database,
    *,
    campaign_id: int | None,
    contract: str | None,
    adapter: str | None,
    state: str | None,
    before: int | None,
    limit: int,
) -> list[Record]:
    """Tasks, newest first."""
    query = f"""{_TASK} WHERE ($1::bigint IS NULL OR t.campaign = $1) AND ($2::text IS NULL OR t.contract = $2)
          AND ($3::text IS NULL OR t.adapter = $3) AND ($4::text IS NULL OR t.state = $4)
          AND ($5::bigint IS NULL OR t.id < $5)
        ORDER BY t.id DESC LIMIT $6"""
    async with db.connection() as connection:
        return await connection.fetch(query, campaign_id, contract, adapter, state, before, limit)
