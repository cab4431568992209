"""Releases of firmware: what is catalogued of each, which is recommended, which missed the vendor's day (R4.1-R4.3).

Pure. Which image fits which unit is firmware.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.domain.errors import JST
from controller.domain.firmware import Image

MAX_NOTES = 64 * 1024
"""Bytes of the release notes in one language."""
MAX_WHY = 2000
"""Letters of a reason."""


class State(StrEnum):
    """unsigned: no signed metadata names it, so it is offered to nobody. "Recommended" is not a state: see below."""

    UNSIGNED = "unsigned"
    AVAILABLE = "available"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Release:
    """What an importer says of an image, beside its bytes. released_at: by the vendor, None when nobody knows."""

    image: Image
    code_name: str = ""
    released_at: datetime | None = None
    missed_why: str = ""


def changed(present: Release, again: Release) -> tuple[str, ...]:
    """Names of the facts in which a second import differs from the first. A released version never changes (R4.1)."""
    pairs = {
        "sha256": (present.image.sha256, again.image.sha256),
        "size": (present.image.size, again.image.size),
        "models": (set(present.image.models), set(again.image.models)),
        "hardware_revisions": (set(present.image.hardware_revisions), set(again.image.hardware_revisions)),
        "hardware_lowest": (present.image.hardware_lowest, again.image.hardware_lowest),
        "from_lowest": (present.image.from_lowest, again.image.from_lowest),
        "code_name": (present.code_name, again.code_name),
        "released_at": (present.released_at, again.released_at),
    }
    return tuple(name for name, (before, after) in pairs.items() if before != after)


def recommended(offered: Iterable[Image], models: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For which models each version is the newest on offer (R4.2), by version; those that are it for none are missing.

    offered: images of one series that may be offered. An image for some hardware revisions only is the newest for
    these; so the newest that runs on all the others of the model is recommended too.
    """
    found: dict[str, tuple[str, ...]] = {}
    waiting = list(models)
    for image in sorted(offered, key=lambda each: each.key, reverse=True):
        of = tuple(model for model in waiting if not image.models or model in image.models)
        if of:
            found[image.version] = of
        if not image.hardware_revisions and not image.hardware_lowest:
            waiting = [model for model in waiting if model not in of]
    return found


def days_late(released_at: datetime | None, available_at: datetime | None, now: datetime) -> int | None:
    """Days of the calendar (JST) from the vendor's release until it could be fetched here: 0 is the same day (R4.1).

    available_at: None while it cannot be fetched yet; then up to now. None when the vendor's release is not known.
    What was here before the vendor's day is 0 days late.
    """
    if released_at is None:
        return None
    days = (available_at or now).astimezone(JST).date() - released_at.astimezone(JST).date()
    return max(0, days.days)


@dataclass(frozen=True, slots=True)
class Change:
    """From one version to another. versions: what comes on the way, or goes, the oldest first; the one that is run
    before an upgrade is not among them, nor the one that is run after a downgrade."""

    downgrade: bool
    versions: tuple[str, ...]


def between(images: Iterable[Image], before: str, after: Image) -> Change:
    """Whose release notes tell what changes when `after` takes the place of `before`; of a downgrade, what is lost.

    before: may be a version that is not catalogued: adapters come with those. Raises ValueError for what is no version.
    """
    key = after.numbering.key(before)
    low, high = sorted((key, after.key))
    passed = sorted((i for i in images if low < i.key <= high), key=lambda image: image.key)
    return Change(after.key < key, tuple(image.version for image in passed))
