"""Firmware versions and which image is the newest for one unit (R3.14, R4.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_FORM = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}\Z")


def version_key(version: str) -> tuple[int, int]:
    """Sort key of a version "M.mm" (reference/devices.md, firmware numbering): 3.42 -> (3, 42).

    Raises ValueError with a sentence when the text has another form.
    """
    if not _FORM.match(version):
        raise ValueError(f"firmware version {version!r} is not of the form M.mm, for example 3.42")
    major, minor = version.split(".")
    return int(major), int(minor)


@dataclass(frozen=True, slots=True)
class Image:
    """One catalogued image. models, hardware_revisions: empty means every one of the series."""

    series: str
    version: str
    sha256: str
    size: int
    models: tuple[str, ...] = ()
    hardware_revisions: tuple[str, ...] = ()

    def fits(self, series: str, model: str, hardware_revision: str) -> bool:
        """True when a unit of this series, model and hardware revision can run the image."""
        return (
            self.series == series
            and (not self.models or model in self.models)
            and (not self.hardware_revisions or hardware_revision in self.hardware_revisions)
        )


def newest(images: Iterable[Image], series: str, model: str, hardware_revision: str) -> Image | None:
    """The image with the highest version that fits the unit, None when there is none (R3.14)."""
    fitting = [image for image in images if image.fits(series, model, hardware_revision)]
    return max(fitting, key=lambda image: version_key(image.version), default=None)


@dataclass(frozen=True, slots=True)
class Range:
    """Versions from `low` up to but not including `high`, both as `number` gives them."""

    low: int
    high: int

    def holds(self, version: str) -> bool:
        """True when the version lies in the range. Raises ValueError for what is no version."""
        return self.low <= number(version) < self.high


_BOUND = re.compile(r"\s*(>=|<=|>|<|==|=|)\s*([0-9.]+)\s*")
_MOST = 10_000 * 10_000


def number(version: str) -> int:
    """The version as one number that sorts as `version_key` does: 3.42 -> 30042. Raises ValueError."""
    major, minor = version_key(version)
    return major * 10_000 + minor


def version_range(text: str) -> Range:
    """ ">=3.10,<3.42", "3.42", "<=4.20": bounds joined by commas, all of which hold.

    Raises ValueError with a sentence, also for bounds between which no version lies.
    """
    low, high = 0, _MOST
    for bound in text.split(","):
        match = _BOUND.fullmatch(bound)
        if match is None:
            raise ValueError(f"{bound.strip()!r} is no bound of a version; write it like >=3.10,<3.42")
        sign, at = match[1], number(match[2])
        if sign in (">=", ">", "=", "==", ""):
            low = max(low, at + (sign == ">"))
        if sign in ("<=", "<", "=", "==", ""):
            high = min(high, at + (sign != "<"))
    if low >= high:
        raise ValueError(f"no version lies in {text!r}")
    return Range(low, high)
