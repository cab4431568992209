"""Images that are not what was imported: looked for by the clock, told to people, and offered to nobody meanwhile.

At the start of a controller names and sizes are compared; after that every image is read once a day, one at a time.
Only an import, or a verification that a person asked for, puts a release back on offer: where several controllers have
their own files, a whole copy at one does not heal the damaged one at another. R4.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from controller.domain import why as reasons
from controller.domain.access import CONTROLLER, Caller
from controller.domain.sentence import sentence
from controller.services.firmware_words import translatable
from controller.store import firmware_damage as store
from controller.store import firmware_metadata as alarms
from controller.store.pool import TROUBLE, Database, Row
from firmware_repo.errors import Damaged, NoSuchBlob, RepositoryError
from firmware_repo.images import Images

log = structlog.get_logger("hikitsugi.firmware")

EVERY_S = 60.0
"""Between two images: 64 MB a minute at most are about 1 MB/s from the disk."""
_READ_EVERY = timedelta(days=1)
_TOLD_EVERY = timedelta(days=1)


@dataclass(slots=True)
class Seen:
    """What this process has found. damaged: so many releases are not offered for their image. missing: sha256 of
    images that are not in this place. read: when each was read last."""

    damaged: int = 0
    missing: set[str] = field(default_factory=set)
    read: dict[str, datetime] = field(default_factory=dict)


async def run(db: Database, images: Images, clock: Callable[[], datetime], seen: Seen) -> None:
    """Look at names and sizes, then read one image a minute until cancelled; a database that is away is waited for."""
    step = glance
    while True:
        try:
            await step(db, images, clock(), seen)
            step = turn
        except (*TROUBLE, OSError) as error:
            log.warning("images cannot be looked after now", why=str(error) or type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def glance(db: Database, images: Images, now: datetime, seen: Seen) -> None:
    """Is each image there, and as long as its name says? Nothing is read."""
    rows = await store.wanted(db)
    for row in rows:
        await _look(db, row, images, _opened, now, seen)
    await _count(db, seen)


async def turn(db: Database, images: Images, now: datetime, seen: Seen) -> None:
    """Read the image that was not read for the longest time, if that is a day or more."""
    rows = await store.wanted(db)
    due = [row for row in rows if now - seen.read.get(row["sha256"], now - _READ_EVERY) >= _READ_EVERY]
    for row in sorted(due, key=lambda row: row["sha256"] in seen.read)[:1]:
        seen.read[row["sha256"]] = now
        await _look(db, row, images, _read, now, seen)
    await _count(db, seen)
    _forget(seen, rows)


async def found(db: Database, sha256: str, detail: str, *, now: datetime, caller: Caller = CONTROLLER) -> None:
    """An image is damaged: its releases are offered no more; people are told of each once. detail: of Damaged."""
    why = reasons.kept(sentence("{why}", why=translatable(detail)))
    async with db.transaction() as tx:
        for series, version in await store.mark(tx, sha256, why, caller=caller, now=now):
            log.error("an image is damaged; it is not offered", release=f"{series} {version}", why=detail)
            payload = {"series": series, "version": version, "why": why}
            await alarms.tell(tx, "firmware.image-damaged", f"{series} {version}", payload, now)


async def whole(db: Database, sha256: str, *, caller: Caller, now: datetime) -> None:
    """An image was imported again, or verified: what was not offered for its damage is offered again."""
    async with db.transaction() as tx:
        for series, version in await store.clear(tx, sha256, caller=caller, now=now):
            log.info("an image is whole again", release=f"{series} {version}")
            payload = {"series": series, "version": version}
            await alarms.tell(tx, "firmware.image-whole", f"{series} {version}", payload, now)


async def _look(
    db: Database, row: Row, images: Images, how: Callable[[Images, str], None], now: datetime, seen: Seen
) -> None:
    sha256 = row["sha256"]
    try:
        await asyncio.to_thread(how, images, sha256)
        seen.missing.discard(sha256)
    except NoSuchBlob:
        seen.missing.add(sha256)
        await _tell_missing(db, row, now)
    except Damaged as damage:
        seen.missing.discard(sha256)
        await found(db, sha256, damage.detail, now=now)
    except RepositoryError as error:  # it may be had later
        log.warning("an image cannot be looked at now", sha256=sha256, why=error.detail)


def _opened(images: Images, sha256: str) -> None:
    """Where images are copies of those in a bucket, one that is not here yet is asked for there."""
    try:
        images.open(sha256).file.close()
    except NoSuchBlob:
        if sha256 not in images.stored():
            raise


def _read(images: Images, sha256: str) -> None:
    images.verify(sha256)


async def _tell_missing(db: Database, row: Row, now: datetime) -> None:
    series, version = row["series"], row["version"]
    log.error("an image is not in the repository of this controller", release=f"{series} {version}")
    async with db.transaction() as tx:
        if await alarms.due_alarm(tx, f"missing {series} {version}", now, _TOLD_EVERY):
            payload = {"series": series, "version": version}
            await alarms.tell(tx, "firmware.image-missing", f"{series} {version}", payload, now)


async def _count(db: Database, seen: Seen) -> None:
    seen.damaged = sum(row["damaged_at"] is not None for row in await store.wanted(db))


def _forget(seen: Seen, rows: Sequence[Row]) -> None:
    known = {row["sha256"] for row in rows}
    seen.missing &= known
    seen.read = {sha256: at for sha256, at in seen.read.items() if sha256 in known}
