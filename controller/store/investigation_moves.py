"""How investigations change: opened, widened, prolonged, pointing at results, closed with all that waits under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncpg import Record

from controller.store.campaigns import tell_workers
from controller.store.claims import cancel_waiting
from controller.store.pool import Connection


@dataclass(frozen=True, slots=True)
class New:
    """An investigation to be opened. inquiry: the desk's own reference, "" for none."""

    contract: str
    title: str
    observed: str
    reported_by: str
    inquiry: str
    account: str
    expires_at: datetime


async def insert(tx: Connection, new: New, now: datetime) -> int:
    """A new open investigation; its id."""
    query = """INSERT INTO investigation (contract, title, observed, reported_by, inquiry, opened_by, opened_at,
            expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id"""
    values = (new.contract, new.title, new.observed, new.reported_by, new.inquiry, new.account, now, new.expires_at)
    return int(await tx.fetchval(query, *values))


async def is_operator(tx: Connection, account: str, contract: str) -> bool:
    """Is the account a registered operator of the contract, and not disabled (R1.2)?"""
    query = """SELECT EXISTS (SELECT FROM account WHERE account = $1 AND contract = $2 AND role = 'operator'
                              AND disabled_at IS NULL)"""
    found: bool = await tx.fetchval(query, account, contract)
    return found


async def registered(tx: Connection, contract: str, codes: Sequence[str], serials: Sequence[str]) -> list[Record]:
    """Rows of code and adapter that the contract has now, by these codes or these serials."""
    query = """SELECT r.code, r.adapter FROM registration r JOIN code c ON c.code = r.code
        WHERE c.contract = $1 AND (r.code = ANY ($2) OR r.adapter = ANY ($3)) ORDER BY r.code"""
    return await tx.fetch(query, contract, list(codes), list(serials))


async def add_adapters(
    tx: Connection, investigation: int, rows: Sequence[Record], account: str, now: datetime
) -> list[str]:
    """Add rows of `registered`; the serials that were not there before."""
    query = """INSERT INTO investigation_adapter (investigation, adapter, code, added_at, added_by)
        SELECT $1, adapter, code, $2, $3 FROM unnest($4::text[], $5::text[]) AS u (adapter, code)
        ON CONFLICT DO NOTHING RETURNING adapter"""
    units, codes = [row["adapter"] for row in rows], [row["code"] for row in rows]
    return [row["adapter"] for row in await tx.fetch(query, investigation, now, account, units, codes)]


async def concerns(tx: Connection, investigation: int, adapter: str) -> bool:
    """Is the adapter one of the investigation's?"""
    query = "SELECT EXISTS (SELECT FROM investigation_adapter WHERE investigation = $1 AND adapter = $2)"
    found: bool = await tx.fetchval(query, investigation, adapter)
    return found


async def prolong(tx: Connection, investigation: int, expires_at: datetime) -> None:
    """Another end of the time box."""
    await tx.execute("UPDATE investigation SET expires_at = $2 WHERE id = $1", investigation, expires_at)


# The operator's own, on the contract's codes, that were under way at some moment from $2 to $3.
_TASKS_THEN = """
    SELECT t.id FROM task t JOIN campaign p ON p.id = t.campaign
    JOIN account a ON a.account = p.account AND a.role = 'operator' AND a.contract = t.contract
    WHERE t.adapter = $1 AND t.contract = $4 AND t.started_at <= $3 AND coalesce(t.finished_at, $3) >= $2"""
_OPERATIONS_THEN = """
    SELECT o.id FROM operation o
    JOIN account a ON a.account = o.account AND a.role = 'operator' AND a.contract = o.contract
    WHERE o.adapter = $1 AND o.contract = $4 AND o.purpose = 'request' AND o.sent_at <= $3
      AND coalesce(o.finished_at, $3) >= $2"""
_POINT_AT_TASKS = """
    INSERT INTO investigation_result (investigation, task, executed_at, added_at, added_by)
    SELECT $1, task, $2, $3, $4 FROM unnest($5::bigint[]) AS u (task) ON CONFLICT DO NOTHING"""
_POINT_AT_OPERATIONS = """
    INSERT INTO investigation_operation (investigation, operation, executed_at, added_at, added_by)
    SELECT $1, operation, $2, $3, $4 FROM unnest($5::bigint[]) AS u (operation) ON CONFLICT DO NOTHING"""


