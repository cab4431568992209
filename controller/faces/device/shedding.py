"""Which pulls are served now: a bound on how many at once, on how many wait for their turn, on how often one may ask.

When a region gets its power back, everybody pulls at once. Those beyond the bound wait a little: a pull takes
milliseconds, while one that is shed with 301 comes back with a new connection after the retry interval (reference
arms-protocol 7.5), which for the location server is a minute. 2,000 at once are served in 13 s that way, and in 70 to
130 s without (`fleet up --boots-at-once 2000`, two cores). Memory is bounded: at most MAX_WAITING pulls wait, and the
windows of at most MAX_TRACKED askers and as many addresses are kept, the longest silent one is forgotten first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from controller.faces.rate import MAX_TRACKED, Rate, network_of
from protocol.ids import DistributionId

__all__ = ["MAX_TRACKED", "MAX_WAITING", "Shedding", "network_of"]

MAX_WAITING = 2_000
WAIT_S = 8.0
"""The longest wait for a turn. With the 20 s for the answer it stays below the 30 s that clients wait."""


class Shedding:
    """concurrency: pulls at once. per_minute: pulls of one adapter in any minute (a boot takes three).
    per_minute_per_address: pulls from one address; adapters behind one NAT share it. An IPv6 /64 counts as one address.

    An adapter is counted by its id *and* its address: the id is only claimed here, and who claims another's from
    elsewhere must not use up its share. Who claims a thousand ids is stopped by the address.
    """

    def __init__(
        self,
        concurrency: int,
        per_minute: int,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        per_minute_per_address: int = 600,
        max_waiting: int = MAX_WAITING,
        wait_s: float = WAIT_S,
    ) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self._waiting = 0
        self._max_waiting, self._wait_s = max_waiting, wait_s
        self._adapters = Rate(per_minute, monotonic)
        self._addresses = Rate(per_minute_per_address, monotonic)

    @asynccontextmanager
    async def admit(self, adapter: DistributionId, source: str, *, counted: bool = True) -> AsyncIterator[bool]:
        """True inside while the pull may be served, first come, first served; a False one takes no place.

        counted: against the rates; not what an adapter was asked for (its report of an operation's end comes but once).
        """
        within = not counted or (
            self._addresses.allows(network_of(source)) and self._adapters.allows((adapter, source))
        )
        admitted = within and await self._turn()
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
