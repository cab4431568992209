"""The audit trail's seal: a turn that extends the hash chain, and the check that finds what was tampered with.

A chain in the same database does not keep out who may rewrite all of it: note the head (it is in the log every hour,
and `hikitsugi audit verify` prints it) and give it to a later check, which then finds a rewritten past.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from controller.domain.access import Caller
from controller.domain.audit_chain import START, Break, sealed
from controller.domain.errors import Fault, Invalid
from controller.store import audit, audit_chain
from controller.store.pool import TROUBLE, Database, Row

log = structlog.get_logger()

EVERY_S = 1.0
BATCH = 1000
SEGMENT = 5000
"""Places that one call of `verify` looks at."""

_BELATED_TURNS = 60
_STRETCH = 1_000_000  # ids: half a second to look through
_LAST_ID = 2**63 - 1
_TOLD_EVERY = timedelta(hours=1)
_MOST_BREAKS = 100


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: note it outside of the database."""

    position: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.position}:{self.hash.hex()}"

    @classmethod
    def read(cls, text: str) -> Head:
        """From "position:hash in hex". Raises Invalid."""
        position, _, digest = text.partition(":")
        try:
            found = cls(int(position), bytes.fromhex(digest))
        except ValueError:
            found = cls(0, b"")
        if not 0 < found.position < 1 << 63 or len(found.hash) != 32:
            raise Invalid(
                "{head} is no head of the audit chain.",
                next_step="Give it as `hikitsugi audit verify` printed it: position:hash.",
                faults=[Fault("head", "Not of the form position:hash.", location="query")],
                head=text[:100],
            )
        return found


@dataclass(frozen=True, slots=True)
class Segment:
    """What one call of `verify` found. next: the place to go on after, None at the end of the chain. next_row: then,
    the audit row to go on with, None at the end of all. breaks: at most 100, (place, audit id, what)."""

    checked: int
    head: Head | None
    breaks: tuple[tuple[int, int, Break], ...]
    next: int | None
    next_row: int | None


async def run(db: Database, clock: Callable[[], datetime]) -> None:
    """Seal every second until cancelled; the head goes to the log every hour.

    Rows that were overtaken are looked for less often, and in the whole trail at the start: a controller may have died
    between the two.
    """
    turns, told_at = 0, clock() - _TOLD_EVERY
    while True:
        try:
            if turns % _BELATED_TURNS == 0:
                await seal_belated(db, clock(), everywhere=turns == 0)
            head = await seal(db, clock())
            turns += 1
        except TROUBLE as error:
            head = None
            log.warning("the audit trail cannot be sealed; trying again", error=str(error) or type(error).__name__)
        if head and clock() - told_at >= _TOLD_EVERY:
            told_at = clock()
            log.info("head of the audit chain", head=str(head))
        await asyncio.sleep(EVERY_S)


async def seal(db: Database, now: datetime) -> Head | None:
    """Seal what was committed since; the head afterwards, None when there is none or another controller seals now."""
    return await _sealed(db, now, audit_chain.newer)


async def seal_belated(db: Database, now: datetime, *, everywhere: bool) -> Head | None:
    """Seal rows that were overtaken by ones with higher ids. everywhere: however old they are, a stretch at a time."""
    if not everywhere:
        return await _sealed(db, now, partial(audit_chain.belated, since=now - audit_chain.LATE))
    head = None
    for first in range(0, await audit_chain.newest(db) + 1, _STRETCH):
        ids = range(first, first + _STRETCH)
        head = await _sealed(db, now, partial(audit_chain.belated_among, ids=ids))
    return head


async def _sealed(db: Database, now: datetime, unsealed: Callable[..., Awaitable[list[Row]]]) -> Head | None:
    while True:
        async with db.transaction() as tx:
            if not await audit_chain.only_one(tx):
                return None
            last = await audit_chain.head(tx)
            position, digest = (last["position"], last["hash"]) if last else (0, START)
            rows, places = await unsealed(tx, limit=BATCH), []
            for row in rows:
                digest = sealed(digest, row)
                places.append((row["id"], digest))
            if places:
                await audit_chain.add(tx, position + 1, places, now)
        if len(rows) < BATCH:
            position += len(rows)
            return Head(position, digest) if position else None


async def note_export(db: Database, wanted: audit.Filter, form: str, *, caller: Caller, now: datetime) -> None:
    """Record that somebody takes the trail, or a part of it, elsewhere."""
    detail = {name: str(value) for name, value in asdict(wanted).items() if value is not None} | {"format": form}
    async with db.transaction() as tx:
        await audit.write(tx, caller, "audit.export", "audit", now=now, contract=caller.contract, detail=detail)


async def verify(
    db: Database, now: datetime, *, after: int = 0, row: int | None = None, known: Head | None = None
) -> Segment:
    """Check one segment of the chain after a place; call again with `next`, then with `next_row`, until both are None.

    row: the chain was read to its end; look for rows that were never sealed, a stretch from this id on. The first
    stretch comes with the chain's last segment. known: a head that was noted earlier; checked with the first segment.
    """
    if row is not None:
        async with db.connection() as connection:
            last = await audit_chain.head(connection)
        unsealed, next_row = await _never_sealed(db, now, row)
        return Segment(0, Head(last["position"], last["hash"]) if last else None, unsealed, None, next_row)
    breaks: list[tuple[int, int, Break]] = []
    async with db.transaction(readonly=True) as tx:
        previous = START if after == 0 else await audit_chain.hash_at(tx, after)
        if known and after == 0 and await audit_chain.hash_at(tx, known.position) != known.hash:
            breaks.append((known.position, 0, Break.CHANGED))
        rows = await audit_chain.places(tx, after, SEGMENT)
        last = await audit_chain.head(tx)
    expected = after
    for place in rows:
        expected += 1
        if place["position"] != expected or previous is None:
            breaks.append((expected, place["audit"], Break.GAP))
        elif place["id"] is None:
            breaks.append((expected, place["audit"], Break.MISSING))
        elif sealed(previous, place) != place["hash"]:
            breaks.append((expected, place["audit"], Break.CHANGED))
        expected, previous = place["position"], place["hash"]
    ended, next_row = len(rows) < SEGMENT, None
    if ended:
        unsealed, next_row = await _never_sealed(db, now, 0)
        breaks += unsealed
    head = Head(last["position"], last["hash"]) if last else None
    return Segment(len(rows), head, tuple(breaks[:_MOST_BREAKS]), None if ended else expected, next_row)


async def _never_sealed(
    db: Database, now: datetime, first: int
) -> tuple[tuple[tuple[int, int, Break], ...], int | None]:
    """Breaks in the stretch of ids from `first` on; where the next one begins, None when this is the last."""
    ids = range(first, min(first + _STRETCH, _LAST_ID))
    found = tuple((0, audit, Break.UNSEALED) for audit in await audit_chain.forgotten(db, now, ids, _MOST_BREAKS))
    return found, ids.stop if ids.stop <= await audit_chain.newest(db) else None
