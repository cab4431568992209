"""Firmware updates written and moved, each with its journal, audit row and news. Looking: firmware_updates.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.domain.access import Caller
from controller.domain.firmware_update import ENDED, Event, Failure, State
from controller.domain.why import Why
from controller.store.pool import Connection, Row


@dataclass(frozen=True, slots=True)
class New:
    """An update as it is written: scheduled. Columns of the table of the same names."""

    code: str
    contract: str
    adapter: str
    registered_since: datetime
    series: str
    from_version: str
    version: str
    path: Sequence[str]
    fetches: str
    sha256: str
    size: int
    downgrade: bool
    start: str
    not_before: datetime | None
    not_after: datetime | None
    daily: Mapping[str, Any] | None  # Any: JSON values
    due_at: datetime
    rollout: int | None
    wave: int | None
    account: str
    reason: str


_COLUMNS = tuple(New.__dataclass_fields__)
_INSERT = f"""
    INSERT INTO firmware_update ({", ".join(_COLUMNS)}, state, created_at, state_since)
    VALUES ({", ".join(f"${at}" for at in range(1, len(_COLUMNS) + 1))}, 'scheduled', ${len(_COLUMNS) + 1},
            ${len(_COLUMNS) + 1})
    ON CONFLICT DO NOTHING RETURNING *"""  # noqa: S608 (names of columns)


async def insert(tx: Connection, new: New, *, caller: Caller, now: datetime) -> Row | None:
    """The update, with its journal, audit row and news; None when the code or the adapter has an open one."""
    row = await tx.fetchrow(_INSERT, *(getattr(new, name) for name in _COLUMNS), now)
    if row is not None:
        data = {"from": new.from_version, "path": list(new.path), "reason": new.reason, "downgrade": new.downgrade}
        await _tell(tx, [(row, "", data)], "order", State.SCHEDULED, None, None, caller, now)
    return row


_MAY_CHANGE = {
    *("fetches", "sha256", "size", "due_at", "waits", "had_way", "target_before", "target_after", "bytes"),
    *("ordered_at", "step_at", "told_at", "told_again", "asked_at", "sent_at", "reported_at", "deadline_at"),
}


async def change(tx: Connection, update: int, changes: Mapping[str, object]) -> None:
    """Note what was seen: columns by name. Not a move."""
    if changes:
        await _set(tx, update, changes)


async def _set(tx: Connection, update: int, changes: Mapping[str, object]) -> None:
    assert set(changes) <= _MAY_CHANGE | _OF_THE_STATE, changes
    sets = ", ".join(f"{name} = ${at}" for at, name in enumerate(changes, 2))
    await tx.execute(f"UPDATE firmware_update SET {sets} WHERE id = $1", update, *changes.values())  # noqa: S608


_OF_THE_STATE = {"state", "state_since", "failure", "why", "waits", "ended_at"}


def _of_the_state(to: State, failure: Failure | None, why: Why | None, now: datetime) -> dict[str, object]:
    ended = {"ended_at": now, "deadline_at": None} if to in ENDED else {}
    return {"state": to.value, "state_since": now, "failure": failure, "why": why, "waits": None, **ended}


async def move(
    tx: Connection,
    row: Row,
    event: Event,
    state: State,
    to: State,
    *,
    caller: Caller,
    now: datetime,
    failure: Failure | None = None,
    why: Why | None = None,
    changes: Mapping[str, object] | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Move one that is locked from `state`, with its journal, audit row and news. data: JSON values (Any) for these."""
    await _set(tx, row["id"], {**_of_the_state(to, failure, why, now), **(changes or {})})
    await _tell(tx, [(row, state, data or {})], event, to, failure, why, caller, now)


_TELL = """
    WITH told AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset($6) AS t (update_id bigint, code text, contract text, from_state text,
                                                   data jsonb, payload jsonb, detail jsonb)
    ), journal AS (
        INSERT INTO firmware_update_move (update_id, at, event, from_state, to_state, account, role, data)
        SELECT update_id, $1, $2, from_state, $3, $4, $5, data FROM told ORDER BY update_id
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT $1, 'firmware.update-' || $3, code, payload FROM told ORDER BY update_id)
    INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
    SELECT $1, $4, $5, $7, 'firmware-update.' || $3, code, contract, 'done', detail FROM told ORDER BY update_id"""


async def _tell(
    tx: Connection,
    rows: Sequence[tuple[Row, str, Mapping[str, Any]]],
    event: str,
    to: State,
    failure: Failure | None,
    why: Why | None,
    caller: Caller,
    now: datetime,
) -> None:
    """rows: each with the state that it was in, and its data. Any: JSON values."""
    told = [_told(row, event, state, to, failure, why, data) for row, state, data in rows]
    await tx.execute(_TELL, now, event, to.value, caller.account, caller.role.value, told, caller.source)


