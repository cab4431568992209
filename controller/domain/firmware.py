"""Firmware versions, which image is the newest for one unit (R3.14, R4.2), and what it goes through to get there.

Not here: how a series numbers its versions (its `firmware` in controller/series), and updates (firmware_update.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from controller.domain.sentence import Sentence, sentence


@dataclass(frozen=True, slots=True)
class Numbering:
    """How versions are written and ordered. form: each group of it is a whole number, the weightiest first.

    words: the form as people say it. example: one of them.
    """

    form: re.Pattern[str]
    words: str
    example: str

    def key(self, version: str) -> tuple[int, ...]:
        """What the version is sorted by. Raises ValueError with a sentence for a text of another form."""
        match = self.form.fullmatch(version)
        if match is None:
            raise ValueError(
                f"firmware version {version[:40]!r} is not of the form {self.words}, for example {self.example}"
            )
        return tuple(map(int, match.groups()))


M_MM = Numbering(re.compile(r"([0-9]{1,4})\.([0-9]{1,4})"), "M.mm", "3.42")
"""Of all known series (FOUND, reference/devices.md, firmware numbering): 3.42 -> (3, 42), and 3.9 is before 3.10."""


def version_key(version: str) -> tuple[int, int]:
    """Sort key of a version "M.mm": 3.42 -> (3, 42). Raises ValueError with a sentence."""
    major, minor = M_MM.key(version)
    return major, minor


def revision_key(revision: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort key of a hardware revision: runs of digits count as numbers, so that rev9 comes before rev10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", revision.casefold())
    return tuple((False, int(part), "") if part[0] in "0123456789" else (True, 0, part) for part in parts)


@dataclass(frozen=True, slots=True)
class Unit:
    """What decides which images a unit can run. hardware_revision: "" when nobody knows it."""

    series: str
    model: str
    hardware_revision: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """One catalogued image. models, hardware_revisions: empty means every one of the series.

    hardware_lowest: the lowest revision that it runs on, "" for any. from_lowest: the lowest version over which it can
    be installed, None for any. size: bytes. numbering: of its series.
    """

    series: str
    version: str
    sha256: str
    size: int
    models: tuple[str, ...] = ()
    hardware_revisions: tuple[str, ...] = ()
    hardware_lowest: str = ""
    from_lowest: str | None = None
    numbering: Numbering = M_MM

    @property
    def key(self) -> tuple[int, ...]:
        """What images of one series are sorted by. Raises ValueError for a version that is none."""
        return self.numbering.key(self.version)

    def fits(self, series: str, model: str, hardware_revision: str) -> bool:
        """True when a unit of this series, model and hardware revision can run the image.

        As `firmware_fits` in the database; a unit whose revision nobody knows is above no bound.
        """
        return (
            self.series == series
            and (not self.models or model in self.models)
            and (not self.hardware_revisions or hardware_revision in self.hardware_revisions)
            and _reaches(hardware_revision, self.hardware_lowest)
        )

    def runs_on(self, unit: Unit) -> bool:
        """As `fits`."""
        return self.fits(unit.series, unit.model, unit.hardware_revision)

    def installs_over(self, running: str) -> bool:
        """True when it can be installed over the version that a unit runs; a text that is none counts as too low."""
        running_key = known_key(self.numbering, running)
        return self.from_lowest is None or (
            running_key is not None and running_key >= self.numbering.key(self.from_lowest)
        )


def newest(images: Iterable[Image], series: str, model: str, hardware_revision: str) -> Image | None:
    """The image with the highest version that fits the unit, None when there is none (R3.14)."""
    fitting = [image for image in images if image.fits(series, model, hardware_revision)]
    return max(fitting, key=lambda image: image.key, default=None)


def lower_bound(images: Iterable[Image], unit: Unit) -> Image | None:
    """The lowest version that the unit's hardware can run, below which no downgrade goes (R3.14); None for none."""
    return min((image for image in images if image.runs_on(unit)), key=lambda image: image.key, default=None)


def path(images: Iterable[Image], unit: Unit, running: str, target: Image) -> tuple[Image, ...] | None:
    """What the unit installs, one after the other, to get from what it runs to the target, which is the last of them.

    images: what may be offered. Each step is the highest that the one before allows, so there is no shorter way, and
    none when this finds none: from a higher version nothing higher is ever out of reach. () when it runs the target;
    None when there is no way, or nobody knows what it runs and the target asks for it.
    """
    at = known_key(target.numbering, running)
    if at == target.key:
        return ()
    between = sorted((i for i in images if i.runs_on(unit) and i.key < target.key), key=lambda image: image.key)
    steps: list[Image] = []
    while not target.installs_over(running):
        step = next((i for i in reversed(between) if at is not None and i.key > at and i.installs_over(running)), None)
        if step is None:
            return None
        steps.append(step)
        running, at = step.version, step.key
    return (*steps, target)


def why_not(image: Image, unit: Unit, running: str) -> Sentence | None:
    """Why the unit cannot install the image now, None when it can. running: what it runs, "" when nobody knows.

    Hardware first, since nothing mends that; then from which version it can be installed, which a step may.
    """
    if not image.runs_on(unit):
        return _hardware_lacks(image, unit)
    if image.installs_over(running):
        return None
    if known_key(image.numbering, running) is None:
        return sentence(
            "{version} can be installed over {lowest} or newer only, and what the adapter runs is not known.",
            version=image.version,
            lowest=image.from_lowest,
        )
    return sentence(
        "{version} can be installed over {lowest} or newer only; the adapter runs {running}.",
        version=image.version,
        lowest=image.from_lowest,
        running=running,
    )


def _hardware_lacks(image: Image, unit: Unit) -> Sentence:
    told = {"version": image.version, "revision": unit.hardware_revision or "-"}
    if image.series != unit.series:
        return sentence("{version} is of series {series}.", version=image.version, series=image.series)
    if image.models and unit.model not in image.models:
        return sentence(
            "{version} is for {models}, not for {model}.", version=image.version, models=image.models, model=unit.model
        )
    if not _reaches(unit.hardware_revision, image.hardware_lowest):
        return sentence(
            "{version} runs on hardware revision {lowest} or later, not on {revision}.",
            lowest=image.hardware_lowest,
            **told,
        )
    return sentence(
        "{version} is for hardware revisions {revisions}, not for {revision}.",
        revisions=image.hardware_revisions,
        **told,
    )


def _reaches(revision: str, lowest: str) -> bool:
    return not lowest or (bool(revision) and revision_key(revision) >= revision_key(lowest))


def known_key(numbering: Numbering, version: str) -> tuple[int, ...] | None:
    """Sort key of what a unit says that it runs; None for nothing, or for what is no version."""
    return numbering.key(version) if numbering.form.fullmatch(version) else None


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
