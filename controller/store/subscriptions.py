"""Subscriptions, and the log of what went to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from asyncpg import Record

from controller.domain.access import Caller
from controller.store import audit, news
from controller.store.pool import Connection, Database

TOO_MANY = -1

_COLUMNS = """s.id, s.contract, s.channel, s.address, s.language, s.topics, s.account, s.created_at, s.disabled_at,
    s.disabled_why, s.failing_since"""


@dataclass(frozen=True, slots=True)
class New:
    """secret: sealed; None for mail."""

    contract: str | None
    channel: str
    address: str
    language: str
    topics: Sequence[str]
    secret: bytes | None


_COUNT = "SELECT count(*) FROM subscription WHERE contract IS NOT DISTINCT FROM $1 AND disabled_at IS NULL"


async def count(db: Database, contract: str | None) -> int:
    """Of the contract, or to all contracts (None), that have not ended."""
    async with db.connection() as connection:
        there: int = await connection.fetchval(_COUNT, contract)
    return there


async def create(db: Database, new: New, most: int, *, caller: Caller, now: datetime) -> int | None:
    """Its id; None when there is no such contract, TOO_MANY when it has `most` that are not ended."""
    query = """INSERT INTO subscription (contract, channel, address, language, topics, secret, account, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id"""
    async with db.transaction() as tx:
        locked = (
            "SELECT FROM contract WHERE contract = $1 FOR NO KEY UPDATE"  # of two at once, the later counts the earlier
        )
        if new.contract is not None and await tx.fetchrow(locked, new.contract) is None:
            return None
        if await tx.fetchval(_COUNT, new.contract) >= most:
            return TOO_MANY
        values = asdict(new)
        subscription: int = await tx.fetchval(query, *values.values(), caller.account, now)
        await _note(tx, "create", subscription, new.contract, _told(values), caller, now)
    return subscription


@dataclass(frozen=True, slots=True)
class Changed:
    """As it is to be. enabled None: as it is."""

    address: str
    language: str
    topics: Sequence[str]
    enabled: bool | None


_CHANGE = """
    UPDATE subscription SET address = $2, language = $3, topics = $4,
           disabled_at = CASE WHEN $5::boolean IS NULL THEN disabled_at WHEN $5 THEN NULL
                              ELSE coalesce(disabled_at, $6) END,
           disabled_why = CASE WHEN $5 IS NULL THEN disabled_why WHEN $5 THEN ''
                               WHEN disabled_at IS NULL THEN 'person' ELSE disabled_why END,
           failing_since = CASE WHEN address = $2 THEN failing_since END,
           account = CASE WHEN $5 THEN $7 ELSE account END
    WHERE id = $1"""


async def change(db: Database, row: Record, changed: Changed, *, caller: Caller, now: datetime) -> None:
    """Change it; one that ends has what waits cancelled. Who takes it up again answers for it from then on."""
    async with db.transaction() as tx:
        values = (row["id"], changed.address, changed.language, list(changed.topics), changed.enabled, now)
        await tx.execute(_CHANGE, *values, caller.account)
        await news.cancel(tx, now, row["id"])
        action = "end" if changed.enabled is False else "change"
        await _note(tx, action, row["id"], row["contract"], _told(asdict(changed)), caller, now)


def _told(values: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """For the audit trail. A webhook's path is often a secret itself, so of its address the host is enough."""
    address = values["address"]
    shown = address.split("/")[2] if "://" in address else address
    return {"address": shown} | {name: values[name] for name in ("language", "topics", "enabled") if name in values}


async def _note(
    tx: Connection,
    action: str,
    subscription: int,
    contract: str | None,
    detail: dict[str, Any],
    caller: Caller,
    now: datetime,
) -> None:
    subject = f"subscription {subscription}"
    await audit.write(tx, caller, f"subscription.{action}", subject, now=now, contract=contract, detail=detail)


async def page(db: Database, *, contract: str | None, after: int | None, limit: int) -> list[Record]:
    """By id: of one contract, None for all."""
    query = f"""SELECT {_COLUMNS} FROM subscription s
        WHERE ($1::text IS NULL OR s.contract = $1) AND ($2::bigint IS NULL OR s.id > $2)
        ORDER BY s.id LIMIT $3"""  # noqa: S608 (constant text)
    async with db.connection() as connection:
        return await connection.fetch(query, contract, after, limit)


async def one(db: Database, subscription: int, contract: str | None) -> Record | None:
    """One of the contract, None for any."""
    query = f"""SELECT {_COLUMNS} FROM subscription s
        WHERE s.id = $1 AND ($2::text IS NULL OR s.contract = $2)"""  # noqa: S608 (constant text)
    async with db.connection() as connection:
        return await connection.fetchrow(query, subscription, contract)


async def write_test(db: Database, row: Record, topic: str, *, caller: Caller, now: datetime) -> int:
    """A piece of news and its delivery; the delivery's id."""
    query = """
        WITH told AS (
            INSERT INTO outbox (at, topic, subject, payload)
            VALUES ($2, $3, 'subscription ' || $1::bigint, jsonb_build_object('subscription', $1::bigint)) RETURNING *)
        INSERT INTO delivery (subscription, news, at, topic, subject, contract, payload, due_at, key)
        SELECT $1, id, at, topic, subject, $4, payload, $2, gen_random_uuid() FROM told RETURNING id"""
    async with db.transaction() as tx:
        delivery: int = await tx.fetchval(query, row["id"], now, topic, row["contract"])
        await _note(tx, "test", row["id"], row["contract"], {"delivery": delivery}, caller, now)
    return delivery


_DELIVERY = """d.id, d.subscription, d.news, d.key, d.at, d.topic, d.subject, d.contract, d.state, d.attempts, d.due_at,
    d.ended_at,
    (SELECT a.outcome FROM delivery_attempt a WHERE a.delivery = d.id ORDER BY a.at DESC LIMIT 1) AS outcome"""


async def deliveries(
    db: Database,
    *,
    contract: str | None,
    subscription: int | None,
    state: str | None,
    before: int | None,
    limit: int,
) -> list[Record]:
    """Newest first: of one subscription, of one contract's subscriptions, or all.

    Each subscription's newest are read by its index and merged: a page costs its rows, however many went to others.
    """
    matching = "($3::text IS NULL OR d.state = $3) AND ($4::bigint IS NULL OR d.id < $4)"
    every = f"SELECT {_DELIVERY} FROM delivery d WHERE {matching} ORDER BY d.id DESC LIMIT $5"  # noqa: S608
    own = f"""SELECT {_DELIVERY} FROM subscription s CROSS JOIN LATERAL (
            SELECT * FROM delivery d WHERE d.subscription = s.id AND {matching} ORDER BY d.id DESC LIMIT $5) d
        WHERE ($1::text IS NULL OR s.contract = $1) AND ($2::bigint IS NULL OR s.id = $2)
        ORDER BY d.id DESC LIMIT $5"""  # noqa: S608 (constant text)
    async with db.connection() as connection:
        if contract is None and subscription is None:
            every = every.replace("$3", "$1").replace("$4", "$2").replace("$5", "$3")
            return await connection.fetch(every, state, before, limit)
        return await connection.fetch(own, contract, subscription, state, before, limit)


async def delivery(db: Database, delivery: int, contract: str | None) -> tuple[Record, list[Record]] | None:
    """One with what it tells, and the last hundred attempts at it, newest first; of one moment, so that they agree.
    `ended`: its subscription has."""
    one = f"""SELECT {_DELIVERY}, d.payload, s.channel, s.address, s.disabled_at IS NOT NULL AS ended
        FROM delivery d JOIN subscription s ON s.id = d.subscription
        WHERE d.id = $1 AND ($2::text IS NULL OR s.contract = $2)"""  # noqa: S608 (constant text)
    tried = """SELECT at, outcome, status, duration_s FROM delivery_attempt WHERE delivery = $1
        ORDER BY at DESC LIMIT 100"""
    async with db.transaction(readonly=True) as tx:
        row = await tx.fetchrow(one, delivery, contract)
        return None if row is None else (row, await tx.fetch(tried, delivery))


async def replay(db: Database, row: Record, *, caller: Caller, now: datetime) -> bool:
    """It waits again, due now, with all its attempts before it; False while it is being sent."""
    query = """UPDATE delivery SET state = 'waiting', attempts = 0, due_at = $2, ended_at = NULL
        WHERE id = $1 AND state <> 'sending' RETURNING id"""
    async with db.transaction() as tx:
        if await tx.fetchval(query, row["id"], now) is None:
            return False
        detail = {"subscription": row["subscription"], "topic": row["topic"]}
        await audit.write(
            tx,
            caller,
            "delivery.replay",
            f"delivery {row['id']}",
            now=now,
            contract=row["contract"],
            detail=detail,
        )
    return True
