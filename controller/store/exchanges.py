"""Swaps: what a plan is made from, and those whose deadline has passed.

The exchanging itself is in store/registration_change.py, cases in store/exchange_cases.py, lists in exchange_pages.py.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from controller.store.pool import Database, Row

_SLOTS = """
    SELECT c.code, c.contract, c.kind, c.firmware_target, c.warm,
           a.serial, a.series, a.model, a.hardware_revision, a.locked_out_at IS NOT NULL AS locked_out, a.reseller,
           coalesce(k.firmware, '') AS firmware,
           (SELECT count(*) FROM task t WHERE t.code = c.code AND t.code <> ''
              AND t.state IN ('waiting', 'running')) AS open_tasks,
           x.id AS open_exchange, x.kind AS open_kind, x.state AS open_state, x.ordered_at AS open_since,
           o.id AS open_case,
           coalesce(o.kind = 'return' AND o.state IN ('received', 'dispatched'), false) AS received,
           (SELECT json_agg(json_build_array(i.version, i.sha256, i.size, i.models, i.hardware_revisions,
                                             i.hardware_lowest))
              FROM firmware_image i WHERE i.series = a.series AND c.kind = 'entry') AS images
    FROM code c
    LEFT JOIN registration r ON r.code = c.code
    LEFT JOIN adapter a ON a.serial = r.adapter
    LEFT JOIN contact k ON k.adapter = a.serial
    LEFT JOIN LATERAL (
        SELECT id, kind, state, ordered_at FROM exchange WHERE entry = c.code AND entry <> ''
           AND state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned')
        UNION ALL
        SELECT id, kind, state, ordered_at FROM exchange WHERE standby = c.code AND standby <> ''
           AND state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned')
        LIMIT 1) x ON true
    LEFT JOIN LATERAL (
        SELECT id, kind, state FROM exchange WHERE old_adapter = a.serial AND kind <> 'swap'
           AND state NOT IN ('declined', 'withdrawn', 'closed') LIMIT 1) o ON true
    WHERE c.code = ANY ($1)"""


async def slots(db: Database, codes: Collection[str]) -> dict[str, Row]:
    """The rows of the codes by code, each with its adapter, open tasks, the exchange that holds it, and the open case
    of its adapter (received: it is a return, and the desk has the unit); absent when unknown.

    images: of the entry's series, [version, sha256, size, models, hardware_revisions] each; None for none.
    """
    async with db.connection() as connection:
        return {row["code"]: row for row in await connection.fetch(_SLOTS, list(codes))}


_LAPSE = """
    WITH due AS (
        SELECT id, state FROM exchange
        WHERE state IN ('ordered', 'pulled') AND lapsed_at IS NULL AND deadline_at <= $1
        ORDER BY deadline_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ), lapsed AS (
        UPDATE exchange x SET state = 'lapsed', lapsed_at = $1, state_since = $1, ended_at = $1
        FROM due WHERE x.id = due.id RETURNING x.id, x.entry, due.state
    )
    SELECT id, entry, exchange_moved(id, 'deadline-passed', state, 'lapsed', $1, 'controller', 'controller', '')
    FROM lapsed"""


async def lapse(db: Database, now: datetime, *, limit: int = 500) -> list[tuple[int, str]]:
    """Move exchanges whose deadline passed to LAPSED; returns (id, entry) of each, at most `limit`."""
    async with db.connection() as connection:
        return [(row["id"], row["entry"]) for row in await connection.fetch(_LAPSE, now, limit)]
