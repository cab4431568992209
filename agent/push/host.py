"""What an adapter's contact with its server asks of whoever runs the adapters."""

from __future__ import annotations

from typing import Protocol

from agent.adapter import Adapter
from agent.reaction import Next


class Host(Protocol):
    """The fleet, seen from here. time_scale: real seconds per device second."""

    time_scale: float

    def speaks_from(self, adapter: Adapter) -> str:
        """The address from which the adapter speaks and on which it listens, "" for any."""
        ...

    def go(self, adapter: Adapter, upcoming: Next | None) -> None:
        """Do this, when its time comes, instead of whatever is planned or under way; None: nothing."""
        ...

    def restart(self, adapter: Adapter, why: str) -> None:
        """A restart from within, in good order."""
        ...

    def send(self, adapter: Adapter, host: str, port: int, datagram: bytes) -> None:
        """One UDP datagram, from the adapter's own address. host: numeric IPv4. Losses are nobody's concern."""
        ...
