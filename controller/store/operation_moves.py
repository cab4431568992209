"""How operations move on: compare-and-set on state (and fence), each with its outbox and audit rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg import Record

from controller.domain.access import Caller
from controller.domain.operation import ENDED, State
from controller.store import audit
from controller.store.pool import Connection, Database

_ENDED = sorted(state.value for state in ENDED)

_MOVE = """
    WITH moved AS (
        UPDATE operation SET state = $3, deadline_at = $6, due_at = coalesce($7, due_at),
            transaction_id = coalesce($8, transaction_id), result = coalesce($9, result),
            description = coalesce($10, description), answer = coalesce($11, answer), detail = $12,
            value = coalesce($13, value), attempts = attempts - $14,
            started_at = CASE WHEN $3 = 'started' THEN $5 ELSE started_at END,
            sent_at = CASE WHEN NOT $19::boolean OR attempts > 1 THEN sent_at END,
            finished_at = CASE WHEN $3 = ANY ($15::text[]) THEN $5 END
        WHERE id = $1 AND state = $2 AND ($4::integer IS NULL OR fence = $4)
        RETURNING id, kind, adapter, code, contract, state, exchange, result, arguments, detail, account, investigation
    ), printed AS (
        INSERT INTO operation_output (operation, position, module, result, body)
        SELECT m.id, u.position, u.module, u.result, u.body
        FROM moved m, unnest($16::bigint[], $17::integer[], $18::bytea[]) WITH ORDINALITY
             AS u (module, result, body, position)
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT $5, 'operation.' || state, adapter,
               jsonb_strip_nulls(jsonb_build_object('operation', id, 'kind', kind, 'code', code, 'exchange', exchange))
        FROM moved WHERE state = ANY ($15::text[])
    ), trail AS (
        INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
        SELECT $5, 'controller', 'controller', 'config.push.failed', code, contract, 'done',
               jsonb_build_object('operation', id, 'adapter', adapter, 'result', result, 'why', detail)
        FROM moved WHERE kind = 'configure' AND state = 'failed'
    ), refused AS (
        INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
        SELECT $5, account, 'controller', 'adapter.' || kind, code, contract, 'refused',
               jsonb_strip_nulls(jsonb_build_object('operation', id, 'adapter', adapter, 'arguments', arguments,
                                                    'investigation', investigation, 'why', detail))
        FROM moved WHERE $19
    )
    SELECT id FROM moved"""


@dataclass(frozen=True, slots=True)
class Output:
    """One body of an answer, as it was received. result: the adapter's code for this one."""

    module: int
    result: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """What the adapter said with it. None: nothing new."""

    transaction_id: int | None = None
    result: int | None = None
    description: str | None = None
    answer: int | None = None
    value: Mapping[str, Any] | None = None
    outputs: Sequence[Output] = ()


async def move(
    tx: Connection,
    operation: int,
    came_from: State,
    to: State,
    now: datetime,
    *,
    fence: int | None = None,
    said: Said | None = None,
    detail: str = "",
    deadline_at: datetime | None = None,
    due_at: datetime | None = None,
    attempts_back: int = 0,
    not_permitted: bool = False,
) -> bool:
    """Move an operation on; False, and nothing is written, when it is not in that state (or claimed anew: fence).

    One statement, so it is a transaction by itself where it is not part of one. deadline_at: for states under way.
    due_at: for one that waits again. attempts_back: 1 when it did not reach the adapter after all.
    not_permitted: what had permitted it ended while it waited, so it was claimed and not sent; recorded as a refusal.
    """
    said = said or Said()
    found = await tx.fetchval(
        _MOVE,
        *(operation, came_from, to, fence, now, deadline_at, due_at),
        *(said.transaction_id, said.result, said.description, said.answer, detail),
        *(dict(said.value) if said.value is not None else None, attempts_back, _ENDED),
        *([o.module for o in said.outputs], [o.result for o in said.outputs], [o.body for o in said.outputs]),
        not_permitted,
    )
    return found is not None


# A transaction id is 31 random bits of the adapter's: after a day it may be another one's.
_BY_TRANSACTION = """
    SELECT o.*, r.code IS NOT NULL OR o.registered_since IS NULL AS holds FROM operation o
    LEFT JOIN registration r ON (r.code, r.adapter, r.since) = (o.code, o.adapter, o.registered_since)
    WHERE o.adapter = $1 AND o.kind = $2 AND o.transaction_id = $3
      AND (o.finished_at IS NULL OR o.finished_at > $4::timestamptz - interval '1 day')
    ORDER BY o.id DESC LIMIT 1 FOR UPDATE OF o"""

_UNNAMED = """
    SELECT o.*, r.code IS NOT NULL OR o.registered_since IS NULL AS holds FROM operation o
    LEFT JOIN registration r ON (r.code, r.adapter, r.since) = (o.code, o.adapter, o.registered_since)
    WHERE o.adapter = $1 AND o.kind = $2 AND o.state IN ('sent', 'unknown') AND o.transaction_id IS NULL
      AND o.sent_at > $3::timestamptz - interval '1 day'
    ORDER BY o.state = 'sent' DESC, o.id DESC LIMIT 1 FOR UPDATE OF o"""


async def by_transaction(tx: Connection, serial: str, kind: str, transaction: int, now: datetime) -> Record | None:
    """The operation that the adapter took on under that id, locked. holds: it is for the present registration."""
    return await tx.fetchrow(_BY_TRANSACTION, serial, kind, transaction, now)


async def unnamed(tx: Connection, serial: str, kind: str, now: datetime) -> Record | None:
    """The one of that kind of which the adapter's id is not known (its answer was lost or is on its way), locked."""
    return await tx.fetchrow(_UNNAMED, serial, kind, now)


