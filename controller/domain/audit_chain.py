"""The hash chain over the audit trail: what is hashed, in which form, and what a check of it finds.

Anybody can recompute it from an export: SHA-256 over the previous hash and the row's canonical JSON (sorted keys, no
blanks, UTF-8, times in UTC with microseconds). The first previous hash is 32 zero bytes.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

START = bytes(32)

FIELDS = ("id", "at", "account", "role", "source", "action", "subject", "contract", "outcome", "detail")
"""What of a row is covered: all of it."""


class Columns(Protocol):
    """An audit row, by column name."""

    def __getitem__(self, name: str, /) -> Any: ...  # Any: columns differ


class Break(StrEnum):
    """What is wrong at a place of the chain."""

    MISSING = "missing"  # the row that was sealed there is gone
    CHANGED = "changed"  # the row, or a hash before it, is not what was sealed
    GAP = "gap"  # a place of the chain itself is gone
    UNSEALED = "unsealed"  # an old row that the chain does not have


def canonical(row: Columns) -> bytes:
    """The bytes of one audit row that are hashed."""
    fields = {name: row[name] for name in FIELDS}
    at: datetime = fields["at"]
    fields["at"] = at.astimezone(UTC).isoformat(timespec="microseconds")
    return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def sealed(previous: bytes, row: Columns) -> bytes:
    """The hash of a row that follows on `previous`, 32 bytes."""
    return hashlib.sha256(previous + canonical(row)).digest()
