"""Whose turn it is: so many downloads at one time, so many of one address, and who waits is called fairly. Pure.

Addresses take turns; whoever waits longest at one goes first. One with a thousand waiting does not keep the others out.
"""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter")


class Turns(Generic[Waiter]):
    """total, per_address: downloads at one time. most: waiters of all addresses; 8 times per_address of one."""

    def __init__(self, total: int, per_address: int, most: int) -> None:
        self._total, self._per_address, self._most = total, per_address, most
        self._running: dict[str, int] = {}
        self._waiting: dict[str, deque[Waiter]] = {}
        self._ready: OrderedDict[str, None] = OrderedDict()
        self.running = self.waiting = 0

    def begin(self, address: str) -> bool:
        """True when one more of the address may begin now; nobody who waits is overtaken."""
        if self.running >= self._total or self.is_full(address) or self._ready:
            return False
        self._begin(address)
        return True

    def is_full(self, address: str) -> bool:
        """Whether the address has all that one may have."""
        return self._running.get(address, 0) >= self._per_address

    def wait(self, address: str, waiter: Waiter) -> bool:
        """Queue it; False when there is no room to wait."""
        queue = self._waiting.get(address)
        if self.waiting >= self._most or (queue is not None and len(queue) >= 8 * self._per_address):
            return False
        self._waiting.setdefault(address, deque()).append(waiter)
        self.waiting += 1
        self._sort_in(address)
        return True

    def leave(self, address: str, waiter: Waiter) -> None:
        """It waits no more; nothing when it does not."""
        queue = self._waiting.get(address)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            self.waiting -= 1
            self._sort_in(address)

    def end(self, address: str) -> None:
        """One of the address has ended."""
        self.running -= 1
        self._running[address] -= 1
        if not self._running[address]:
            del self._running[address]
        self._sort_in(address)

    def next(self) -> tuple[str, Waiter] | None:
        """Who may begin now; it counts as begun."""
        if self.running >= self._total or not self._ready:
            return None
        address, _ = self._ready.popitem(last=False)
        waiter = self._waiting[address].popleft()
        self.waiting -= 1
        self._begin(address)
        self._sort_in(address)
        return address, waiter

    def _begin(self, address: str) -> None:
        self.running += 1
        self._running[address] = self._running.get(address, 0) + 1

    def _sort_in(self, address: str) -> None:
        """An address is ready while it has waiters and may have more; its place is kept as long as it is."""
        if not self._waiting.get(address):
            self._waiting.pop(address, None)
            self._ready.pop(address, None)
        elif self.is_full(address):
            self._ready.pop(address, None)
        elif address not in self._ready:
            self._ready[address] = None
