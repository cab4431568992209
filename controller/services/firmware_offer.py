"""Which firmware an adapter is to run next: what it is told when it pulls, and the only image that it may fetch then.

Only what may be offered is looked at (the view `firmware_image`), so nobody is led to a withdrawn image (R4.3) or to
one without a signature. Not here: choosing a target (firmware_updates.py), and the swap that makes it the newest.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.domain.firmware import Image, Unit, known_key, newest, path
from controller.series import by_name
from controller.store import firmware as catalogue
from controller.store.pool import Database, Row
from protocol.arms.limits import MAX_VERSION


@dataclass(frozen=True, slots=True)
class Firmware:
    """What module 0 is to be: version, and the image's digest; None when there is no image to fetch."""

    version: str
    sha256: str | None = None


async def offer(db: Database, row: Row, running: str = "") -> Firmware:
    """The code's target; the highest step on the way to it, where it cannot be installed over what the adapter runs;
    the newest that a warm standby can run, as its code's entry would ask for it after a swap (R3.14).

    Without any of these: what it runs already, with no image. row: of store/pulls.by_distribution_id. running: what the
    adapter says now, "" for what it said the last time.
    """
    said = running or row["last_firmware"] or ""
    if row["firmware_target"] is None:
        if row["kind"] != "standby":
            return _as_it_is(said)
    elif row["target_sha256"] is None:
        return _as_it_is(said, row["firmware_target"])
    elif not _needs_a_step(row, said):
        return Firmware(row["firmware_target"], row["target_sha256"])
    return await _step(db, row, said)


async def _step(db: Database, row: Row, said: str) -> Firmware:
    unit = Unit(row["series"], row["model"], row["hardware_revision"])
    images = await catalogue.offered(db, unit.series)
    target = _target(images, unit, row["firmware_target"])
    steps = path(images, unit, said, target) if target else None
    if steps == () and target:  # it runs it: it is named all the same, with its image, as every target is
        steps = (target,)
    return Firmware(steps[0].version, steps[0].sha256) if steps else _as_it_is(said)


def _target(images: list[Image], unit: Unit, version: str | None) -> Image | None:
    if version is None:
        return newest(images, unit.series, unit.model, unit.hardware_revision)
    return next((image for image in images if image.version == version and image.runs_on(unit)), None)


def _needs_a_step(row: Row, said: str) -> bool:
    if row["target_from_lowest"] is None:
        return False
    numbering = by_name(row["series"]).firmware.numbering
    at, lowest = known_key(numbering, said), known_key(numbering, row["target_from_lowest"])
    return at is None or lowest is None or at < lowest


def _as_it_is(said: str, otherwise: str = "") -> Firmware:
    printable = "".join(c for c in said if " " <= c <= "~")[:MAX_VERSION]  # an odd device gets its config all the same
    return Firmware(printable or otherwise or "0.00")
