"""Campaigns, their tasks and what the adapters printed. Tasks are claimed under a lease with a fencing number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncpg import Record, UniqueViolationError

from controller.domain.access import Caller
from controller.ports import Failure
from controller.series import ALL, Via
from controller.store import audit
from controller.store.pool import Database
from controller.store.transcripts import Kept

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


_RETURN_LOST = """
    UPDATE task SET lease_until = NULL,
        state = CASE WHEN fence < $2 THEN 'waiting' ELSE 'failed' END,
        failure = CASE WHEN fence < $2 THEN NULL ELSE 'worker-lost' END,
        detail = CASE WHEN fence < $2 THEN '' ELSE 'The worker was lost each time; run it again.' END,
        finished_at = CASE WHEN fence < $2 THEN NULL ELSE $1 END
    WHERE id IN (SELECT id FROM task WHERE state = 'running' AND lease_until < $1 LIMIT 500 FOR UPDATE SKIP LOCKED)"""

_CLAIM = """
    WITH mine AS (
        UPDATE task SET state = 'running', fence = fence + 1, lease_until = $2, started_at = $1
        WHERE id IN (
            SELECT t.id FROM task t
            WHERE t.state = 'waiting' AND t.due_at <= $1
              AND NOT EXISTS (SELECT FROM task r WHERE r.adapter = t.adapter AND r.state = 'running')
              AND NOT EXISTS (SELECT FROM task e WHERE e.adapter = t.adapter AND e.state = 'waiting' AND e.id < t.id)
              AND NOT EXISTS (  -- the controller that holds the tunnel runs what goes through it
                  SELECT FROM reach o JOIN campaign oc ON oc.id = t.campaign JOIN adapter oa ON oa.serial = t.adapter
                  WHERE o.adapter = t.adapter AND o.controller <> $4
                    AND (oc.via = 'arms' OR oc.via IS NULL AND oa.series = ANY ($5)))
            ORDER BY t.due_at, t.id FOR UPDATE SKIP LOCKED LIMIT $3)
        RETURNING id, fence, campaign, code, adapter
    )
    SELECT m.id, m.fence, m.code, p.lines, p.via, a.serial, a.distribution_id, a.series, a.ssh_username,
           a.ssh_password, a.ssh_host_key,
           host(coalesce(a.ssh_address, k.last_address)) AS address, a.ssh_port, coalesce(k.firmware, '') AS firmware,
           r.since, h.id AS reach, h.tunnel, h.endpoint, h.rs_sa_key AS endpoint_key, h.certificate_sha256, h.legacy
    FROM mine m JOIN campaign p ON p.id = m.campaign JOIN adapter a ON a.serial = m.adapter
    LEFT JOIN registration r ON r.adapter = m.adapter AND r.code = m.code
    LEFT JOIN contact k ON k.adapter = m.adapter
    LEFT JOIN LATERAL (SELECT * FROM reach o WHERE o.adapter = m.adapter AND o.code = r.code AND o.since = r.since
                         AND a.locked_out_at IS NULL AND (o.controller IS NULL OR o.controller = $4)
                       ORDER BY o.controller IS NULL, o.id DESC LIMIT 1) h ON true"""

_ARMS_FIRST = [series.name for series in ALL if series.vias[0] is Via.ARMS]


async def return_lost(db: Database, now: datetime, *, attempts: int = 3) -> None:
    """Tasks whose lease ran out wait again, or fail after `attempts` claims (status commands may be repeated)."""
    async with db.connection() as connection:
        await connection.execute(_RETURN_LOST, now, attempts)


async def end_leases(db: Database, now: datetime) -> None:
    """End every lease now, so that the next `return_lost` returns the tasks. Only while no worker is at work."""
    async with db.connection() as connection:
        await connection.execute("UPDATE task SET lease_until = $1 WHERE state = 'running'", now)


async def claim(db: Database, now: datetime, lease: timedelta, limit: int, *, controller: int = 0) -> list[Record]:
    """Claim up to `limit` due tasks, at most one an adapter; each row has what its run needs.

    address is None when the adapter has never been heard of, since when it is no longer on the task's code (a task that
    was claimed before an exchange and returned after it). reach is None when ARMS does not get there from here.
    controller: id of this one; what goes through another one's tunnel is left to that one.
    Two workers may race for one adapter: the partial unique index settles it, and the loser claims nothing this time.
    """
    async with db.connection() as connection:
        try:
            return await connection.fetch(_CLAIM, now, now + lease, limit, controller, _ARMS_FIRST)
        except UniqueViolationError:
            return []


async def release(db: Database, task: int, fence: int) -> None:
    """Give a claimed task back: it waits for its next worker at once. Nothing happens when the lease was lost."""
    query = """UPDATE task SET state = 'waiting', lease_until = NULL, started_at = NULL
               WHERE id = $1 AND fence = $2 AND state = 'running'"""
    async with db.connection() as connection:
        await connection.execute(query, task, fence)


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of one claimed task. since: of the registration it ran on, None when it did not run for want of one.
    via: the transport that was used, None when none was."""

    task: int
    fence: int
    since: datetime | None
    firmware: str
    kept: Sequence[Kept]
    failure: Failure | None
    detail: str
    via: Via | None


_FINISH = "SELECT finish_task($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)"


async def finish(db: Database, finished: Finished, now: datetime) -> bool:
    """Record result and transcripts in one transaction; False when the lease was lost (then nothing is recorded)."""
    kept, failure = finished.kept, finished.failure
    async with db.connection() as connection:
        recorded: bool = await connection.fetchval(
            _FINISH,
            *(finished.task, finished.fence, now, failure.value if failure else None, finished.detail),
            *([k.line for k in kept], [k.command for k in kept], [k.sha256 for k in kept], [k.size for k in kept]),
            *([k.packed for k in kept], [k.masked for k in kept], [k.truncated for k in kept]),
            *([k.failure for k in kept], [k.detail for k in kept]),
            *([k.started_at for k in kept], [k.duration_s for k in kept]),
            *(finished.since, finished.firmware, finished.via),
        )
    return recorded


async def next_due(db: Database) -> datetime | None:
    """When the next waiting task is due, None when none waits."""
    async with db.connection() as connection:
        due: datetime | None = await connection.fetchval("SELECT min(due_at) FROM task WHERE state = 'waiting'")
    return due


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
