"""Signed metadata (TUF) as this repository uses it: who signs what, and for how long it is valid.

    root        offline, several holders, a threshold of them: says whose keys all others are
    targets     offline: names the series and whose key signs each; no images of its own
    <series>    offline, one role for each series: its images, "seil8/3.42.img" with length, sha256 and whom they fit
    snapshot    online, the controller: which version of targets and of each series is current
    timestamp   online, the controller, each day: which snapshot is current

documents.py reads and signs them · making.py makes them · chain.py checks them all. Source: The Update Framework
specification 1.0.31, chapters 4 to 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from securesystemslib.signer import Key

from firmware_repo.errors import WrongMetadata, said

ROOT: Final = "root"
TARGETS: Final = "targets"
SNAPSHOT: Final = "snapshot"
TIMESTAMP: Final = "timestamp"
TOP: Final = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
MOST_SERIES: Final = 30  # a client follows 32 delegations and no more

_DAY: Final = timedelta(days=1)
_LIFE: Final = {ROOT: 365 * _DAY, SNAPSHOT: 7 * _DAY, TIMESTAMP: _DAY}
_ALARM: Final = {ROOT: 45 * _DAY, SNAPSHOT: 2 * _DAY, TIMESTAMP: timedelta(hours=6)}
_RESIGN: Final = {SNAPSHOT: 4 * _DAY, TIMESTAMP: timedelta(hours=18)}


def life(role: str) -> timedelta:
    """How long a new document of the role is valid; targets and series: 180 days."""
    return _LIFE.get(role, 180 * _DAY)


def alarm_before(role: str) -> timedelta:
    """People are told when less than this is left."""
    return _ALARM.get(role, 21 * _DAY)


def resign_before(role: str) -> timedelta | None:
    """The controller signs anew when less than this is left; None: it cannot, the key is offline."""
    return _RESIGN.get(role)


def file_name(role: str, version: int) -> str:
    """Under which name clients ask for it: "timestamp.json", else "7.seil8.json"."""
    return f"{TIMESTAMP}.json" if role == TIMESTAMP else f"{version}.{role}.json"


@dataclass(frozen=True, slots=True)
class Holders:
    """Who signs for a role: so many of these keys."""

    keys: tuple[Key, ...]
    threshold: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= len({key.keyid for key in self.keys}):
            raise WrongMetadata(
                said(
                    "{threshold} of {count} keys cannot sign: the threshold is 1 to the number of keys.",
                    threshold=self.threshold,
                    count=len(self.keys),
                )
            )


@dataclass(frozen=True, slots=True)
class Online:
    """The controller's keys."""

    snapshot: Key
    timestamp: Key
