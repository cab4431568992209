"""Did the replacement boot normally (R3.17): config pulled, applied, reachable, heartbeat seen since the change?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.domain.sentence import Sentence, sentence


@dataclass(frozen=True, slots=True)
class Boot:
    """What was seen of the adapter on its code; None: never. applied_at: it came back with its method query, which a
    real client sends only after it has applied the config. connected: it is now."""

    config_pulled_at: datetime | None = None
    applied_at: datetime | None = None
    connected: bool = False
    heartbeat_at: datetime | None = None
    seen_at: datetime | None = None


def missing(boot: Boot, since: datetime, *, standby: bool = False) -> tuple[Sentence, ...]:
    """What a normal boot lacks, in the order in which it happens; () for a normal boot.

    since: when the registration changed. What was seen earlier was another boot. standby: the code holds a spare, which
    is given no config: it has booted when it was seen.
    """
    if standby:
        seen = boot.seen_at is not None and boot.seen_at >= since
        return () if seen else (sentence("it has not called since the change"),)
    steps = (
        (_since(boot.config_pulled_at, since), sentence("it has not pulled the config since the change")),
        (_applied(boot, since), sentence("it has not applied the config")),
        (boot.connected, sentence("it is not reachable")),
        (_since(boot.heartbeat_at, since), sentence("no heartbeat has come since the change")),
    )
    return tuple(what for happened, what in steps if not happened)


def _since(at: datetime | None, since: datetime) -> bool:
    return at is not None and at >= since


def _applied(boot: Boot, since: datetime) -> bool:
    """Applied is the config pulled last: a method query from before it belongs to an earlier one."""
    pulled, applied = boot.config_pulled_at, boot.applied_at
    return pulled is not None and applied is not None and applied >= max(pulled, since)
