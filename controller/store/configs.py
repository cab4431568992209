"""Configs of a code and module in their stages: working (being edited), startup (what a pull gets), running."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record

from controller.domain.access import Caller
from controller.domain.errors import NotFound
from controller.store import audit
from controller.store.pool import Connection, Database

_PUT = """
    INSERT INTO config_stage (code, module, stage, revision, at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (code, module, stage) DO UPDATE SET revision = excluded.revision, at = excluded.at"""


async def stages(db: Database, code: str) -> list[Record]:
    """Every stage of every module of a code, without bodies: module, stage, revision, at, size, account."""
    query = """SELECT s.module, s.stage, s.revision, s.at, length(v.body) AS size, v.account
        FROM config_stage s JOIN config_revision v ON v.id = s.revision WHERE s.code = $1 ORDER BY s.module, s.stage"""
    async with db.connection() as connection:
        return await connection.fetch(query, code)


async def body(db: Database, code: str, module: int, stage: str) -> Record | None:
    """body, revision and time of one stage; None when it has none."""
    query = """SELECT v.body, s.revision, s.at FROM config_stage s JOIN config_revision v ON v.id = s.revision
        WHERE s.code = $1 AND s.module = $2 AND s.stage = $3"""
    async with db.connection() as connection:
        return await connection.fetchrow(query, code, module, stage)


async def staged(connection: Connection, code: str) -> list[Record]:
    """Every stage of every module of a code with its body: module, stage, revision, body."""
    query = """SELECT s.module, s.stage, s.revision, v.body
        FROM config_stage s JOIN config_revision v ON v.id = s.revision WHERE s.code = $1 ORDER BY s.module, s.stage"""
    return await connection.fetch(query, code)


async def bodies(connection: Connection, revisions: Sequence[int]) -> list[Record]:
    """module and body of each of these revisions."""
    query = "SELECT module, body FROM config_revision WHERE id = ANY ($1::bigint[]) ORDER BY module"
    return await connection.fetch(query, list(revisions))


async def write_working(
    db: Database, code: str, contract: str, module: int, text: bytes, *, caller: Caller, now: datetime
) -> int:
    """Make `text` the working config; returns its revision. The same text again keeps the revision."""
    async with db.transaction() as tx:
        await tx.execute("SELECT FROM code WHERE code = $1 FOR UPDATE", code)
        revision = await _revision(tx, code, module, text, caller, now)
        await tx.execute(_PUT, code, module, "working", revision, now)
        detail = {"module": module, "revision": revision, "bytes": len(text)}
        await audit.write(tx, caller, "config.edit", code, now=now, contract=contract, detail=detail)
    return revision


async def reflect_at_startup(
    db: Database, code: str, contract: str, module: int, *, caller: Caller, now: datetime
) -> int:
    """Make the working config the startup config, so that the next pull gets it; returns its revision.

    Raises NotFound when there is no working config.
    """
    async with db.transaction() as tx:
        await tx.execute("SELECT FROM code WHERE code = $1 FOR UPDATE", code)
        revision: int | None = await tx.fetchval(
            "SELECT revision FROM config_stage WHERE code = $1 AND module = $2 AND stage = 'working'", code, module
        )
        if revision is None:
            raise NotFound(
                "Code {code} has no working config for module {module}.",
                next_step="Write one first: hikitsugi config edit {code} FILE.",
                code=code,
                module=module,
            )
        await tx.execute(_PUT, code, module, "startup", revision, now)
        detail = {"module": module, "revision": revision}
        await audit.write(tx, caller, "config.reflect", code, now=now, contract=contract, detail=detail)
    return revision


async def _revision(tx: Connection, code: str, module: int, text: bytes, caller: Caller, now: datetime) -> int:
    newest = await tx.fetchrow(
        "SELECT id, body FROM config_revision WHERE code = $1 AND module = $2 ORDER BY id DESC LIMIT 1", code, module
    )
    if newest is not None and newest["body"] == text:
        return int(newest["id"])
    query = """INSERT INTO config_revision (code, module, body, at, account) VALUES ($1, $2, $3, $4, $5) RETURNING id"""
    return int(await tx.fetchval(query, code, module, text, now, caller.account))
