"""Who may send heartbeats: the verifying keys of adapters, kept in memory, fetched from the database by the batch.

Datagrams of those not known yet wait here for the next fetch. Everything is bounded: junk with made-up ids costs
MAX_WAITING datagrams of memory and one query a turn, whatever comes in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import structlog

from controller.logs import Seldom
from controller.store import heartbeats
from controller.store.pool import Database, Row
from controller.store.secrets import CannotOpen, Secrets
from protocol.arms.heartbeat import Key

log = structlog.get_logger()
V = TypeVar("V")

MAX_SENDERS = 100_000
"""Most adapters whose keys are kept (1.2 KB each); the one fetched longest ago goes first."""
MAX_WAITING = 4_096
"""Most datagrams that wait for a fetch, one an adapter."""
MAX_STRANGERS = 50_000
STRANGER_S = 60.0
"""An id that nobody has is not asked for again for so long."""
REFETCH_S = 10.0
"""What does not verify may mean a new passphrase or a new address: fetched anew, no more often than this."""


@dataclass(slots=True)
class Sender:
    """One adapter, and what is remembered of its last heartbeats. Times are monotonic seconds.

    in_window: how many were taken since window_at, within one interval.
    """

    serial: str
    code: str
    since: datetime
    key: Key
    addresses: frozenset[str]
    fetched_at: float
    taken_at: float = -1e9
    window_at: float = -1e9
    in_window: int = 0
    last_hmac: bytes = b""

    def goes_on_as(self, later: Sender) -> None:
        """The same registration was fetched anew: what is remembered stays."""
        later.taken_at, later.last_hmac = self.taken_at, self.last_hmac
        later.window_at, later.in_window = self.window_at, self.in_window


@dataclass(frozen=True, slots=True)
class Waiting:
    """A datagram that waits for its sender to be fetched. at: when it arrived."""

    datagram: bytes
    source: str
    monotonic: float
    at: datetime


@dataclass(slots=True)
class Senders:
    db: Database
    vault: Secrets
    monotonic: Callable[[], float]
    known: dict[bytes, Sender] = field(default_factory=dict)
    """By distribution id, 16 bytes."""
    _waiting: dict[bytes, Waiting] = field(default_factory=dict)
    _strangers: dict[bytes, float] = field(default_factory=dict)  # id → until when
    _seldom: Seldom = field(default_factory=lambda: Seldom(log))

    def wait(self, claimed: bytes, waiting: Waiting) -> bool:
        """Keep the datagram until the sender has been fetched; False: one waits already, it is no use, or no room."""
        sender = self.known.get(claimed)
        if sender is not None and waiting.monotonic - sender.fetched_at < REFETCH_S:
            return False
        if self._strangers.get(claimed, 0.0) > waiting.monotonic:
            return False
        if claimed in self._waiting or len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting[claimed] = waiting
        return True

    async def fetch(self) -> list[Waiting]:
        """Ask the database for everybody who is waited for; returns the datagrams that waited.

        Raises what the database raises; everything waits on then.
        """
        asked = list(self._waiting)
        if not asked:
            return []
        rows = await heartbeats.senders(self.db, asked)
        now = self.monotonic()
        found = {row["distribution_id"].bytes: row for row in rows}
        for claimed in asked:
            self._learn(claimed, found.get(claimed), now)
        return [self._waiting.pop(claimed) for claimed in asked]

    def forget(self, serials: frozenset[str]) -> None:
        """Their registrations changed: what they send next is verified anew."""
        for claimed in [each for each, sender in self.known.items() if sender.serial in serials]:
            del self.known[claimed]

    def _learn(self, claimed: bytes, row: Row | None, now: float) -> None:
        before = self.known.pop(claimed, None)
        sender = row and self._sender(row, now)
        if not sender:
            _put(self._strangers, claimed, now + STRANGER_S, MAX_STRANGERS)
            return
        if before and before.since == sender.since:
            before.goes_on_as(sender)
        self._strangers.pop(claimed, None)
        _put(self.known, claimed, sender, MAX_SENDERS)

    def _sender(self, row: Row, now: float) -> Sender | None:
        try:
            passphrase = self.vault.open(row["heartbeat_passphrase"], purpose="heartbeat-passphrase")
        except CannotOpen as error:
            self._seldom.warning("passphrase", "A heartbeat cannot be verified.", adapter=row["serial"], why=str(error))
            return None
        addresses = frozenset(row["addresses"])
        return Sender(row["serial"], row["code"], row["since"], Key(passphrase), addresses, now)


def _put(bounded: dict[bytes, V], key: bytes, value: V, limit: int) -> None:
    """Add, and let the oldest go where there is no room."""
    bounded[key] = value
    if len(bounded) > limit:
        del bounded[next(iter(bounded))]
