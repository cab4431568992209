"""How often each of many may ask in a minute. Memory is bounded: the longest silent asker is forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from ipaddress import IPv6Address

MAX_TRACKED = 50_000


class Rate:
    """How often each of many may ask in any minute; those that ask more often than that are counted on."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._windows: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def allows(self, asker: Hashable) -> bool:
        now = self._monotonic()
        since, count = self._windows.get(asker, (now, 0))
        if now - since >= 60:
            since, count = now, 0
        self._windows[asker] = (since, count + 1)
        self._windows.move_to_end(asker)
        if len(self._windows) > MAX_TRACKED:
            self._windows.popitem(last=False)
        return count < self._per_minute


def network_of(address: str) -> str:
    """An IPv4 address as it is; of an IPv6 one the /64, since whoever has one of its addresses has all of them."""
    if ":" not in address:
        return address
    parsed = IPv6Address(address)
    return str(parsed.ipv4_mapped or parsed.exploded[:19])  # mapped: an IPv4 client of a listener for both families
