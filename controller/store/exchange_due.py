"""Cases that the clock has something to do for, each kind of work in pages by id; and what it tells people."""

from __future__ import annotations

from datetime import datetime

from controller.domain.why import Why
from controller.store.pool import Database, Row

# Evidence comes before removal; what has been collected since before $3 is not waited for any longer.
_TO_CHANGE = """
    SELECT x.id FROM exchange x
    WHERE x.state IN ('dispatched', 'driver-assigned') AND x.ended_at IS NULL AND x.kind <> 'swap' AND x.id > $4
      AND (x.change_at <= $1 OR $2 AND EXISTS (
           SELECT FROM contact k WHERE k.adapter = x.new_adapter AND k.last_pull_at >= x.dispatched_at))
      AND (x.evidence <> 'collecting' OR EXISTS (
           SELECT FROM campaign c WHERE c.id = x.evidence_campaign AND c.created_at <= $3))
    ORDER BY x.id LIMIT $5"""


async def to_change(
    db: Database, now: datetime, *, at_call: bool, waited_since: datetime, after: int, limit: int
) -> list[int]:
    """Cases whose registration is to change: by the time set, or (at_call) because the replacement has called home.

    waited_since: a collection of evidence that began after it is waited for.
    """
    async with db.connection() as connection:
        rows = await connection.fetch(_TO_CHANGE, now, at_call, waited_since, after, limit)
    return [row["id"] for row in rows]


_BOOTED = """
    SELECT x.id FROM exchange x
    WHERE x.state = 'registration-changed' AND x.kind = 'on-site' AND x.ended_at IS NULL AND x.id > $1
      AND EXISTS (SELECT FROM contact k WHERE k.adapter = x.new_adapter AND k.last_pull_at >= x.changed_at)
    ORDER BY x.id LIMIT $2"""


async def to_confirm(db: Database, *, after: int, limit: int) -> list[int]:
    """On-site cases whose replacement was seen since the change; whether it booted normally is another question."""
    async with db.connection() as connection:
        return [row["id"] for row in await connection.fetch(_BOOTED, after, limit)]


_ARRIVED = """
    SELECT x.id FROM exchange x
    WHERE x.state = 'registration-changed' AND x.kind = 'send-back' AND x.ended_at IS NULL AND x.id > $1
      AND x.standby IS NOT NULL
      AND EXISTS (SELECT FROM contact k WHERE k.adapter = x.new_adapter AND k.last_pull_at >= x.changed_at)
    ORDER BY x.id LIMIT $2"""


async def to_deliver(db: Database, *, after: int, limit: int) -> list[int]:
    """Replacements for standby codes that were seen: they are given no config, so no method query says it."""
    async with db.connection() as connection:
        return [row["id"] for row in await connection.fetch(_ARRIVED, after, limit)]


# First the few that are late, by the index exchange_return_due, then their order: with a limit in sight the planner
# would walk through all exchanges.
_LATE = """
    WITH late AS MATERIALIZED (
        SELECT id FROM exchange WHERE return_due_at < $1 AND state IN ('delivered', 'waiting')
          AND return_due_at IS NOT NULL AND returned_at IS NULL AND ended_at IS NULL)
    SELECT id FROM late WHERE id > $2 ORDER BY id LIMIT $3"""


async def overdue(db: Database, now: datetime, *, after: int, limit: int) -> list[int]:
    """Cases whose faulty unit should have been returned by now (R3.9)."""
    async with db.connection() as connection:
        return [row["id"] for row in await connection.fetch(_LATE, now, after, limit)]


_COMPLETE = """
    SELECT x.id FROM exchange x JOIN exchange s ON s.id = x.of_exchange
    WHERE x.state = 'registered' AND x.kind = 'return' AND x.ended_at IS NULL AND x.id > $1
      AND s.evidence = 'collected'
    ORDER BY x.id LIMIT $2"""


async def complete(db: Database, *, after: int, limit: int) -> list[int]:
    """Returns that lack nothing: the replacement is registered and the swap's evidence is there."""
    async with db.connection() as connection:
        return [row["id"] for row in await connection.fetch(_COMPLETE, after, limit)]


_STUCK = """
    WITH stuck AS (
        UPDATE exchange SET stuck_at = $2, why = $3
        WHERE id = $1 AND ended_at IS NULL AND (stuck_at IS NULL OR stuck_at <= $2::timestamptz - interval '1 day')
        RETURNING id, kind, state, coalesce(entry, standby) AS code, old_adapter, new_adapter
    ), journal AS (
        INSERT INTO exchange_move (exchange, at, event, from_state, to_state, account, role, data)
        SELECT id, $2, 'stuck', state, state, 'controller', 'controller',
               jsonb_strip_nulls(jsonb_build_object('why', $3::jsonb, 'for_staff', $4::jsonb)) FROM stuck
    )
    INSERT INTO outbox (at, topic, subject, payload)
    SELECT $2, 'exchange.stuck', code, jsonb_build_object('exchange', id, 'kind', kind, 'code', code, 'state', state,
           'old_adapter', old_adapter, 'new_adapter', new_adapter, 'why', $3::jsonb) FROM stuck
    RETURNING true"""


async def stuck(db: Database, exchange: int, why: Why, now: datetime, *, for_staff: Why | None = None) -> bool:
    """Say, once a day at most, that the clock cannot go on with it, and why; True when it was said.

    for_staff: what only staff read in the journal, where `why` does not say all.
    """
    async with db.connection() as connection:
        return bool(await connection.fetchval(_STUCK, exchange, now, why, for_staff))


# A reminder of something that is no longer awaited is done without a word.
_REMIND = """
    WITH due AS (
        SELECT exchange, what FROM exchange_reminder WHERE done_at IS NULL AND due_at <= $1
        ORDER BY due_at, exchange LIMIT $2 FOR UPDATE SKIP LOCKED
    ), done AS (
        UPDATE exchange_reminder r SET done_at = $1 FROM due
        WHERE r.exchange = due.exchange AND r.what = due.what RETURNING r.exchange, r.what
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT $1, 'exchange.reminder', coalesce(x.entry, x.standby), jsonb_build_object('exchange', x.id,
               'kind', x.kind, 'code', coalesce(x.entry, x.standby), 'state', x.state, 'old_adapter', x.old_adapter,
               'new_adapter', x.new_adapter, 'what', d.what, 'due_at', x.deadline_at)
        FROM done d JOIN exchange x ON x.id = d.exchange
        WHERE CASE WHEN d.what LIKE 'late-%' THEN x.state = substr(d.what, 6) AND x.deadline_at <= $1
                   ELSE x.state IN ('delivered', 'waiting') END
        ORDER BY x.id
        RETURNING payload
    )
    SELECT (payload ->> 'exchange')::bigint AS exchange, payload ->> 'what' AS what FROM news"""


async def remind(db: Database, now: datetime, *, limit: int) -> list[Row]:
    """Put due reminders into the outbox, each once: exchange and what of those that still matter."""
    async with db.connection() as connection:
        return await connection.fetch(_REMIND, now, limit)
