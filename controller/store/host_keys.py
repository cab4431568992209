"""Host keys that adapters showed instead of the pinned one, and what was decided about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from controller.domain.access import Caller
from controller.domain.errors import Conflict, NotFound
from controller.domain.host_key import MOST_OPEN, MOVES, Event, State, advance
from controller.store import audit
from controller.store.pool import Connection, Database

_OFFERED = """
    WITH shown AS (
        INSERT INTO host_key_offer AS o (adapter, contract, offered, pinned, task, first_at, last_at)
        SELECT $1, (SELECT c.contract FROM registration r JOIN code c USING (code) WHERE r.adapter = $1),
               $2, $3, $4, $5, $5
        ON CONFLICT (adapter, offered) WHERE state IN ('open', 'refused') DO UPDATE
            SET times = o.times + 1, last_at = excluded.last_at, task = excluded.task, pinned = excluded.pinned
        RETURNING *
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT $5, 'host-key.offered', adapter, jsonb_build_object('offer', id, 'offered', offered, 'task', task)
        FROM shown WHERE times = 1)
    SELECT id, times FROM shown"""

_TOO_MANY = """
    DELETE FROM host_key_offer WHERE id IN (SELECT id FROM host_key_offer WHERE adapter = $1 AND state = 'open'
                                            ORDER BY last_at DESC, id DESC OFFSET $2)"""


async def offered(db: Database, adapter: str, key: str, *, pinned: str, task: int, now: datetime) -> bool:
    """An adapter showed this key instead of the pinned one; True when it is the first time since the last decision.

    Of each adapter the newest MOST_OPEN undecided keys are kept.
    """
    async with db.transaction() as tx:
        row = await tx.fetchrow(_OFFERED, adapter, key, pinned, task, now)
        await tx.execute(_TOO_MANY, adapter, MOST_OPEN)
    return bool(row is not None and row["times"] == 1)


_OFFER = """
    SELECT o.id, o.adapter, r.code, c.contract, o.offered, o.pinned, a.ssh_host_key AS pinned_now, o.state, o.task,
           o.first_at, o.last_at, o.times, o.decided_at, o.decided_by, o.reason
    FROM host_key_offer o JOIN adapter a ON a.serial = o.adapter
    LEFT JOIN registration r ON r.adapter = o.adapter LEFT JOIN code c ON c.code = r.code"""


async def page(
    db: Database, *, contract: str | None, adapter: str | None, state: State | None, before: int | None, limit: int
) -> list[Record]:
    """Offers, newest first. contract: of adapters that are on its codes now."""
    where = """ WHERE ($1::text IS NULL OR c.contract = $1) AND ($2::text IS NULL OR o.adapter = $2)
        AND ($3::text IS NULL OR o.state = $3) AND ($4::bigint IS NULL OR o.id < $4) ORDER BY o.id DESC LIMIT $5"""
    async with db.connection() as connection:
        return await connection.fetch(_OFFER + where, contract, adapter, state, before, limit)


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decides, when and why."""

    reason: str
    caller: Caller
    now: datetime


async def accept(db: Database, offer: int, decision: Decision) -> Record:
    """Pin the offered key; every other undecided one of the adapter is superseded. Raises NotFound, Conflict.

    One transaction with audit and news; returns the offer as it is then.
    """
    async with db.transaction() as tx:
        row = await _decide(tx, offer, Event.ACCEPTED, decision)
        await tx.execute("UPDATE adapter SET ssh_host_key = $2 WHERE serial = $1", row["adapter"], row["offered"])
        await repinned(tx, row["adapter"])
        return await _told(tx, row, "host-key.accept", decision)


async def refuse(db: Database, offer: int, decision: Decision) -> Record:
    """The pinned key stays; shown again, this one stays refused. Raises NotFound, Conflict."""
    async with db.transaction() as tx:
        row = await _decide(tx, offer, Event.REFUSED, decision)
        return await _told(tx, row, "host-key.refuse", decision)


async def repinned(tx: Connection, adapter: str) -> None:
    """Another key was pinned for the adapter: its undecided offers are superseded."""
    moved = MOVES[State.OPEN, Event.REPINNED]
    query = "UPDATE host_key_offer SET state = $2 WHERE adapter = $1 AND state = 'open'"
    await tx.execute(query, adapter, moved.value)


async def _decide(tx: Connection, offer: int, event: Event, decision: Decision) -> Record:
    """The offer as it was, moved. The adapter's row is locked first, as everywhere that pins a key."""
    serial = await tx.fetchval("SELECT adapter FROM host_key_offer WHERE id = $1", offer)
    await tx.execute("SELECT FROM adapter WHERE serial = $1 FOR NO KEY UPDATE", serial)
    row = await tx.fetchrow(_OFFER + " WHERE o.id = $1 FOR UPDATE OF o", offer)
    if row is None:
        raise NotFound("No offered host key {offer}.", next_step="hikitsugi host-key ls lists them.", offer=offer)
    state = advance(State(row["state"]), event)
    if state is None or row["pinned"] != row["pinned_now"]:
        raise Conflict(
            "Host key {offer} of {adapter} is {state}, and what is pinned may have changed since.",
            next_step="hikitsugi host-key ls shows what is offered now; `hikitsugi adapter pin` pins any key.",
            **{name: row[name] for name in ("adapter", "state")},
            offer=offer,
        )
    await tx.execute(
        "UPDATE host_key_offer SET state = $2, decided_at = $3, decided_by = $4, reason = $5 WHERE id = $1",
        *(offer, state.value, decision.now, decision.caller.account, decision.reason),
    )
    return row


async def _told(tx: Connection, was: Record, action: str, decision: Decision) -> Record:
    row = await tx.fetchrow(_OFFER + " WHERE o.id = $1", was["id"])
    assert row is not None  # locked by this transaction
    detail = {"offer": row["id"], "offered": row["offered"], "was": was["pinned_now"], "reason": decision.reason}
    await audit.write(
        tx, decision.caller, action, row["adapter"], now=decision.now, contract=row["contract"], detail=detail
    )
    await tx.execute(
        "INSERT INTO outbox (at, topic, subject, payload) VALUES ($1, $2, $3, $4)",
        *(decision.now, f"host-key.{row['state']}", row["adapter"], {"offer": row["id"], "offered": row["offered"]}),
    )
    return row
