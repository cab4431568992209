"""Answers to repeated writes, kept in the database: what the HTTP layer asks for by Idempotency-Key.

They are sealed: the answer to "issue an access key" holds the key, of which nothing else keeps more than a hash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.access import Caller
from controller.store import idempotency
from controller.store.pool import Database
from controller.store.secrets import Secrets

KEPT = timedelta(hours=24)
ABANDONED_AFTER = timedelta(minutes=20)  # longer than the longest deadline of a route (an import's 15 minutes)
_PURPOSE = "kept-answer"


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
    vault: Secrets
    clock: Callable[[], datetime]

    async def begin(self, caller: Caller, key: str, fingerprint: bytes) -> Stored | None:
        """None: the request is new and now ours."""
        row = await idempotency.begin(
            self.db, caller.account, key, fingerprint, self.clock(), abandoned_after=ABANDONED_AFTER
        )
        if row is None:
            return None
        same = bytes(row["request_hash"]) == fingerprint
        body = self.vault.open(row["body"], purpose=_PURPOSE) if row["body"] is not None else b""
        return Stored(same, row["status"], row["headers"] or {}, body)

    async def finish(self, caller: Caller, key: str, status: int, headers: dict[str, str], body: bytes) -> None:
        sealed = self.vault.seal(body, purpose=_PURPOSE)
        await idempotency.finish(self.db, caller.account, key, status, headers, sealed)

    async def abandon(self, caller: Caller, key: str) -> None:
        await idempotency.abandon(self.db, caller.account, key)
