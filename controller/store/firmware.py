"""The catalogue of firmware images. Their bytes are in firmware_repo, by content."""

from __future__ import annotations

from datetime import datetime

from asyncpg import Record, UniqueViolationError

from controller.domain.access import Caller
from controller.domain.errors import Conflict
from controller.domain.firmware import Image, version_key
from controller.series import by_name
from controller.store import audit
from controller.store.pool import Database

_ADD = """
    INSERT INTO firmware_release (series, version, version_key, sha256, size, notes_ja, models, hardware_revisions,
                                released_at, available_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""


async def add(
    db: Database, image: Image, notes: str, released_at: datetime | None, *, caller: Caller, now: datetime
) -> bool:
    """Catalogue an image; False when exactly this one is there already.

    Raises Conflict when another image has this series and version.
    """
    values = (
        *(image.series, image.version, list(version_key(image.version)), image.sha256, image.size, notes),
        *(list(image.models), list(image.hardware_revisions), released_at, now),
    )
    try:
        async with db.transaction() as tx:
            await tx.execute(_ADD, *values)
            detail = {"sha256": image.sha256, "size": image.size}
            await audit.write(tx, caller, "firmware.import", f"{image.series} {image.version}", now=now, detail=detail)
    except UniqueViolationError as error:
        present = await one(db, image.series, image.version)
        if present is not None and present["sha256"] == image.sha256:
            return False
        raise Conflict(
            "{series} {version} is catalogued with another image ({sha256}).",
            next_step="A released version never changes: check the file, or import it under its own version.",
            series=image.series,
            version=image.version,
            sha256=present["sha256"] if present else "?",
        ) from error
    return True


async def one(db: Database, series: str, version: str) -> Record | None:
    """One catalogued image, None when unknown."""
    query = "SELECT * FROM firmware_release WHERE series = $1 AND version = $2"
    async with db.connection() as connection:
        return await connection.fetchrow(query, series, version)


async def listing(db: Database, *, series: str | None) -> list[Record]:
    """The catalogue, newest first within each series; recommended is true for the newest (R4.2)."""
    query = """SELECT series, version, sha256, size, notes_ja AS notes, models, hardware_revisions,
            released_at, available_at,
            row_number() OVER (PARTITION BY series ORDER BY version_key DESC) = 1 AS recommended
        FROM firmware_release WHERE ($1::text IS NULL OR series = $1) ORDER BY series, version_key DESC LIMIT 1000"""
    async with db.connection() as connection:
        return await connection.fetch(query, series)


async def offered(db: Database, series: str) -> list[Image]:
    """All of a series that may be offered to its adapters now, the lowest version first."""
    query = "SELECT * FROM firmware_image WHERE series = $1 ORDER BY version_key"
    async with db.connection() as connection:
        return [image(row) for row in await connection.fetch(query, series)]


def image(row: Record) -> Image:
    """From a row of `firmware_image` or `firmware_release`."""
    return Image(
        row["series"],
        row["version"],
        row["sha256"],
        row["size"],
        tuple(row["models"]),
        tuple(row["hardware_revisions"]),
        row["hardware_lowest"],
        row["from_lowest"],
        by_name(row["series"]).firmware.numbering,
    )
