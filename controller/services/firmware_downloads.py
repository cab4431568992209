"""Which adapter has fetched how much of which image: noted by the face, written down once a second.

What was noted and not written yet is lost with the process, at most a second of it: the adapter's next request tells
how far it is. Not here: who may fetch (firmware_access.py), and what follows from it (firmware updates).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from controller.logs import Seldom
from controller.store import firmware_downloads as store
from controller.store.firmware_downloads import Part, Wanted
from controller.store.pool import TROUBLE, Database

log = structlog.get_logger()

EVERY_S = 1.0
MOST_WAITING = 100_000
"""Most attempts that wait for the database, about 1 KB each; what comes beyond is dropped and counted."""
_BATCH = 2_000

UNDER_WAY, COMPLETE = "under-way", "complete"

UNSERVED = timedelta(minutes=5)
"""So long nothing goes out only where nobody serves any more: a connection on which nothing moves is cut much sooner,
and what is served is written down each second."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an adapter is with an image. bytes: so many of its first bytes went out; last_at: the newest of them, as
    it was written down; sent_at: when the whole image had gone out, None before that."""

    bytes: int
    last_at: datetime
    sent_at: datetime | None


async def progress(db: Database, adapter: str, sha256: str, since: datetime) -> Progress | None:
    """Of its newest attempt at the image, None when nothing went out since then. Late by up to two seconds.

    May go back: an adapter may start anew. Many who ask at once share a statement.
    """
    row = await store.newest(db, Wanted(adapter, sha256, since))
    if row is None:
        return None
    return Progress(row["reached"], row["last_at"], row["last_at"] if row["outcome"] == COMPLETE else None)


async def take_over(db: Database, now: datetime) -> None:
    """For the only controller of a database: what its predecessor served has ended with it. Where another process
    serves images, its next second says that a download goes on."""
    await store.close_before(db, now)


async def close_unserved(db: Database, now: datetime) -> int:
    """Downloads under way whose server died, or whose adapter never asked for the next piece, are lost; how many."""
    return await store.close_before(db, now - UNSERVED)


@dataclass(slots=True)
class Log:
    """What waits to be written down. One for each process that serves images."""

    db: Database
    dropped: int = 0
    """Parts that found no room, since the start."""
    _waiting: dict[tuple[str, str], list[Part]] = field(default_factory=dict)
    _seldom: Seldom = field(default_factory=lambda: Seldom(log))

    def note(self, part: Part) -> None:
        """Never waits."""
        key = part.fetcher.adapter, part.fetcher.sha256
        if key not in self._waiting and len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        _fold(self._waiting.setdefault(key, []), part)

    async def run(self) -> None:
        """Write down until cancelled. A database that is away is tried again at the next turn."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.turn()

    async def turn(self) -> None:
        """Write down what waits; a batch whose commit was cut off may be counted twice, never not at all."""
        try:
            while batch := self._next():
                try:
                    await store.add(self.db, batch)
                except BaseException:
                    self._put_back(batch)
                    raise
        except TROUBLE as error:
            why = str(error) or type(error).__name__
            self._seldom.warning("store", "Downloads wait for the database.", waiting=len(self._waiting), error=why)

    def _next(self) -> list[Part]:
        """Take what can go in one statement: the first part of each adapter and image."""
        batch: list[Part] = []
        for key in list(self._waiting)[:_BATCH]:
            parts = self._waiting[key]
            batch.append(parts.pop(0))
            if not parts:
                del self._waiting[key]
        return batch

    def _put_back(self, batch: list[Part]) -> None:
        for part in batch:
            parts = [part]
            for later in self._waiting.get((part.fetcher.adapter, part.fetcher.sha256), ()):
                _fold(parts, later)
            self._waiting[part.fetcher.adapter, part.fetcher.sha256] = parts


def _fold(parts: list[Part], part: Part) -> None:
    """Add to what waits of one adapter and image: the same attempt goes on, unless it begins anew and had bytes."""
    if not parts or (part.anew and parts[-1].reached > 0):
        parts.append(part)
        del parts[:-_ATTEMPTS_KEPT]
        return
    last = parts[-1]
    # Not dataclasses.replace: this is done for each range of each image, and it costs five times as much.
    parts[-1] = Part(
        last.fetcher,
        last.anew,
        part.source or last.source,
        last.began_at,
        max(last.last_at, part.last_at),
        last.requests + part.requests,
        last.sent + part.sent,
        max(last.reached, part.reached),
        COMPLETE if last.outcome == COMPLETE else part.outcome,
    )


_ATTEMPTS_KEPT = 8  # of one adapter and image that wait at one time: who starts anew all the time fills no memory