@dataclass(frozen=True, slots=True)
class Pointed:
    """What an execution time led to: ids of tasks and of push operations."""

    tasks: tuple[int, ...]
    operations: tuple[int, ...]


async def then(tx: Connection, contract: str, adapter: str, executed_at: datetime, tolerance: timedelta) -> Pointed:
    """What the contract's operators had running on the adapter at that time, give or take the tolerance."""
    window = (adapter, executed_at - tolerance, executed_at + tolerance, contract)
    tasks = await tx.fetch(_TASKS_THEN, *window)
    operations = await tx.fetch(_OPERATIONS_THEN, *window)
    return Pointed(tuple(row["id"] for row in tasks), tuple(row["id"] for row in operations))


async def point_at(
    tx: Connection, investigation: int, pointed: Pointed, executed_at: datetime, account: str, now: datetime
) -> None:
    """Note them, with the time as it was named; those noted before stay as they are."""
    values = (investigation, executed_at, now, account)
    await tx.execute(_POINT_AT_TASKS, *values, pointed.tasks)
    await tx.execute(_POINT_AT_OPERATIONS, *values, pointed.operations)


_CLOSE = """
    UPDATE investigation SET closed_at = $2, closed_by = $3, finding = $4 WHERE id = $1 AND closed_at IS NULL"""
# Campaigns are waited for in the order of their ids, as those who end tasks go through them (migration 0010).
_ABORT_CAMPAIGNS = """
    WITH live AS MATERIALIZED (
        SELECT id FROM campaign WHERE investigation = $1 AND state IN ('running', 'paused')
        ORDER BY id FOR NO KEY UPDATE)
    UPDATE campaign c SET state = 'aborted', why = $3, changed_at = $2, ended_at = $2
    FROM live WHERE c.id = live.id RETURNING c.id"""
_CANCEL_OPERATIONS = """
    WITH ended AS (
        UPDATE operation SET state = 'cancelled', detail = $3, finished_at = $2, deadline_at = NULL
        WHERE id IN (SELECT o.id FROM operation o WHERE o.investigation = $1 AND o.state = 'waiting'
                     FOR UPDATE SKIP LOCKED)
        RETURNING id, kind, adapter, code
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT $2, 'operation.cancelled', adapter, jsonb_build_object('operation', id, 'kind', kind, 'code', code)
        FROM ended
    )
    SELECT id FROM ended"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What closing took back: ids of aborted campaigns, how many waiting tasks, ids of cancelled push operations."""

    campaigns: tuple[int, ...]
    tasks: int
    operations: tuple[int, ...]


async def close(tx: Connection, investigation: int, account: str, finding: str, why: str, now: datetime) -> Ended:
    """Close it, abort its campaigns, cancel what waits under it; running tasks are told to stop.

    why: the sentence that each of them shows.
    """
    await tx.execute(_CLOSE, investigation, now, account, finding)
    values = (investigation, now, why)
    campaigns = sorted(row["id"] for row in await tx.fetch(_ABORT_CAMPAIGNS, *values))
    tasks = 0
    for campaign in campaigns:  # tasks and operations that others hold at this moment are cancelled by the next turn
        tasks += await cancel_waiting(tx, campaign, why, now)
    operations = [row["id"] for row in await tx.fetch(_CANCEL_OPERATIONS, *values)]
    await tx.execute(_TELL, "campaign.aborted", now, campaigns, why)
    for campaign in campaigns:
        await tell_workers(tx, campaign)
    return Ended(tuple(campaigns), tasks, tuple(operations))


_TELL = """
    INSERT INTO outbox (at, topic, subject, payload)
    SELECT $2, $1, 'campaign ' || id, jsonb_build_object('campaign', id, 'why', $4::text)
    FROM unnest($3::bigint[]) AS u (id)"""


async def told(tx: Connection, topic: str, investigation: int, contract: str, now: datetime) -> None:
    """The outbox row of a change."""
    query = "INSERT INTO outbox (at, topic, subject, payload) VALUES ($1, $2, $3, $4)"
    payload = {"investigation": investigation, "contract": contract}
    await tx.execute(query, now, topic, f"investigation {investigation}", payload)
