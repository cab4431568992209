"""The catalogue of firmware: every release there is, and what of it may be offered. Their bytes are in firmware_repo.

Not here: withdrawing one, and who runs it (firmware_withdrawal.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from asyncpg import Record, UniqueViolationError

from controller.domain.access import Caller
from controller.domain.firmware import Image
from controller.domain.firmware_release import Release
from controller.series import by_name
from controller.store import audit
from controller.store.pool import Database

_ADD = """
    INSERT INTO firmware_release (series, version, version_key, sha256, size, models, hardware_revisions,
                                  hardware_lowest, from_lowest, code_name, released_at, missed_why, imported_at,
                                  available_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13) RETURNING state"""

_NEWS = """
    INSERT INTO outbox (at, topic, subject, payload)
    VALUES ($1, 'firmware.' || $4, $2 || ' ' || $3,
            jsonb_build_object('series', $2::text, 'version', $3::text, 'code_name', $5::text))"""

_ALL = """
    SELECT f.*, CASE WHEN f.was_offered THEN f.available_at END AS fetchable_at
    FROM firmware_release f"""


async def add(db: Database, release: Release, *, caller: Caller, now: datetime) -> str | None:
    """Catalogue a release and tell of it; its state, None when its version (in any spelling) is catalogued already."""
    image = release.image
    values = (
        *(image.series, image.version, list(image.key), image.sha256, image.size, list(image.models)),
        *(list(image.hardware_revisions), image.hardware_lowest, image.from_lowest, release.code_name),
        *(release.released_at, release.missed_why, now),
    )
    try:
        async with db.transaction() as tx:
            state: str = await tx.fetchval(_ADD, *values)
            detail = {"sha256": image.sha256, "size": image.size, "state": state}
            await audit.write(tx, caller, "firmware.import", f"{image.series} {image.version}", now=now, detail=detail)
            await tx.execute(_NEWS, now, image.series, image.version, state, release.code_name)
    except UniqueViolationError:
        return None
    return state


async def one(db: Database, series: str, version: str) -> Record | None:
    """One release, whatever its state; None when unknown. fetchable_at: since when it can be fetched, None: not yet."""
    query = f"{_ALL} WHERE series = $1 AND version = $2"
    async with db.connection() as connection:
        return await connection.fetchrow(query, series, version)


async def namesakes(db: Database, image: Image) -> list[Record]:
    """Releases of the series that an image cannot stand beside: the same version in any spelling, or the same bytes."""
    query = f"{_ALL} WHERE series = $1 AND (version_key = $2 OR sha256 = $3) ORDER BY version <> $4, version"
    async with db.connection() as connection:
        return await connection.fetch(query, image.series, list(image.key), image.sha256, image.version)


async def listing(db: Database, *, series: str | None) -> list[Record]:
    """The whole catalogue, newest first within each series, at most 1000 releases."""
    query = f"{_ALL} WHERE $1::text IS NULL OR series = $1 ORDER BY series, version_key DESC LIMIT 1000"
    async with db.connection() as connection:
        return await connection.fetch(query, series)


async def offered(db: Database, series: str) -> list[Image]:
    """All of a series that may be offered to its adapters now, the lowest version first."""
    query = "SELECT * FROM firmware_image WHERE series = $1 ORDER BY version_key"
    async with db.connection() as connection:
        return [image(row) for row in await connection.fetch(query, series)]


async def set_notes(
    db: Database, series: str, version: str, *, ja: str | None, en: str | None, caller: Caller, now: datetime
) -> bool:
    """Replace the release notes in the languages given; False when there is no such release."""
    query = """UPDATE firmware_release SET notes_ja = coalesce($3, notes_ja), notes_en = coalesce($4, notes_en)
        WHERE series = $1 AND version = $2"""
    detail = {"languages": [name for name, text in (("ja", ja), ("en", en)) if text is not None]}
    return await _set(db, query, (series, version, ja, en), "firmware.notes", detail, caller=caller, now=now)


async def set_missed_why(db: Database, series: str, version: str, why: str, *, caller: Caller, now: datetime) -> bool:
    """Why it was not here on the vendor's day (R4.1); False when there is no such release."""
    query = "UPDATE firmware_release SET missed_why = $3 WHERE series = $1 AND version = $2"
    return await _set(db, query, (series, version, why), "firmware.missed", {"why": why}, caller=caller, now=now)


async def _set(
    db: Database,
    query: str,
    values: tuple[str | None, ...],
    action: str,
    detail: Mapping[str, object],
    *,
    caller: Caller,
    now: datetime,
) -> bool:
    async with db.transaction() as tx:
        if (await tx.execute(query, *values)) != "UPDATE 1":
            return False
        await audit.write(tx, caller, action, f"{values[0]} {values[1]}", now=now, detail=dict(detail))
    return True


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


def release(row: Record) -> Release:
    """From a row of `firmware_release`."""
    return Release(image(row), row["code_name"], row["released_at"], row["missed_why"])


def from_arrays(series: str, arrays: Iterable[Sequence[Any]] | None) -> tuple[Image, ...]:
    """Images as the questions about exchanges bring them along, to be judged by hardware alone.

    arrays: [version, sha256, size, models, hardware_revisions, hardware_lowest] each. Any: JSON values.
    """
    return tuple(Image(series, v, sha, size, tuple(m), tuple(r), low) for v, sha, size, m, r, low in arrays or ())
