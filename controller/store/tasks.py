"""What people do to one task, and why a waiting one waits. How workers take tasks on is in claims.py, pages of them are
in task_pages.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record

from controller.store.campaigns import ABORT_CHANNEL
from controller.store.pool import Connection, Database


async def locked(tx: Connection, task: int) -> Record | None:
    """The task's row with its campaign's account and investigation, locked for whoever changes it; None: unknown."""
    query = """SELECT t.id, t.campaign, t.code, t.contract, t.adapter, t.state, t.due_at, t.expires_at, p.account,
            p.investigation
        FROM task t JOIN campaign p ON p.id = t.campaign WHERE t.id = $1 FOR NO KEY UPDATE OF t"""
    return await tx.fetchrow(query, task)


async def cancel(tx: Connection, task: int, detail: str, now: datetime) -> None:
    """End a waiting task that is locked."""
    await tx.execute(
        """WITH ended AS (
               UPDATE task SET state = 'cancelled', detail = $2, finished_at = $3, waits_for = '', waits_since = NULL
               WHERE id = $1 AND state = 'waiting' RETURNING id, campaign, adapter)
           INSERT INTO outbox (at, topic, subject, payload)
           SELECT $3, 'task.cancelled', adapter, jsonb_build_object('task', id, 'campaign', campaign) FROM ended""",
        *(task, detail, now),
    )


async def stop(tx: Connection, task: int, campaign: int, why: str) -> None:
    """Tell whoever runs the task to stop, when this transaction is committed. why: not empty."""
    await tx.execute("UPDATE task SET stop_why = $2 WHERE id = $1 AND state = 'running'", task, why)
    await tx.execute("SELECT pg_notify($1, $2)", ABORT_CHANNEL, str(campaign))


async def move(tx: Connection, task: int, due_at: datetime) -> None:
    """Give a waiting task that is locked another time; it waits for nothing else any more."""
    query = """UPDATE task SET due_at = $2, waits_for = '', waits_since = NULL, detail = ''
               WHERE id = $1 AND state = 'waiting'"""
    await tx.execute(query, task, due_at)


# In the order in which claim_tasks (migration 0010) would find out.
_WHY = """
    SELECT t.id, CASE
        WHEN p.state = 'paused' THEN 'campaign paused'
        WHEN t.due_at > $2 AND t.waits_for = 'adapter' THEN 'adapter away'
        WHEN t.due_at > $2 THEN 'time'
        WHEN EXISTS (SELECT FROM task r WHERE r.adapter = t.adapter AND r.state = 'running')
          OR EXISTS (SELECT FROM task r WHERE r.code = t.code AND r.lease_until IS NOT NULL) THEN 'adapter busy'
        WHEN EXISTS (
            SELECT FROM pair o LEFT JOIN registration g ON g.code = o.partner
            JOIN task r ON r.state = 'running' AND (r.code = o.partner OR r.adapter = g.adapter)
            WHERE o.code = t.code) THEN 'pair busy'
        WHEN b.running >= b.at_once THEN 'contract limit'
        WHEN c.running >= p.at_once OR p.next_at > $2 THEN 'campaign limit'
        ELSE 'turn' END AS why
    FROM task t JOIN campaign p ON p.id = t.campaign
    JOIN (SELECT k.contract, coalesce(k.tasks_at_once, $3) AS at_once,
                 (SELECT count(*) FROM task r WHERE r.contract = k.contract AND r.state = 'running') AS running
          FROM contract k) b ON b.contract = t.contract
    JOIN (SELECT k.id, (SELECT count(*) FROM task r WHERE r.campaign = k.id AND r.state = 'running') AS running
          FROM campaign k) c ON c.id = t.campaign
    WHERE t.id = ANY ($1) AND t.state = 'waiting'"""


async def why_waiting(db: Database, tasks: Sequence[int], now: datetime, contract_at_once: int) -> dict[int, str]:
    """What keeps each of these tasks from running; those that do not wait are absent."""
    async with db.connection() as connection:
        rows = await connection.fetch(_WHY, tasks, now, contract_at_once)
    return {row["id"]: row["why"] for row in rows}
