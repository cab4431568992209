"""News on their way: fanning out of the outbox, claiming of deliveries, and what came of each attempt.

Every piece of news is taken once and none is missed (fan_out_news, migration 0023); a delivery is claimed under a lease
with a fence, so who dies in the middle loses it, and it is sent again under the same key.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncpg import Record

from controller.store.pool import Connection, Database

AT_ONCE_EACH = 4
"""Deliveries of one subscription that are being sent at once; one, while nothing goes through."""


async def fan_out(db: Database, now: datetime, most: int, mailable: Collection[str]) -> int:
    """Take the next `most` pieces of news from the outbox and write their deliveries. How many were taken; 0 also while
    another controller is at it.

    mailable: topics that a pattern with * means for subscriptions by mail.
    """
    async with db.connection() as connection:
        if not await connection.fetchval(_ANYTHING):
            return 0
        taken: int = await connection.fetchval("SELECT fan_out_news($1, $2, $3)", now, most, list(mailable))
    return taken


# Without it an idle controller would spend a transaction number a second on taking the lock.
_ANYTHING = """SELECT EXISTS (SELECT FROM news_cursor c CROSS JOIN LATERAL (
        SELECT FROM outbox o WHERE (o.xid, o.id) > (c.xid, c.id) ORDER BY o.xid, o.id LIMIT 1) o)
    OR EXISTS (SELECT FROM news_cursor WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()))"""

# Those of which the fewest are under way come first: a receiver that hangs does not keep the others waiting.
_CLAIM = """
    WITH sending AS MATERIALIZED (
        SELECT subscription, count(*) AS n FROM delivery WHERE state = 'sending' GROUP BY subscription
    ), due AS (
        SELECT d.id FROM subscription s
        JOIN account a ON a.account = s.account AND a.disabled_at IS NULL
        LEFT JOIN sending ON sending.subscription = s.id
        CROSS JOIN LATERAL (
            SELECT q.id, q.due_at, row_number() OVER (ORDER BY q.due_at, q.id) AS place FROM (
                SELECT w.id, w.due_at FROM delivery w
                WHERE w.subscription = s.id AND w.state = 'waiting' AND w.due_at <= $1
                ORDER BY w.due_at, w.id
                LIMIT greatest(0, CASE WHEN s.failing_since IS NULL THEN $4 ELSE 1 END - coalesce(sending.n, 0))
                FOR UPDATE SKIP LOCKED) q) d
        WHERE s.disabled_at IS NULL
        ORDER BY coalesce(sending.n, 0) + d.place, d.due_at, d.id LIMIT $3
    )
    UPDATE delivery d SET state = 'sending', fence = fence + 1, attempts = attempts + 1, lease_until = $2
    FROM due, subscription s WHERE d.id = due.id AND s.id = d.subscription
    RETURNING d.id, d.subscription, d.news, d.key, d.at, d.topic, d.subject, d.contract, d.payload, d.attempts,
              d.fence, s.channel, s.address, s.language, s.secret"""


async def claim(db: Database, now: datetime, lease: timedelta, limit: int) -> list[Record]:
    """Take up to `limit` due deliveries: what is told, to whom, how, and the fence under which to record."""
    async with db.connection() as connection:
        return await connection.fetch(_CLAIM, now, now + lease, limit, AT_ONCE_EACH)


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of one attempt. state: delivered, waiting (again, due_at), or failed. gone: the receiver wants no more,
    so the subscription ends with it."""

    delivery: int
    fence: int
    state: str
    outcome: str
    status: int | None
    duration_s: float
    due_at: datetime
    gone: bool = False


# failing_since moves only when it changes: deliveries of one subscription end at the same time.
_RECORD = """
    WITH moved AS (
        UPDATE delivery SET state = $3, due_at = $4, lease_until = NULL,
               ended_at = CASE WHEN $3 <> 'waiting' THEN $5::timestamptz END
        WHERE id = $1 AND fence = $2 AND state = 'sending' RETURNING *
    ), attempt AS (
        INSERT INTO delivery_attempt (delivery, at, outcome, status, duration_s) SELECT id, $5, $6, $7, $8 FROM moved
    ), health AS (
        UPDATE subscription s SET failing_since = CASE WHEN $3 <> 'delivered' THEN $5::timestamptz END
        FROM moved m WHERE s.id = m.subscription AND (s.failing_since IS NULL) <> ($3 = 'delivered')
    ), trail AS (
        INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
        SELECT $5, 'controller', 'controller', 'delivery.failed', 'delivery ' || m.id, m.contract, 'done',
               jsonb_build_object('subscription', m.subscription, 'topic', m.topic, 'attempts', m.attempts,
                                  'outcome', $6::text, 'status', $7::integer)
        FROM moved m WHERE $3 = 'failed'
    )
    SELECT subscription FROM moved"""

