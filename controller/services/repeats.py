"""Answers to repeated writes, kept in the database: what the HTTP layer asks for by Idempotency-Key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.access import Caller
from controller.store import idempotency
from controller.store.pool import Database

KEPT = timedelta(hours=24)
ABANDONED_AFTER = timedelta(minutes=20)  # longer than the longest deadline of a route (an import's 15 minutes)


@dataclass(frozen=True, slots=True)
class Stored:
    """An earlier answer. status None: its request is still at work. same: it came with the same request."""

    same: bool
    status: int | None
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Repeats:
    db: Database
    clock: Callable[[], datetime]

    async def begin(self, caller: Caller, key: str, fingerprint: bytes) -> Stored | None:
        """None: the request is new and now ours."""
        row = await idempotency.begin(
            self.db, caller.account, key, fingerprint, self.clock(), abandoned_after=ABANDONED_AFTER
        )
        if row is None:
            return None
        same = bytes(row["request_hash"]) == fingerprint
        return Stored(same, row["status"], row["headers"] or {}, bytes(row["body"] or b""))

    async def finish(self, caller: Caller, key: str, status: int, headers: dict[str, str], body: bytes) -> None:
        await idempotency.finish(self.db, caller.account, key, status, headers, body)

    async def abandon(self, caller: Caller, key: str) -> None:
        await idempotency.abandon(self.db, caller.account, key)
