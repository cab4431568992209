"""Which pulls are served now: a bound on how many at once, and on how often one adapter may ask.

Shed ones are answered 301, so clients wait their retry interval (reference arms-protocol 7.5). Memory is bounded: the
windows of at most MAX_TRACKED askers are kept, the longest silent one is forgotten first.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from protocol.ids import DistributionId

MAX_TRACKED = 50_000


class Shedding:
    """concurrency: pulls at once. per_minute: pulls of one adapter in any minute (a boot takes three).

    An adapter is counted by its id *and* its address: the id is only claimed here, and who claims another's from
    elsewhere must not use up its share.
    """

    def __init__(self, concurrency: int, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._free = concurrency
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._windows: OrderedDict[tuple[DistributionId, str], tuple[float, int]] = OrderedDict()

    @contextmanager
    def admit(self, adapter: DistributionId, source: str) -> Iterator[bool]:
        """True inside while the pull may be served; a False one takes no place."""
        admitted = self._free > 0 and self._within_rate((adapter, source))
        self._free -= admitted
        try:
            yield admitted
        finally:
            self._free += admitted

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
