"""Items of rollouts, taken on by controllers: whose turn it is, what became of them, how a wave stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controller.domain.firmware_rollout import SILENT_AFTER, ItemState, Outcomes
from controller.domain.firmware_rollout_plan import Candidate
from controller.store.pool import Connection, Database, Row

# What a code holds now, and what is in the way of an update.
_CANDIDATE = """
    c.code, c.contract, c.kind, c.warm, a.serial AS adapter, coalesce(a.series, '') AS series,
    coalesce(a.model, '') AS model, coalesce(a.hardware_revision, '') AS hardware_revision,
    a.locked_out_at IS NOT NULL AS locked_out, coalesce(k.firmware, '') AS firmware, k.last_pull_at,
    coalesce(n.state, 'disconnected') = 'connected' AS connected, held_by_exchange(c.code) AS exchange,
    (SELECT u.id FROM firmware_update u WHERE u.code = c.code AND u.ended_at IS NULL) AS update"""
_HELD = """
    LEFT JOIN registration r ON r.code = c.code LEFT JOIN adapter a ON a.serial = r.adapter
    LEFT JOIN contact k ON k.adapter = a.serial LEFT JOIN connection n ON n.adapter = a.serial"""


def candidate(row: Row) -> Candidate:
    """A row of `candidates` or `due`."""
    return Candidate(**{name: row[name] for name in Candidate.__dataclass_fields__})


async def candidates(connection: Connection, codes: Collection[str]) -> list[Row]:
    """The columns of a Candidate, of these codes, by code."""
    query = f"SELECT {_CANDIDATE} FROM code c {_HELD} WHERE c.code = ANY ($1) ORDER BY c.code"  # noqa: S608
    return await connection.fetch(query, list(codes))


async def at_work(db: Database) -> list[Row]:
    """id and series of the rollouts that the clock has something to do for."""
    query = """SELECT id, series FROM firmware_rollout WHERE state IN ('running', 'soaking')
            OR id IN (SELECT rollout FROM firmware_rollout_item WHERE state = 'ordered') ORDER BY id"""
    async with db.connection() as connection:
        return await connection.fetch(query)


async def alone(tx: Connection) -> bool:
    """False when another controller carries out rollouts at this moment; else nobody does before this ends."""
    mine: bool = await tx.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('firmware rollouts'))")
    return mine


# Those that something holds are passed over, and so are silent ones: they wait beside the wave.
_DUE = f"""
    SELECT i.line, i.adapter AS planned, s.* FROM firmware_rollout_item i
    CROSS JOIN LATERAL (SELECT {_CANDIDATE} FROM code c {_HELD} WHERE c.code = i.code OFFSET 0) s
    WHERE i.rollout = $1 AND i.wave <= $2 AND i.state = 'waiting' AND s.exchange IS NULL AND s.update IS NULL
      AND (s.adapter IS NULL OR s.connected OR s.last_pull_at > $3)
    ORDER BY i.wave, i.line LIMIT $4"""  # noqa: S608


async def due(tx: Connection, rollout: int, wave: int, *, now: datetime, limit: int) -> list[Row]:
    """Items up to this wave that nothing holds: line, planned (the adapter then), and the columns of a Candidate."""
    return await tx.fetch(_DUE, rollout, wave, now - SILENT_AFTER, limit)


async def waiting(tx: Connection, rollout: int, wave: int) -> list[Row]:
    """Items up to this wave that wait: as `due`, held and silent ones too."""
    query = f"""SELECT i.line, i.adapter AS planned, {_CANDIDATE} FROM firmware_rollout_item i JOIN code c USING (code)
        {_HELD} WHERE i.rollout = $1 AND i.wave <= $2 AND i.state = 'waiting' ORDER BY i.line"""  # noqa: S608
    return await tx.fetch(query, rollout, wave)


@dataclass(frozen=True, slots=True)
class Became:
    """What an item has become. wave, update, adapter, running: None = as they are; of a waiting one there is no update.

    why: of one that was left out or failed. had_way: of a good one.
    """

    line: int
    state: ItemState
    why: dict[str, Any] | None = None  # Any: JSON values
    update: int | None = None
    wave: int | None = None
    adapter: str | None = None
    running: str | None = None
    had_way: bool = False


_PUT = """
    UPDATE firmware_rollout_item i SET state = b.state, why = b.why, had_way = b.had_way,
        update_id = CASE WHEN b.state <> 'waiting' THEN coalesce(b.update, i.update_id) END,
        wave = coalesce(b.wave, i.wave), adapter = coalesce(b.adapter, i.adapter),
        running = coalesce(b.running, i.running),
        ended_at = CASE WHEN b.state NOT IN ('waiting', 'ordered') THEN $3::timestamptz END
    FROM jsonb_to_recordset($2) AS b (line integer, state text, why jsonb, update bigint, wave integer, adapter text,
                                      running text, had_way boolean)
    WHERE i.rollout = $1 AND i.line = b.line"""


async def put(tx: Connection, rollout: int, became: Sequence[Became], now: datetime) -> None:
    """Write it down, of items whose rollout is locked."""
    values = [{name: getattr(each, name) for name in Became.__dataclass_fields__} for each in became]
    if values:
        await tx.execute(_PUT, rollout, values, now)


_ORDERED = """
    SELECT i.line, i.code, i.adapter, i.update_id, u.state AS update_state, u.failure, u.why, u.had_way,
           r.adapter AS holds, u.state IN ('scheduled', 'ordered') AND u.asked_at IS NULL
             AND coalesce(n.state, 'disconnected') <> 'connected' AND coalesce(k.last_pull_at <= $2, true) AS silent
    FROM firmware_rollout_item i JOIN firmware_update u ON u.id = i.update_id
    LEFT JOIN registration r ON r.code = i.code
    LEFT JOIN contact k ON k.adapter = i.adapter LEFT JOIN connection n ON n.adapter = i.adapter
    WHERE i.rollout = $1 AND i.state = 'ordered' ORDER BY i.line"""


async def ordered(tx: Connection, rollout: int, now: datetime) -> list[Row]:
    """Items whose update is not known to have ended: line, code, adapter, update_id, update_state, failure, why,
    had_way; holds: the adapter that the code holds now; silent: it has not begun, and is not heard of."""
    return await tx.fetch(_ORDERED, rollout, now - SILENT_AFTER)


async def outcomes(tx: Connection, rollout: int, wave: int, since: datetime | None) -> Outcomes:
    """How the wave stands. since: what failed or was cancelled before does not count."""
    query = """SELECT count(*) FILTER (WHERE state NOT IN ('skipped', 'not-needed')) AS size,
            count(*) FILTER (WHERE state = 'good') AS good,
            count(*) FILTER (WHERE state = 'failed' AND counts) AS failed,
            count(*) FILTER (WHERE state = 'cancelled' AND counts) AS cancelled
        FROM (SELECT state, $3::timestamptz IS NULL OR ended_at > $3 AS counts
              FROM firmware_rollout_item WHERE rollout = $1 AND wave = $2) i"""
    row = await tx.fetchrow(query, rollout, wave, since)
    assert row is not None
    return Outcomes(row["size"], row["good"], row["failed"], row["cancelled"])


# An update that came later says what is to run there now; an exchange has put another adapter there.
_UNWELL = """
    SELECT i.line, i.code, i.update_id, coalesce(k.firmware, '') AS firmware, n.since AS disconnected_since
    FROM firmware_rollout_item i JOIN registration r ON r.code = i.code AND r.adapter = i.adapter
    LEFT JOIN contact k ON k.adapter = i.adapter LEFT JOIN connection n ON n.adapter = i.adapter
    WHERE i.rollout = $1 AND i.wave = $2 AND i.state = 'good'
      AND NOT EXISTS (SELECT FROM firmware_update u WHERE u.code = i.code AND u.id > i.update_id)
      AND (coalesce(k.firmware, '') <> $3 OR i.had_way AND coalesce(n.state, 'disconnected') <> 'connected')
    ORDER BY i.line"""


async def unwell(tx: Connection, rollout: int, wave: int, version: str) -> list[Row]:
    """Good items of the wave whose adapter runs something else now, or could be pushed to and is disconnected."""
    return await tx.fetch(_UNWELL, rollout, wave, version)


async def open_updates(tx: Connection, rollout: int, states: Sequence[str]) -> list[int]:
    """Updates of its items in one of these states of an update."""
    query = """SELECT u.id FROM firmware_rollout_item i JOIN firmware_update u ON u.id = i.update_id
        WHERE i.rollout = $1 AND i.state = 'ordered' AND u.state = ANY ($2) ORDER BY u.code"""
    return [row["id"] for row in await tx.fetch(query, rollout, states)]


async def called_off(tx: Connection, rollout: int, updates: Sequence[int]) -> int:
    """Items whose update is one of these and was cancelled have their turn again; how many."""
    query = """WITH back AS (
            UPDATE firmware_rollout_item i SET state = 'waiting', update_id = NULL, ended_at = NULL
            FROM firmware_update u WHERE i.rollout = $1 AND i.state = 'ordered' AND i.update_id = ANY ($2)
              AND u.id = i.update_id AND u.state = 'cancelled' RETURNING i.line)
        SELECT count(*) FROM back"""
    count: int = await tx.fetchval(query, rollout, list(updates))
    return count


async def cancel_waiting(tx: Connection, rollout: int, now: datetime) -> None:
    """Items of an aborted rollout that had no turn."""
    query = (
        "UPDATE firmware_rollout_item SET state = 'cancelled', ended_at = $2 WHERE rollout = $1 AND state = 'waiting'"
    )
    await tx.execute(query, rollout, now)


async def try_again(tx: Connection, rollout: int) -> int:
    """Failed items have their turn again; how many."""
    query = """WITH again AS (
            UPDATE firmware_rollout_item SET state = 'waiting', why = NULL, update_id = NULL, ended_at = NULL
            WHERE rollout = $1 AND state = 'failed' RETURNING line)
        SELECT count(*) FROM again"""
    count: int = await tx.fetchval(query, rollout)
    return count


async def has_waiting(tx: Connection, rollout: int) -> bool:
    """Whether an item waits for its wave or its turn."""
    query = "SELECT EXISTS (SELECT FROM firmware_rollout_item WHERE rollout = $1 AND state = 'waiting')"
    found: bool = await tx.fetchval(query, rollout)
    return found


async def known(tx: Connection, rollout: int) -> tuple[set[str], int]:
    """Every code that it names, and its last line."""
    rows = await tx.fetch("SELECT code, line FROM firmware_rollout_item WHERE rollout = $1", rollout)
    return {row["code"] for row in rows}, max((row["line"] for row in rows), default=0)


async def look_for_newcomers(tx: Connection, rollout: int, now: datetime, every: timedelta) -> bool:
    """True when it is time to, and then it is noted."""
    query = """UPDATE firmware_rollout SET looked_at = $2
        WHERE id = $1 AND (looked_at IS NULL OR looked_at <= $3) RETURNING id"""
    return await tx.fetchval(query, rollout, now, now - every) is not None
