"""Firmware updates looked at: where one would go, what there is to choose, lists. Moving: firmware_update_moves.py."""

from __future__ import annotations

from controller.domain.firmware import Image
from controller.domain.firmware_update import State
from controller.store.firmware import image
from controller.store.pool import Connection, Database, Row

_PLACE = """
    SELECT c.code, c.contract, c.kind, c.warm, c.firmware_target, r.adapter, r.since, a.series, a.model,
           a.hardware_revision, a.locked_out_at IS NOT NULL AS locked_out, coalesce(k.firmware, '') AS running,
           n.state IS NOT DISTINCT FROM 'connected' AS connected, held_by_exchange(c.code) AS exchange,
           p.id AS partner_update, p.code AS partner
    FROM code c
    LEFT JOIN registration r ON r.code = c.code
    LEFT JOIN adapter a ON a.serial = r.adapter
    LEFT JOIN contact k ON k.adapter = r.adapter
    LEFT JOIN connection n ON n.adapter = r.adapter
    LEFT JOIN LATERAL (
        SELECT u.id, u.code FROM pair JOIN firmware_update u ON u.code = pair.partner
        WHERE pair.code = c.code AND u.state IN ('ordered', 'downloading', 'flashing', 'checking')
        ORDER BY u.id LIMIT 1) p ON true
    WHERE c.code = $1"""


async def place(connection: Connection, code: str) -> Row | None:
    """Where an update would go: code, contract, kind, warm, firmware_target; of its adapter adapter, since, series,
    model, hardware_revision, locked_out, running ('' = it has not said), connected; what would make it wait: exchange,
    partner_update with its code partner. None: no such code; adapter is None when it holds none."""
    return await connection.fetchrow(_PLACE, code)


async def offered(connection: Connection, series: str) -> list[Image]:
    """All that may be offered to adapters of the series, the lowest version first."""
    found = await connection.fetch("SELECT * FROM firmware_image WHERE series = $1 ORDER BY version_key", series)
    return [image(row) for row in found]


async def release(connection: Connection, series: str, version: str) -> Row | None:
    """state, withdrawn_why and damaged_why of a catalogued version; None when there is none."""
    query = "SELECT state, withdrawn_why, damaged_why FROM firmware_release WHERE series = $1 AND version = $2"
    return await connection.fetchrow(query, series, version)


async def open_on(connection: Connection, code: str, adapter: str) -> Row | None:
    """id, version and state of the open update of the code, whose adapter this is; None when there is none."""
    query = "SELECT id, version, state FROM firmware_update WHERE code = $1 AND adapter = $2 AND ended_at IS NULL"
    return await connection.fetchrow(query, code, adapter)


_ONE = """
    SELECT u.*, a.model, coalesce(k.firmware, '') AS running, c.firmware_target
    FROM firmware_update u JOIN adapter a ON a.serial = u.adapter JOIN code c ON c.code = u.code
    LEFT JOIN contact k ON k.adapter = u.adapter
    WHERE ($1::text IS NULL OR u.contract = $1)"""


async def one(db: Database, update: int, *, contract: str | None) -> Row | None:
    """One, with model and running of its adapter and firmware_target of its code. contract: only if it is of this."""
    async with db.connection() as connection:
        return await connection.fetchrow(f"{_ONE} AND u.id = $2", contract, update)


async def page(
    db: Database,
    *,
    contract: str | None,
    code: str | None,
    state: State | None,
    rollout: int | None,
    before: int | None,
    limit: int,
) -> list[Row]:
    """Newest first, as `one`. before: id of the last one already seen."""
    query = f"""{_ONE} AND ($2::text IS NULL OR u.code = $2) AND ($3::text IS NULL OR u.state = $3)
        AND ($4::bigint IS NULL OR u.rollout = $4) AND ($5::bigint IS NULL OR u.id < $5) ORDER BY u.id DESC LIMIT $6"""
    async with db.connection() as connection:
        return await connection.fetch(query, contract, code, state, rollout, before, limit)


async def journal(db: Database, update: int, *, limit: int = 200) -> list[Row]:
    """Moves, oldest first."""
    query = """SELECT at, event, from_state, to_state, account, role, data FROM firmware_update_move
        WHERE update_id = $1 ORDER BY id LIMIT $2"""
    async with db.connection() as connection:
        return await connection.fetch(query, update, limit)


async def releases(connection: Connection, series: str, version: str | None, *, limit: int = 200) -> list[Row]:
    """What may be offered of a series, the newest first, with its release notes; version: only that one."""
    query = """SELECT * FROM firmware_release WHERE series = $1 AND state = 'available' AND damaged_why IS NULL
        AND ($2::text IS NULL OR version = $2) ORDER BY version_key DESC LIMIT $3"""
    return await connection.fetch(query, series, version, limit)
