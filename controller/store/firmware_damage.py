"""Releases whose image is not what was imported: marked, told, and no longer in the view `firmware_image`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from asyncpg import Record

from controller.domain.access import Caller
from controller.store import audit
from controller.store.pool import Connection, Database

_MARK = """UPDATE firmware_release SET damaged_at = $2, damaged_why = $3
    WHERE sha256 = $1 AND damaged_at IS NULL RETURNING series, version"""
_CLEAR = """UPDATE firmware_release SET damaged_at = NULL, damaged_why = NULL
    WHERE sha256 = $1 AND damaged_at IS NOT NULL RETURNING series, version"""


async def mark(
    tx: Connection, sha256: str, why: Mapping[str, Any], *, caller: Caller, now: datetime
) -> list[tuple[str, str]]:
    """Series and version of what was not marked before. why: as domain/why.py keeps it (Any: JSON)."""
    rows = await tx.fetch(_MARK, sha256, now, dict(why))
    return await _audited(tx, rows, "firmware.damaged", {"sha256": sha256, "why": dict(why)}, caller, now)


async def clear(tx: Connection, sha256: str, *, caller: Caller, now: datetime) -> list[tuple[str, str]]:
    """Series and version of what was marked."""
    return await _audited(tx, await tx.fetch(_CLEAR, sha256), "firmware.whole", {"sha256": sha256}, caller, now)


async def _audited(
    tx: Connection, rows: list[Record], action: str, detail: dict[str, Any], caller: Caller, now: datetime
) -> list[tuple[str, str]]:
    """Any: JSON."""
    releases = [(row["series"], row["version"]) for row in rows]
    for series, version in releases:
        await audit.write(tx, caller, action, f"{series} {version}", now=now, detail=detail)
    return releases


async def wanted(db: Database) -> list[Record]:
    """sha256, series, version and damaged_at of every release that is not withdrawn, at most 1000."""
    query = """SELECT sha256, series, version, damaged_at FROM firmware_release
        WHERE state <> 'withdrawn' ORDER BY series, version LIMIT 1000"""
    async with db.connection() as connection:
        return await connection.fetch(query)
