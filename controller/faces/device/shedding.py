"""Which pulls are served now: a bound on how many at once, on how many wait for their turn, on how often one may ask.

When a region gets its power back, everybody pulls at once. Those beyond the bound wait a little: a pull takes
milliseconds, while one that is shed with 301 comes back with a new connection after the retry interval (reference
arms-protocol 7.5), which for the location server is a minute. 2,000 at once are served in 13 s that way, and in 70 to
130 s without (`fleet up --boots-at-once 2000`, two cores). Memory is bounded: at most MAX_WAITING pulls wait, and the
windows of at most MAX_TRACKED askers are kept, the longest silent one is forgotten first.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from protocol.ids import DistributionId

MAX_TRACKED = 50_000
MAX_WAITING = 2_000
WAIT_S = 8.0
"""The longest wait for a turn. With the 20 s for the answer it stays below the 30 s that clients wait."""


class Shedding:
    """concurrency: pulls at once. per_minute: pulls of one adapter in any minute (a boot takes three).

    An adapter is counted by its id *and* its address: the id is only claimed here, and who claims another's from
    elsewhere must not use up its share.
    """

    def __init__(
        self,
        concurrency: int,
        per_minute: int,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        max_waiting: int = MAX_WAITING,
        wait_s: float = WAIT_S,
    ) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self._waiting = 0
        self._max_waiting, self._wait_s = max_waiting, wait_s
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._windows: OrderedDict[tuple[DistributionId, str], tuple[float, int]] = OrderedDict()

    @asynccontextmanager
    async def admit(self, adapter: DistributionId, source: str) -> AsyncIterator[bool]:
        """True inside while the pull may be served, first come, first served; a False one takes no place."""
        admitted = self._within_rate((adapter, source)) and await self._turn()
        try:
            yield admitted
        finally:
            if admitted:
                self._places.release()

    async def _turn(self) -> bool:
        if not self._places.locked():
            return await self._places.acquire()
        if self._waiting >= self._max_waiting:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                return await self._places.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    def _within_rate(self, asker: tuple[DistributionId, str]) -> bool:
        now = self._monotonic()
        since, count = self._windows.get(asker, (now, 0))
        if now - since >= 60:
            since, count = now, 0
        self._windows[asker] = (since, count + 1)
        self._windows.move_to_end(asker)
        if len(self._windows) > MAX_TRACKED:
            self._windows.popitem(last=False)
        return count < self._per_minute