async def note_reason(tx: Connection, operation: int, result: int, description: str) -> None:
    """What an adapter said about an operation that had failed already: shown with it."""
    query = "UPDATE operation SET result = $2, description = $3 WHERE id = $1"
    await tx.execute(query, operation, result, description)


async def order_pull(tx: Connection, operation: int, now: datetime) -> None:
    """After a configure that nobody confirmed: the adapter is told to pull its startup config when it comes back."""
    query = """INSERT INTO operation (kind, purpose, adapter, code, contract, registered_since, arguments, account,
            reason, created_at, due_at, expires_at)
        SELECT 'pull-config', 'push', adapter, code, contract, registered_since, '{"source": "RS"}', account,
            'Config push ' || id || ' was not confirmed.', $2, $2, $2::timestamptz + interval '7 days'
        FROM operation WHERE id = $1"""
    await tx.execute(query, operation, now)


async def withdraw_pull(tx: Connection, serial: str, now: datetime) -> None:
    """The adapter says that it rolled back: it need not pull."""
    query = """WITH withdrawn AS (
            UPDATE operation SET state = 'cancelled', finished_at = $2, detail = 'The adapter rolled back.'
            WHERE adapter = $1 AND kind = 'pull-config' AND purpose = 'push' AND state = 'waiting'
            RETURNING id, kind, code)
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT $2, 'operation.cancelled', $1, jsonb_build_object('operation', id, 'kind', kind, 'code', code)
        FROM withdrawn"""
    await tx.execute(query, serial, now)


async def cancel(db: Database, row: Record, *, caller: Caller, now: datetime) -> bool:
    """Cancel a waiting operation; False when it waits no more."""
    async with db.transaction() as tx:
        cancelled = await move(tx, row["id"], State.WAITING, State.CANCELLED, now)
        if cancelled:
            detail = {"operation": row["id"], "kind": row["kind"], "adapter": row["adapter"]}
            await audit.write(
                tx, caller, "operation.cancel", row["code"], now=now, contract=row["contract"], detail=detail
            )
    return cancelled


_OVERDUE = """
    SELECT o.id, o.kind, o.purpose, o.state, o.attempts FROM operation o
    WHERE o.state IN ('sent', 'started', 'confirming')
      AND (o.deadline_at <= $1 OR o.state = 'sent' AND o.kind <> ALL ($2::text[])
           AND NOT EXISTS (SELECT FROM controller c WHERE c.id = o.controller))
    ORDER BY o.id LIMIT $3 FOR UPDATE OF o SKIP LOCKED"""


async def overdue(tx: Connection, now: datetime, reported: Sequence[str], *, limit: int = 200) -> list[Record]:
    """Operations under way that are past their deadline, or whose controller is gone with the answer, locked.

    reported: kinds whose end the adapter may still report after the answer was lost; they keep their deadline.
    """
    return await tx.fetch(_OVERDUE, now, list(reported), limit)


_END = """
    WITH moved AS (
        UPDATE operation SET state = $2, detail = $3, finished_at = $1, deadline_at = NULL
        WHERE id IN (SELECT o.id FROM operation o WHERE {condition}
                     ORDER BY o.id LIMIT 500 FOR UPDATE SKIP LOCKED)
        RETURNING id, kind, adapter, code, contract, state, exchange
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT $1, 'operation.' || state, adapter,
               jsonb_strip_nulls(jsonb_build_object('operation', id, 'kind', kind, 'code', code, 'exchange', exchange))
        FROM moved
    ), trail AS (
        INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
        SELECT $1, 'controller', 'controller', 'config.push.failed', code, contract, 'done',
               jsonb_build_object('operation', id, 'adapter', adapter, 'why', $3::text)
        FROM moved WHERE kind = 'configure'
    )
    SELECT count(*) FROM moved"""

_EXPIRED = _END.format(condition="o.state = 'waiting' AND o.expires_at <= $1")
_CLOSED = _END.format(
    condition="""o.state = 'waiting' AND EXISTS (SELECT FROM investigation i
                     WHERE i.id = o.investigation AND i.closed_at IS NOT NULL)"""
)
_CHANGED = _END.format(
    condition="""(o.state = 'waiting' OR o.kind = 'configure' AND o.state IN ('sent', 'started', 'confirming'))
                 AND o.registered_since IS NOT NULL AND NOT EXISTS (SELECT FROM registration r
                     WHERE (r.code, r.adapter, r.since) = (o.code, o.adapter, o.registered_since))"""
)


async def expire(tx: Connection, now: datetime, detail: str) -> int:
    """Waiting operations whose time is over; how many."""
    return int(await tx.fetchval(_EXPIRED, now, State.EXPIRED, detail))


async def end_of_other_registrations(tx: Connection, now: datetime, detail: str) -> int:
    """Waiting operations, and config pushes under way, meant for a registration that is no more; how many."""
    return int(await tx.fetchval(_CHANGED, now, State.FAILED, detail))


async def end_of_closed_investigations(tx: Connection, now: datetime, detail: str) -> int:
    """Waiting operations that closing their investigation left: somebody held them, or was sending them; how many."""
    return int(await tx.fetchval(_CLOSED, now, State.CANCELLED, detail))


async def doubt(db: Database, operation: int, fence: int, detail: str) -> None:
    """Note that the answer to what was sent is lost, while the adapter may yet report the end."""
    query = "UPDATE operation SET detail = $3 WHERE id = $1 AND fence = $2 AND state = 'sent'"
    async with db.connection() as connection:
        await connection.execute(query, operation, fence, detail)
