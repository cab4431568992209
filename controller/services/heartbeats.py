"""Heartbeats on their way in: verified, bounded, decoded, and stored by the batch.

A datagram has no number and no time in it (reference arms-protocol 5), so whoever captured one can send it again. What
that can do is bounded: it counts only from an address that the adapter pulled or opened its tunnel from, an identical
one at most once per half an interval, and no more than PER_INTERVAL of any kind; it makes an adapter look alive that is
not, and repeats old figures, until the next exchange makes its passphrase worthless. It never leads to a config, a key
or a change in the adapter.
Not here: the socket (faces/device/heartbeat.py), and what follows from heartbeats (services/liveness.py).
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import islice
from typing import TypeAlias

import prometheus_client
import structlog

from controller.domain.health import health
from controller.logs import Seldom
from controller.services.heartbeat_senders import Sender, Senders, Waiting
from controller.store import heartbeats
from controller.store.connections import Heard
from controller.store.pool import TROUBLE, Database
from protocol.arms.heartbeat import DISTRIBUTION_ID, HMAC, Statistics, decode_statistics, sender
from protocol.errors import PeerMistake

log = structlog.get_logger()

PER_INTERVAL = 4
"""Most heartbeats of one adapter in one interval: a confirmation brings one beside the regular one."""
MAX_QUEUE = 300_000
"""Most heartbeats that wait for the database, about 800 bytes each: half an hour of 10,000 adapters at 60 s, or what
two cores cannot store at once of 50,000 a second, for ten seconds."""
BATCH = 50_000
"""Most heartbeats in one transaction. The more, the fewer times an adapter's connection is written for them."""
_AT_ONCE = 1_000  # decoded without a pause, some 5 ms
EVERY_S = 1.0


class Outcome(StrEnum):
    """What became of a datagram. Everything but STORED is dropped."""

    STORED = "stored"
    UNREADABLE = "unreadable"  # no heartbeat, or a genuine one that breaks off
    UNKNOWN = "unknown"  # nobody's id, or of an adapter that is on no code or locked out
    WRONG_ADDRESS = "wrong-address"
    WRONG_KEY = "wrong-key"
    TOO_OFTEN = "too-often"
    REPEATED = "repeated"
    REGISTRATION_CHANGED = "registration-changed"  # between its arrival and the database
    OVERFLOW = "overflow"  # the database was away for too long
    LOST = "lost-in-the-kernel"  # the socket's buffer was full


Taken: TypeAlias = tuple[datetime, str, str, datetime, str, bytes]
"""A verified datagram: when it arrived, serial, code and since of the registration, its address, and itself.

A plain tuple of plain values: the garbage collector stops looking at such, however many wait.
"""

_FETCH_ANEW = frozenset({Outcome.UNKNOWN, Outcome.WRONG_ADDRESS, Outcome.WRONG_KEY})