_GONE = """
    WITH ended AS (
        UPDATE subscription SET disabled_at = $2, disabled_why = 'gone' WHERE id = $1 AND disabled_at IS NULL
        RETURNING id, contract
    )
    INSERT INTO audit (at, account, role, action, subject, contract, outcome)
    SELECT $2, 'controller', 'controller', 'subscription.gone', 'subscription ' || id, contract, 'done' FROM ended"""


async def record(db: Database, ended: Ended, now: datetime) -> bool:
    """Compare-and-set with its attempt and, where it failed for good, its audit row. False when the lease was lost:
    then another one has taken it over, and nothing is written."""
    async with db.transaction() as tx:
        subscription = await tx.fetchval(
            _RECORD,
            *(ended.delivery, ended.fence, ended.state, ended.due_at, now),
            *(ended.outcome, ended.status, ended.duration_s),
        )
        if subscription is not None and ended.gone:
            await tx.execute(_GONE, subscription, now)
            await cancel(tx, now, subscription)
    return subscription is not None


async def return_lost(db: Database, now: datetime) -> int:
    """Deliveries whose sender is gone wait again; how many. Whether they arrived nobody knows, so they are sent again,
    under the same key."""
    query = """
        WITH lost AS (
            SELECT id FROM delivery WHERE state = 'sending' AND lease_until <= $1 FOR UPDATE SKIP LOCKED
        ), moved AS (
            UPDATE delivery d
            SET state = 'waiting', due_at = $1, lease_until = NULL, attempts = greatest(attempts - 1, 0)
            FROM lost WHERE d.id = lost.id RETURNING d.id
        ), attempt AS (
            INSERT INTO delivery_attempt (delivery, at, outcome, duration_s) SELECT id, $1, 'sender-lost', 0 FROM moved
        )
        SELECT count(*)::integer FROM moved"""
    async with db.connection() as connection:
        returned: int = await connection.fetchval(query, now)
    return returned


async def end_leases(db: Database, now: datetime) -> None:
    """For the only controller of a database, before it works: what its predecessor was sending need not wait."""
    query = "UPDATE delivery SET lease_until = $1 WHERE state = 'sending' AND lease_until > $1"
    async with db.connection() as connection:
        await connection.execute(query, now)
    await return_lost(db, now)


async def cancel(connection: Connection, now: datetime, subscription: int | None = None) -> None:
    """Nothing more goes to a subscription that has ended, or whose account has. None: of all of them."""
    query = """
        UPDATE delivery d SET state = 'cancelled', ended_at = $1 FROM subscription s JOIN account a USING (account)
        WHERE d.subscription = s.id AND d.state = 'waiting' AND (s.id = $2 OR $2 IS NULL)
          AND (s.disabled_at IS NOT NULL OR a.disabled_at IS NOT NULL)"""
    await connection.execute(query, now, subscription)


# The oldest are looked at, and no others: this is asked every few seconds, mostly for nothing.
_FORGET_NEWS = """
    DELETE FROM outbox WHERE ctid = ANY (ARRAY (
        SELECT t.ctid FROM (SELECT o.ctid, o.at FROM outbox o WHERE {place} ORDER BY o.xid, o.id LIMIT $2) t
        WHERE t.at < $1))"""
_PLACES = ("o.xid IS NULL", "(o.xid, o.id) <= (SELECT c.xid, c.id FROM news_cursor c)")

_FORGET_DELIVERIES = """
    DELETE FROM delivery WHERE id = ANY (ARRAY (
        SELECT id FROM delivery WHERE ended_at < $1 ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED))"""

_FORGET_SUBSCRIPTIONS = """
    DELETE FROM subscription s
    WHERE disabled_at < $1 AND NOT EXISTS (SELECT FROM delivery d WHERE d.subscription = s.id)"""


async def forget_before(db: Database, before: datetime, limit: int) -> int:
    """Delete up to `limit` each of news taken and deliveries ended before then, and subscriptions that ended and have
    none left. How many rows went. Nothing goes that is still to be told."""
    gone = 0
    async with db.connection() as connection:
        for place in _PLACES:
            gone += _count(await connection.execute(_FORGET_NEWS.format(place=place), before, limit))
        gone += _count(await connection.execute(_FORGET_DELIVERIES, before, limit))
        gone += _count(await connection.execute(_FORGET_SUBSCRIPTIONS, before))
    return gone


def _count(tag: str) -> int:
    """Of a command's tag, "DELETE 12"."""
    return int(tag.rsplit(" ", 1)[-1])
