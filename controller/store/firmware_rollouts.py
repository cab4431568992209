"""Rollouts as people see and steer them: the plan is kept, told, moved. Items: firmware_rollout_items.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.domain.access import Caller
from controller.domain.firmware_rollout import ENDED, ItemState, State
from controller.domain.why import Why
from controller.store import audit
from controller.store.pool import Connection, Database, Row

_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class New:
    """A plan as it is kept. settings: JSON, of each update. waves: how each was asked for. items: JSON objects, line,
    wave, code, contract, adapter, running, state, why, notes; no line twice and no code twice."""

    contract: str | None
    series: str
    version: str
    reason: str
    selection: dict[str, Any]  # Any: JSON values
    settings: dict[str, Any]
    success_share: float
    soak_s: int
    stop_share: float
    approval: bool
    newcomers: str
    at_once: int
    waves: Sequence[str]
    items: Sequence[dict[str, Any]]


_INSERT = """
    INSERT INTO firmware_rollout (contract, series, version, reason, state, selection, settings, success_share, soak_s,
                                  stop_share, approval, newcomers, at_once, waves, account, created_at, changed_at)
    VALUES ($1, $2, $3, $4, 'planned', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)
    RETURNING *"""

_INSERT_WAVES = """
    INSERT INTO firmware_rollout_wave (rollout, wave, upto)
    SELECT $1, n, upto FROM unnest($2::text[]) WITH ORDINALITY AS w (upto, n)"""

_INSERT_ITEMS = """
    INSERT INTO firmware_rollout_item (rollout, line, wave, code, contract, adapter, running, state, why, notes,
                                       joined_at)
    SELECT $1, i.*, $3 FROM jsonb_to_recordset($2) AS i (line integer, wave integer, code text, contract text,
        adapter text, running text, state text, why jsonb, notes jsonb)"""


async def insert(db: Database, new: New, *, caller: Caller, now: datetime) -> int:
    """Keep a plan, with its waves, items, audit row and news; its id."""
    values = (
        *(new.contract, new.series, new.version, new.reason, new.selection, new.settings, new.success_share),
        *(new.soak_s, new.stop_share, new.approval, new.newcomers, new.at_once, len(new.waves), caller.account, now),
    )
    async with db.transaction() as tx:
        row = await tx.fetchrow(_INSERT, *values)
        assert row is not None
        await tx.execute(_INSERT_WAVES, row["id"], list(new.waves))
        await add_items(tx, row["id"], new.items)
        skipped = sum(each["state"] == ItemState.SKIPPED for each in new.items)
        detail = {"codes": len(new.items) - skipped, "skipped": skipped, "waves": list(new.waves)}
        await tell(tx, row, State.PLANNED, {**detail, "reason": new.reason}, caller=caller, now=now)
    rollout: int = row["id"]
    return rollout


async def add_items(
    tx: Connection, rollout: int, items: Sequence[dict[str, Any]], *, joined_at: datetime | None = None
) -> None:
    """Items as `New` has them. joined_at: of newcomers."""
    for start in range(0, len(items), _CHUNK):
        await tx.execute(_INSERT_ITEMS, rollout, list(items[start : start + _CHUNK]), joined_at)


async def locked(tx: Connection, rollout: int, *, contract: str | None = None) -> Row | None:
    """All columns, locked; None: no such one, or of another contract than this."""
    query = "SELECT * FROM firmware_rollout WHERE id = $1 AND ($2::text IS NULL OR contract = $2) FOR UPDATE"
    return await tx.fetchrow(query, rollout, contract)


async def locked_of(tx: Connection, series: str, version: str) -> list[Row]:
    """All columns, locked, of every rollout of the version that has not ended, in the order of ids."""
    query = """SELECT * FROM firmware_rollout WHERE series = $1 AND version = $2 AND ended_at IS NULL
        ORDER BY id FOR UPDATE"""
    return await tx.fetch(query, series, version)


async def move(
    tx: Connection,
    row: Row,
    to: State,
    why: Why | None,
    *,
    caller: Caller,
    now: datetime,
    detail: dict[str, Any] | None = None,
) -> None:
    """Move one that is locked, with audit row and news. detail: what they say besides. Any: JSON values."""
    await tx.execute(
        """UPDATE firmware_rollout SET state = $2, why = $3, changed_at = $4,
               ended_at = CASE WHEN $5 THEN $4::timestamptz END
           WHERE id = $1""",
        *(row["id"], to.value, why, now, to in ENDED),
    )
    await tell(tx, row, to, {"why": why, **(detail or {})}, caller=caller, now=now)


async def is_offered(tx: Connection, series: str, version: str) -> bool:
    """Whether adapters may be offered it now."""
    query = "SELECT EXISTS (SELECT FROM firmware_image WHERE series = $1 AND version = $2)"
    found: bool = await tx.fetchval(query, series, version)
    return found


async def runner(tx: Connection, account: str) -> Row | None:
    """role, contract and disabled of who runs it, kept as they are until the transaction ends."""
    query = "SELECT role, contract, disabled_at IS NOT NULL AS disabled FROM account WHERE account = $1 FOR SHARE"
    return await tx.fetchrow(query, account)


async def runs_for(tx: Connection, rollout: int, account: str) -> None:
    """In whose name updates are ordered from now on."""
    await tx.execute("UPDATE firmware_rollout SET run_by = $2 WHERE id = $1", rollout, account)


async def begin_wave(tx: Connection, rollout: int, wave: int, now: datetime) -> None:
    """It is the one under way. One that was begun before keeps its beginning."""
    await tx.execute("UPDATE firmware_rollout SET wave = $2, soak_until = NULL WHERE id = $1", rollout, wave)
    await tx.execute(
        "UPDATE firmware_rollout_wave SET began_at = coalesce(began_at, $3) WHERE rollout = $1 AND wave = $2",
        *(rollout, wave, now),
    )


async def end_wave(tx: Connection, rollout: int, wave: int, now: datetime) -> datetime:
    """The wave has ended now, or when that was first seen; when."""
    query = """UPDATE firmware_rollout_wave SET ended_at = coalesce(ended_at, $3) WHERE rollout = $1 AND wave = $2
        RETURNING ended_at"""
    ended: datetime = await tx.fetchval(query, rollout, wave, now)
    return ended


async def soak(tx: Connection, rollout: int, until: datetime) -> None:
    await tx.execute("UPDATE firmware_rollout SET soak_until = $2 WHERE id = $1", rollout, until)


async def approve(tx: Connection, rollout: int, wave: int, *, caller: Caller, now: datetime) -> None:
    """The wave may begin."""
    query = "UPDATE firmware_rollout_wave SET approved_by = $3, approved_at = $4 WHERE rollout = $1 AND wave = $2"
    await tx.execute(query, rollout, wave, caller.account, now)


async def count_anew(tx: Connection, rollout: int, wave: int, now: datetime) -> None:
    """What has failed so far stops nothing any more, and the wave under way soaks anew."""
    await tx.execute("UPDATE firmware_rollout SET counted_from = $2, soak_until = NULL WHERE id = $1", rollout, now)
    await tx.execute("UPDATE firmware_rollout_wave SET ended_at = NULL WHERE rollout = $1 AND wave = $2", rollout, wave)


async def tell(tx: Connection, row: Row, state: State, more: dict[str, Any], *, caller: Caller, now: datetime) -> None:
    """The audit row and the news of a move. Any: JSON values."""
    told = {"rollout": row["id"], "series": row["series"], "version": row["version"], "contract": row["contract"]}
    await tx.execute(
        "INSERT INTO outbox (at, topic, subject, payload) VALUES ($1, $2, $3, $4)",
        *(now, f"firmware.rollout-{state}", f"rollout {row['id']}", {**told, "state": state.value, **more}),
    )
    action, subject = f"rollout.{state}", f"rollout {row['id']}"
    detail = {"series": row["series"], "version": row["version"], **more}
    await audit.write(tx, caller, action, subject, now=now, contract=row["contract"], detail=detail)


_ONE = """
    SELECT r.*, c.counts
    FROM firmware_rollout r
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(s.state, s.items) AS counts
        FROM (SELECT i.state, count(*) AS items FROM firmware_rollout_item i WHERE i.rollout = r.id GROUP BY 1) s) c
    WHERE ($1::text IS NULL OR r.contract = $1)"""


async def one(db: Database, rollout: int, *, contract: str | None) -> Row | None:
    """One, with counts: items by state. contract: only if it is of this one."""
    async with db.connection() as connection:
        return await connection.fetchrow(f"{_ONE} AND r.id = $2", contract, rollout)


async def page(db: Database, *, contract: str | None, state: State | None, before: int | None, limit: int) -> list[Row]:
    """Newest first, as `one`; before: id of the last one already seen."""
    query = f"""{_ONE} AND ($2::text IS NULL OR r.state = $2) AND ($3::bigint IS NULL OR r.id < $3)
        ORDER BY r.id DESC LIMIT $4"""
    async with db.connection() as connection:
        return await connection.fetch(query, contract, state, before, limit)


async def waves(db: Database, rollout: int) -> list[Row]:
    """wave, upto, began_at, ended_at, approved_by, approved_at, counts (items by state), in order."""
    query = """SELECT w.wave, w.upto, w.began_at, w.ended_at, w.approved_by, w.approved_at, c.counts
        FROM firmware_rollout_wave w CROSS JOIN LATERAL (
            SELECT jsonb_object_agg(s.state, s.items) AS counts
            FROM (SELECT state, count(*) AS items FROM firmware_rollout_item
                  WHERE rollout = w.rollout AND wave = w.wave GROUP BY 1) s) c
        WHERE w.rollout = $1 ORDER BY w.wave"""
    async with db.connection() as connection:
        return await connection.fetch(query, rollout)


_ITEMS = """
    SELECT i.line, i.wave, i.code, i.contract, i.adapter, i.running, i.state, i.why, i.notes, i.update_id, i.joined_at,
           i.ended_at, u.state AS update_state
    FROM firmware_rollout_item i LEFT JOIN firmware_update u ON u.id = i.update_id
    WHERE i.rollout = $1 AND i.line > $2 AND ($3::text IS NULL OR i.state = $3) AND ($4::integer IS NULL OR i.wave = $4)
    ORDER BY i.line LIMIT $5"""


async def items(
    db: Database, rollout: int, *, state: ItemState | None, wave: int | None, after: int, limit: int
) -> list[Row]:
    """Its items in the order of updating; after: the last line already seen, 0 for none."""
    async with db.connection() as connection:
        return await connection.fetch(_ITEMS, rollout, after, state, wave, limit)


async def running(db: Database, rollout: int) -> list[str]:
    """What the adapters of its codes ran when it was planned, or they were ordered; those left out do not count."""
    query = """SELECT DISTINCT running FROM firmware_rollout_item
        WHERE rollout = $1 AND state <> 'skipped' AND running <> '' ORDER BY 1 LIMIT 100"""
    async with db.connection() as connection:
        return [row["running"] for row in await connection.fetch(query, rollout)]
