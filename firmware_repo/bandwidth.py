"""Bytes per second, shared fairly: each address that wants some gets as many as the others, however it asks. Pure.

Start-time fair queueing: what an address was given moves its own mark on; the lowest mark is next. An address that was
idle begins at the mark of whoever was served last, so nobody saves up.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter")

_BURST_S = 0.05
"""So much of its share a line that was idle may give out at once; timers are not exact either."""


_SWEEP_EVERY = 1024


@dataclass(slots=True)
class _Line(Generic[Waiter]):
    """One address. free_at: it may have more then. in_heap: it is in one of the heaps."""

    waiting: deque[tuple[int, Waiter]] = field(default_factory=deque)
    mark: float = 0.0
    free_at: float = 0.0
    in_heap: bool = False


class Bandwidth(Generic[Waiter]):
    """total, per_address: bytes per second, 0 for no bound. Times are seconds of any clock that does not go back."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total, self._per_address = total, per_address
        self._lines: dict[str, _Line[Waiter]] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._later: list[tuple[float, int, str]] = []
        self._free_at = self._mark = 0.0
        self._number = 0

    def want(self, address: str, count: int, waiter: Waiter, now: float) -> None:
        """It waits for so many bytes; each address' waiters in their order."""
        line = self._lines.get(address)
        if line is None:
            line = self._lines[address] = _Line(mark=self._mark)
        if not line.waiting:
            line.mark = max(line.mark, self._mark)
        line.waiting.append((count, waiter))
        self._sort_in(address, line, now)

    def leave(self, address: str, waiter: Waiter) -> None:
        """It waits no more; nothing when it does not."""
        line = self._lines.get(address)
        if line is not None:
            line.waiting = deque(each for each in line.waiting if each[1] is not waiter)

    def next(self, now: float) -> Waiter | None:
        """Who may send now, None when nobody may yet."""
        self._awake(now)
        if self._total and now < self._free_at:
            return None
        while self._ready:
            mark, _, address = heapq.heappop(self._ready)
            line = self._lines[address]
            line.in_heap = False
            if line.waiting:
                count, waiter = line.waiting.popleft()
                self._mark = max(self._mark, mark)
                line.mark = max(line.mark, self._mark) + count
                self._spend(line, count, now)
                self._sort_in(address, line, now)
                return waiter
            self._sort_in(address, line, now)
        return None

    def due_at(self) -> float | None:
        """When `next` should be asked again, None when nobody waits."""
        if self._ready:
            return self._free_at
        if self._later:
            return max(self._later[0][0], self._free_at)
        return None

    def _spend(self, line: _Line[Waiter], count: int, now: float) -> None:
        if self._total:
            self._free_at = max(self._free_at, now - _BURST_S) + count / self._total
        if self._per_address:
            line.free_at = max(line.free_at, now - _BURST_S) + count / self._per_address

    def _awake(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, _, address = heapq.heappop(self._later)
            line = self._lines[address]
            line.in_heap = False
            self._sort_in(address, line, now)

    def _sort_in(self, address: str, line: _Line[Waiter], now: float) -> None:
        if line.in_heap or not line.waiting:
            return
        self._number += 1
        if line.free_at > now:
            heapq.heappush(self._later, (line.free_at, self._number, address))
        else:
            heapq.heappush(self._ready, (line.mark, self._number, address))
        line.in_heap = True
        if self._number % _SWEEP_EVERY == 0:
            self._sweep(now)

    def _sweep(self, now: float) -> None:
        """Who is idle and has spent nothing ahead is like somebody new."""
        for address, line in list(self._lines.items()):
            if not line.in_heap and not line.waiting and line.free_at <= now and line.mark <= self._mark:
                del self._lines[address]
