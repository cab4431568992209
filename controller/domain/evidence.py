"""Evidence of an adapter before it is removed: when it is worth asking for, how long it is waited for, what is enough.

An assumption of ours (A), none of the provider's rules: nobody can ask an adapter that has been sent away, so its
config, status and log are collected into the case while it still answers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

COLLECT_WITHIN = timedelta(seconds=60)
"""A case waits so long for its evidence, and then goes on without."""

HEARD_WITHIN = timedelta(hours=24)
"""Who is not connected but was heard so lately is asked all the same."""

AGAIN_AFTER = timedelta(minutes=10)
"""Between two tries of one case."""


class Evidence(StrEnum):
    """What a case has. The column evidence says the same."""

    NONE = "none"  # nothing was asked for
    UNREACHABLE = "unreachable"  # nothing came
    COLLECTING = "collecting"
    PARTIAL = "partial"  # some lines came
    COLLECTED = "collected"  # all of them


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of an adapter's whereabouts. connected: the liveness rule says so. gone_at: since when it is not,
    None when it never was. heard_at: its newest pull or heartbeat. has_way: some transport leads to it."""

    has_way: bool
    connected: bool = False
    gone_at: datetime | None = None
    heard_at: datetime | None = None


def may_answer(seen: Seen, now: datetime) -> bool:
    """Is it worth asking? A swap of a dead adapter must not wait for it (R3.11)."""
    if not seen.has_way:
        return False
    if seen.connected:
        return True
    heard = seen.heard_at
    return heard is not None and heard >= now - HEARD_WITHIN and (seen.gone_at is None or seen.gone_at <= heard)


def outcome(wanted: Sequence[str], brought: Collection[str]) -> Evidence:
    """What a case has when nothing is under way any more. brought: the lines that were answered without failure."""
    found = set(wanted) & set(brought)
    if not found:
        return Evidence.UNREACHABLE
    return Evidence.COLLECTED if found == set(wanted) else Evidence.PARTIAL