@dataclass(slots=True)
class Intake:
    """Everything between the socket and the table. interval_s: the adapters' time between two heartbeats.

    any_source: take heartbeats from every address. figures: counter with the label outcome.
    """

    db: Database
    senders: Senders
    clock: Callable[[], datetime]
    interval_s: float
    any_source: bool
    figures: prometheus_client.Counter
    listening_since: datetime = field(init=False)
    """Since when nothing that arrived was late or lost for want of the database."""
    counts: Counter[Outcome] = field(default_factory=Counter)
    """Since the last turn."""
    queue: deque[Taken] = field(default_factory=deque)
    """What waits for the database."""
    _known: dict[bytes, Sender] = field(init=False)
    _days: tuple[date, date] | None = None
    _seldom: Seldom = field(default_factory=lambda: Seldom(log))

    def __post_init__(self) -> None:
        self.listening_since = self.clock()
        self._known = self.senders.known

    def take(self, datagram: bytes, source: str, monotonic: float, at: datetime) -> None:
        """One datagram as it arrived. source: the numeric address. Never waits; bad ones are counted, not raised.

        Cheap reasons to refuse come first. Nothing is remembered of what did not verify.
        """
        known = self._known.get(datagram[DISTRIBUTION_ID])
        if known is None:
            refusal = Outcome.UNKNOWN
        elif known.in_window >= PER_INTERVAL and monotonic - known.window_at < self.interval_s:
            refusal = Outcome.TOO_OFTEN
        elif source not in known.addresses and not self.any_source:
            refusal = Outcome.WRONG_ADDRESS
        elif not known.key.verifies(datagram):
            refusal = Outcome.WRONG_KEY
        elif (mac := datagram[HMAC]) == known.last_hmac and monotonic - known.taken_at < self.interval_s / 2:
            refusal = Outcome.REPEATED  # the HMAC is over everything: the same again means the same datagram
        elif len(self.queue) >= MAX_QUEUE:
            refusal = Outcome.OVERFLOW
        else:
            if monotonic - known.window_at >= self.interval_s:
                known.window_at, known.in_window = monotonic, 0
            known.in_window += 1
            known.taken_at, known.last_hmac = monotonic, mac
            self.queue.append((at, known.serial, known.code, known.since, source, datagram))
            return
        self._refuse(refusal, Waiting(datagram, source, monotonic, at))

    def _refuse(self, refusal: Outcome, refused: Waiting) -> None:
        claimed = sender(refused.datagram)
        if claimed is None:
            refusal = Outcome.UNREADABLE
        elif refusal in _FETCH_ANEW and self.senders.wait(claimed, refused):
            return
        self.counts[refusal] += 1

    async def run(self) -> None:
        """Fetch keys and store batches until cancelled. A database that is away is tried again at the next turn."""
        while True:
            await self.turn()
            await asyncio.sleep(EVERY_S)

    async def turn(self) -> None:
        """Fetch the keys of those who wait, store what is queued, tell what was refused.

        A batch whose commit was cut off may be stored twice, never not at all.
        """
        try:
            for waiting in await self.senders.fetch():
                self.take(waiting.datagram, waiting.source, waiting.monotonic, waiting.at)
            for _ in range(0, len(self.queue), BATCH):
                await self._store(list(islice(self.queue, BATCH)))
        except TROUBLE as error:
            self._days = None
            self.listening_since = self.clock()
            why = str(error) or type(error).__name__
            self._seldom.warning("store", "Heartbeats wait for the database.", waiting=len(self.queue), error=why)
        self._tell()

    async def _store(self, taken: Sequence[Taken]) -> None:
        batch: list[Heard] = []
        for at in range(0, len(taken), _AT_ONCE):
            batch += [_heard(each, statistics) for each, statistics in decoded(taken[at : at + _AT_ONCE])]
            await asyncio.sleep(0)  # others on this loop, the socket first of all, get their turn
        stored = await self._add(batch) if batch else set()
        for _ in taken:
            self.queue.popleft()
        self.counts[Outcome.UNREADABLE] += len(taken) - len(batch)
        late = [each.serial for each in batch if (each.serial, each.since) not in stored]
        self.counts[Outcome.STORED] += len(batch) - len(late)
        if late:
            self.counts[Outcome.REGISTRATION_CHANGED] += len(late)
            self.senders.forget(frozenset(late))

    async def _add(self, batch: Sequence[Heard]) -> set[tuple[str, datetime]]:
        days = heartbeats.days_of(batch)
        if days != self._days:
            await heartbeats.make_days(self.db, *days)
            self._days = days
        return await heartbeats.add(self.db, batch)

    def _tell(self) -> None:
        counts, self.counts = +self.counts, Counter()
        if counts[Outcome.OVERFLOW]:
            self.listening_since = self.clock()
        for outcome, count in counts.items():
            self.figures.labels(outcome.value).inc(count)
        refused = {outcome.value.replace("-", "_"): n for outcome, n in counts.items() if outcome is not Outcome.STORED}
        if refused:
            self._seldom.warning("refused", "Datagrams were refused as heartbeats.", **refused)


def decoded(taken: Iterable[Taken]) -> Iterator[tuple[Taken, Statistics]]:
    """Each with what it says; those that break off or contradict themselves are left out.

    By the batch, not on arrival: what a datagram says is sixty objects, which should not wait by the thousand.
    """
    for each in taken:
        try:
            yield each, decode_statistics(each[-1])
        except PeerMistake:
            continue


def _heard(taken: Taken, statistics: Statistics) -> Heard:
    at, serial, code, since, source, datagram = taken
    return Heard(at, serial, code, since, source, *health(statistics), datagram)
