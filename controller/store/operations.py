"""Push operations: asking for them, claiming them, looking at them. How they move on is in operation_moves.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg import Record

from controller.store.pool import Connection, Database

MAX_LIVE = 8
"""Most operations under way on one adapter: libarms refuses the eleventh transaction (406)."""

# In two statements: one that waits for its lock counts what was there before it waited.
_LOCK = """
    SELECT r.code FROM registration r
    WHERE ($1::text IS NULL OR r.code = $1) AND ($2::text IS NULL OR r.adapter = $2) FOR NO KEY UPDATE"""

_REGISTERED = """
    SELECT r.code, r.adapter AS serial, r.since, c.contract, c.kind, a.series, a.distribution_id,
           a.locked_out_at IS NOT NULL AS locked_out,
           (SELECT count(*) FROM operation o WHERE o.adapter = r.adapter
              AND o.state IN ('waiting', 'sent', 'started', 'confirming')) AS open_operations,
           (SELECT o.id FROM operation o WHERE o.adapter = r.adapter AND o.kind = 'configure'
              AND o.state IN ('waiting', 'sent', 'started', 'confirming') LIMIT 1) AS open_configure
    FROM registration r JOIN code c ON c.code = r.code JOIN adapter a ON a.serial = r.adapter WHERE r.code = $1"""


async def registered(tx: Connection, *, code: str | None = None, serial: str | None = None) -> Record | None:
    """The registration of a code or of an adapter, locked: it stays, and those who ask at once take turns.

    None when there is none. open_configure: id of the configure that is waiting or under way, None for none.
    """
    held = await tx.fetchval(_LOCK, code, serial)
    return await tx.fetchrow(_REGISTERED, held) if held is not None else None


@dataclass(frozen=True, slots=True)
class New:
    """What was asked for. purpose: request or push. since: of the registration it is meant for."""

    kind: str
    purpose: str
    serial: str
    code: str
    contract: str
    since: datetime
    arguments: Mapping[str, Any]
    account: str
    reason: str
    due_at: datetime
    expires_at: datetime
    investigation: int | None = None


async def insert(tx: Connection, new: New, now: datetime) -> int:
    """A waiting operation; its id."""
    query = """INSERT INTO operation (kind, purpose, adapter, code, contract, registered_since, arguments, account,
            reason, created_at, due_at, expires_at, investigation)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id"""
    values = (new.kind, new.purpose, new.serial, new.code, new.contract, new.since, dict(new.arguments), new.account)
    return int(await tx.fetchval(query, *values, new.reason, now, new.due_at, new.expires_at, new.investigation))


# Claims take turns (they are short): what is allowed to an adapter depends on what others have just claimed for it.
# At most one an adapter at a time, so that the next claim sees it. OFFSET 0 keeps each condition a look-up of its own:
# the scan goes along operation_waiting and ends with enough rows, however many wait.
_CLAIM = """
    WITH allowed AS MATERIALIZED (
        SELECT o.id, o.adapter, o.purpose, o.due_at FROM operation o
        WHERE o.state = 'waiting' AND o.due_at <= $1 AND o.expires_at > $1
          AND NOT EXISTS (SELECT FROM adapter a WHERE a.serial = o.adapter AND a.locked_out_at IS NOT NULL OFFSET 0)
          AND (o.purpose = 'handover' OR NOT EXISTS (
               SELECT FROM account u WHERE u.account = o.account AND u.disabled_at IS NOT NULL OFFSET 0))
          AND (o.investigation IS NULL OR EXISTS (SELECT FROM investigation i
               WHERE i.id = o.investigation AND i.closed_at IS NULL AND i.expires_at > $1 OFFSET 0))
          AND EXISTS (SELECT FROM reach w WHERE w.adapter = o.adapter AND (w.controller IS NULL OR w.controller = $2)
                AND (o.registered_since IS NULL OR (w.code, w.since) = (o.code, o.registered_since)) OFFSET 0)
          AND (o.registered_since IS NULL OR EXISTS (SELECT FROM registration r
               WHERE (r.code, r.adapter, r.since) = (o.code, o.adapter, o.registered_since) OFFSET 0))
          AND NOT EXISTS (SELECT FROM operation s
                          WHERE s.adapter = o.adapter AND s.kind = o.kind AND s.state = 'sent' OFFSET 0)
          AND (o.purpose = 'handover' OR NOT EXISTS (SELECT FROM operation c
               WHERE c.adapter = o.adapter AND c.kind = 'configure'
                 AND (c.state IN ('sent', 'started', 'confirming') OR c.state = 'waiting' AND c.due_at <= $1
                      AND c.expires_at > $1 AND (c.due_at, c.id) < (o.due_at, o.id)) OFFSET 0))
          AND (SELECT count(*) FROM operation u WHERE u.adapter = o.adapter
                 AND u.state IN ('sent', 'started', 'confirming'))
              < CASE WHEN o.purpose = 'handover' THEN $4 + 1 WHEN o.kind = 'configure' THEN 1 ELSE $4 END
        ORDER BY o.purpose <> 'handover', o.due_at, o.id LIMIT 4 * $3
    ), first AS (
        SELECT DISTINCT ON (adapter) * FROM allowed ORDER BY adapter, purpose <> 'handover', due_at, id
    ), chosen AS (
        SELECT o.id, h.id AS reach FROM first o
        JOIN operation p ON p.id = o.id
        JOIN LATERAL (
            SELECT w.id FROM reach w
            WHERE w.adapter = o.adapter AND (w.controller IS NULL OR w.controller = $2)
              AND (p.registered_since IS NULL OR (w.code, w.since) = (p.code, p.registered_since))
            ORDER BY w.controller IS NULL, w.confirmed_at DESC, w.id DESC LIMIT 1) h ON true
        ORDER BY o.purpose <> 'handover', o.due_at, o.id LIMIT $3
    )
    UPDATE operation o SET state = 'sent', fence = o.fence + 1, attempts = least(o.attempts + 1, 30000),
        controller = $2, method = h.method, sent_at = $1, started_at = NULL, transaction_id = NULL, detail = '',
        deadline_at = $1 + k.wait_s * interval '1 second'
    FROM chosen c JOIN reach h ON h.id = c.reach JOIN adapter a ON a.serial = h.adapter,
         unnest($5::text[], $6::float8[]) AS k (kind, wait_s)
    WHERE o.id = c.id AND o.state = 'waiting' AND k.kind = o.kind
    RETURNING o.id, o.fence, o.attempts, o.kind, o.purpose, o.code, o.arguments, o.expires_at, o.adapter AS serial,
              a.series, a.distribution_id, h.tunnel, h.endpoint, h.rs_sa_key, h.certificate_sha256, h.legacy,
              CASE WHEN o.purpose = 'request' THEN (
                  SELECT n.command_classes FROM account u JOIN contract n ON n.contract = u.contract
                  WHERE u.account = o.account AND u.role = 'operator') END AS allowed_classes"""


async def claim(db: Database, controller: int, now: datetime, limit: int, waits_s: Mapping[str, float]) -> list[Record]:
    """Claim up to `limit` due operations that can be sent from this controller, at most one an adapter; handovers
    first, then by the time they are due. Nothing goes to an adapter that is locked out, nor for an investigation that
    is not open (R2.3), nor for an account that was disabled (but the handovers of its swaps). Each row
    has what sending it needs; allowed_classes (None: all): see services/operation_policy.no_longer.

    waits_s: by kind, seconds until the answer is overdue. To one adapter at most MAX_LIVE are under way, one of a kind
    unanswered, and a configure has it to itself; but a handover, which ends what they are for, waits for none of them.
    """
    async with db.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtext('operation.claim'))")
        kinds, waits = list(waits_s), list(waits_s.values())
        return await tx.fetch(_CLAIM, now, controller, limit, MAX_LIVE, kinds, waits)


_COLUMNS = """id, kind, purpose, adapter, code, contract, registered_since, exchange, investigation, arguments, state,
    account, reason, created_at, due_at, expires_at, attempts, method, sent_at, started_at, finished_at, deadline_at,
    transaction_id, result, description, detail, value,
    EXISTS (SELECT FROM reach h WHERE h.adapter = operation.adapter) AS connected"""


async def one(db: Database, number: int) -> Record | None:
    """One operation, None when there is no such id. connected: there is a confirmed way to its adapter now."""
    async with db.connection() as connection:
        return await connection.fetchrow(f"SELECT {_COLUMNS} FROM operation WHERE id = $1", number)  # noqa: S608


async def page(
    db: Database,
    *,
    contract: str | None,
    adapter: str | None,
    code: str | None,
    state: str | None,
    before: int | None,
    limit: int,
) -> list[Record]:
    """Operations, newest first; None for all. before: id of the last one already seen."""
    query = f"""SELECT {_COLUMNS} FROM operation
        WHERE ($1::text IS NULL OR contract = $1) AND ($2::text IS NULL OR adapter = $2)
          AND ($3::text IS NULL OR code = $3) AND ($4::text IS NULL OR state = $4) AND ($5::bigint IS NULL OR id < $5)
        ORDER BY id DESC LIMIT $6"""  # noqa: S608 (constant column list)
    async with db.connection() as connection:
        return await connection.fetch(query, contract, adapter, code, state, before, limit)


async def outputs(db: Database, number: int) -> list[Record]:
    """What the adapter answered, as received: rows of position, module, result, body, in its order."""
    query = "SELECT position, module, result, body FROM operation_output WHERE operation = $1 ORDER BY position"
    async with db.connection() as connection:
        return await connection.fetch(query, number)