def _told(
    row: Row, event: str, state: str, to: State, failure: Failure | None, why: Why | None, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Any: JSON values."""
    same = {name: row[name] for name in ("code", "contract", "adapter", "series", "version", "from_version", "rollout")}
    more = ({"failure": failure} if failure else {}) | ({"why": why} if why else {})
    detail = {"update": row["id"], "version": row["version"], "adapter": row["adapter"], "event": event, **data}
    return {
        **{"update_id": row["id"], "code": row["code"], "contract": row["contract"], "from_state": state},
        "data": {**data, **more},
        "payload": {"update": row["id"], **same, "state": to.value, "failure": failure, "why": why},
        "detail": detail | more,
    }


# The target is put back as by `put_back_target`: not where an exchange has made it another one's since.
_CANCEL = """
    WITH given AS MATERIALIZED (
        SELECT * FROM unnest($1::bigint[], $2::boolean[], $3::text[]) AS g (id, was_begun, target)
    ), back AS (
        UPDATE code c SET firmware_target = g.target FROM given g JOIN firmware_update u ON u.id = g.id
        WHERE c.code = u.code AND g.was_begun AND c.firmware_target = u.version
          AND EXISTS (SELECT FROM registration r
                      WHERE (r.code, r.adapter, r.since) = (u.code, u.adapter, u.registered_since))
        RETURNING g.id)
    UPDATE firmware_update u SET state = 'cancelled', state_since = $4, ended_at = $4, deadline_at = NULL, waits = NULL,
        failure = $5, why = $6, target_after = CASE WHEN b.id IS NOT NULL THEN g.target END
    FROM given g LEFT JOIN back b ON b.id = g.id WHERE u.id = g.id RETURNING u.id, b.id IS NOT NULL AS was_put_back"""


async def cancel(
    tx: Connection,
    rows: Sequence[Row],
    targets: Mapping[int, str | None],
    failure: Failure,
    why: Why | None,
    *,
    caller: Caller,
    now: datetime,
) -> None:
    """Cancel these, which are locked, all at once. targets: by update, of the codes of those that had begun."""
    if rows:
        ids, begun = [row["id"] for row in rows], [row["id"] in targets for row in rows]
        given = (ids, begun, [targets.get(each) for each in ids], now, failure.value, why)
        back = {row["id"] for row in await tx.fetch(_CANCEL, *given) if row["was_put_back"]}
        told = [(row, row["state"], {"target": targets[row["id"]]} if row["id"] in back else {}) for row in rows]
        await _tell(tx, told, Event.CANCEL, State.CANCELLED, failure, why, caller, now)


async def set_target(tx: Connection, code: str, version: str | None) -> None:
    """The code's firmware target from now on. Who calls it writes the audit row."""
    await tx.execute("UPDATE code SET firmware_target = $2 WHERE code = $1", code, version)


async def put_back_target(tx: Connection, row: Row, version: str | None) -> bool:
    """As `set_target`, while the target is still what the update made it, of the same adapter; False: another one's.

    An exchange may have made it the newest for the adapter that came (R3.14) since the update was looked at.
    """
    query = """UPDATE code SET firmware_target = $2 WHERE code = $1 AND firmware_target = $3
        AND EXISTS (SELECT FROM registration r WHERE (r.code, r.adapter, r.since) = ($1, $4, $5))"""
    values = (row["code"], version, row["version"], row["adapter"], row["registered_since"])
    return bool(await tx.execute(query, *values) == "UPDATE 1")


async def locked(tx: Connection, update: int) -> Row | None:
    """All columns, locked; None when there is none."""
    return await tx.fetchrow("SELECT * FROM firmware_update WHERE id = $1 FOR UPDATE", update)


async def locked_now(tx: Connection, update: int) -> Row | None:
    """All columns, locked; None when somebody else moves it at this moment."""
    return await tx.fetchrow("SELECT * FROM firmware_update WHERE id = $1 FOR UPDATE SKIP LOCKED", update)


async def open_of(tx: Connection, code: str, adapter: str) -> list[Row]:
    """The open updates of the code, or of the adapter, locked; `in_place`: its registration still holds."""
    query = """SELECT u.*, r.since IS NOT NULL AS in_place FROM firmware_update u
        LEFT JOIN registration r ON (r.code, r.adapter, r.since) = (u.code, u.adapter, u.registered_since)
        WHERE u.id IN (SELECT id FROM firmware_update WHERE code = $1 AND ended_at IS NULL
                       UNION ALL SELECT id FROM firmware_update WHERE adapter = $2 AND ended_at IS NULL)
          AND u.ended_at IS NULL ORDER BY u.id FOR UPDATE OF u"""
    return await tx.fetch(query, code, adapter)


async def open_of_version(tx: Connection, series: str, version: str) -> list[Row]:
    """Open updates that lead to, or through, a version, locked."""
    query = """SELECT * FROM firmware_update WHERE series = $1 AND $2 = ANY (path) AND ended_at IS NULL
        ORDER BY id FOR UPDATE"""
    return await tx.fetch(query, series, version)


async def some_locked(tx: Connection, updates: Sequence[int]) -> list[Row]:
    """Those of these that are open, locked."""
    query = "SELECT * FROM firmware_update WHERE id = ANY ($1) AND ended_at IS NULL ORDER BY id FOR UPDATE"
    return await tx.fetch(query, list(updates))


async def said_since(tx: Connection, updates: Sequence[int]) -> dict[int, str]:
    """By update, the version in its adapter's newest pull of a config since the present step; those that pulled."""
    query = """SELECT u.id, p.firmware FROM firmware_update u CROSS JOIN LATERAL (
            SELECT firmware FROM (SELECT * FROM pull WHERE adapter = u.adapter ORDER BY id DESC LIMIT 20) newest
            WHERE message = 'config-solicitation' AND result = 100 AND at >= u.step_at ORDER BY id DESC LIMIT 1) p
        WHERE u.id = ANY ($1)"""
    return {row["id"]: row["firmware"] for row in await tx.fetch(query, list(updates))}
