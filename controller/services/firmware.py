"""How a release comes into the catalogue: what is checked of the image, and that a released version never changes.

R4.1. Not here: what adapters are offered of it (firmware_offer.py), signatures (firmware_publishing.py), withdrawal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import BinaryIO

from controller.domain.access import Caller
from controller.domain.errors import Conflict, Fault, Invalid, NotFound, Unreachable
from controller.domain.firmware import Image
from controller.domain.firmware_release import MAX_NOTES, MAX_WHY, Release, State, changed
from controller.series import Series, by_name
from controller.store import firmware
from controller.store.pool import Database, Row
from firmware_repo.errors import RepositoryError, StoreFull, Unavailable
from firmware_repo.images import Images
from firmware_repo.intake import begins_with, inspect
from protocol.image import MAGIC

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SHORT = 64
_EMULATED = MAGIC.rsplit(maxsplit=1)[0].encode()  # without its number, which the header's reader judges
_FUTURE = timedelta(days=1)  # the vendor's clock and ours may differ, and days begin elsewhere


class Checked(StrEnum):
    """What the image was checked against besides its sha256. digest: nothing else, no header of it is known."""

    HEADER = "header"
    MAGIC = "magic"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Imported:
    """state: of the release. new: false when exactly this one was catalogued already."""

    release: Release
    state: State
    new: bool
    checked: Checked


def check_release(release: Release, now: datetime) -> None:
    """Raise Invalid, with every fault, for what a release cannot be called."""
    image, faults = release.image, []
    try:
        faults += _faults_of(image, by_name(image.series))
    except LookupError as error:
        faults.append(Fault("series", "{why}", {"why": error}, "query"))
    if not _SHA256.match(image.sha256):
        faults.append(Fault("sha256", "64 lower-case hexadecimal digits are wanted.", location="query"))
    if release.released_at and release.released_at > now + _FUTURE:
        faults.append(Fault("released_at", "{at} is yet to come.", {"at": release.released_at}, "query"))
    for name, text in {"code_name": release.code_name, "hardware_lowest": image.hardware_lowest}.items():
        if len(text) > _SHORT:
            faults.append(Fault(name, "At most {most} letters.", {"most": _SHORT}, "query"))
    if len(release.missed_why) > MAX_WHY:
        faults.append(Fault("missed_why", "At most {most} letters.", {"most": MAX_WHY}, "query"))
    if faults:
        raise Invalid("This cannot be a release.", next_step="Mend the fields named.", faults=faults)


def _faults_of(image: Image, series: Series) -> list[Fault]:
    faults = [
        Fault("models", "Series {series} has no model {model}.", {"series": series.name, "model": model}, "query")
        for model in image.models
        if model not in series.models
    ]
    numbering, keys = series.firmware.numbering, []
    for field, version in (("version", image.version), ("from_lowest", image.from_lowest)):
        try:
            keys.append(numbering.key(version) if version is not None else None)
        except ValueError as error:
            faults.append(Fault(field, "{why}", {"why": error}, "query"))
    if len(keys) == 2 and keys[0] and keys[1] and keys[1] >= keys[0]:
        faults.append(Fault("from_lowest", "It must be lower than the version itself.", location="query"))
    return faults


def check_size(found: int, declared: int | None) -> None:
    """Raise Invalid for a file that is not as long as the vendor says. declared: None when the vendor says nothing."""
    if declared is not None and found != declared:
        raise Invalid(
            "The file has {found} bytes, the vendor says {declared}.",
            next_step="Get the file again. Nothing was stored.",
            found=found,
            declared=declared,
        )


def keep(blobs: Images, file: BinaryIO, release: Release, *, declared: bool) -> tuple[Release, Checked]:
    """Check the image's own header as far as it is known, then store it by content. Blocks on the disk: call it in a
    thread. Returns the release with the models that its header names, where the importer named none.

    declared: the sha256 is the vendor's; else it was computed from this very file, and proves nothing.
    Raises Invalid (another image than was said, or damaged on the way), Conflict (no room), Unreachable (no bucket).
    """
    image = release.image
    try:
        release, checked = _headed(file, release)
        if checked is Checked.DIGEST and not declared:
            raise Invalid(
                "No header of this image is known, so only its digest can tell that it is {series} {version}.",
                next_step="Give the sha256 that the vendor published: --sha256.",
                series=image.series,
                version=image.version,
            )
        blobs.add(file, image.sha256, image.size)
    except StoreFull as error:
        raise Conflict(
            "{why}", next_step="Make room on the controller's disk and import again.", why=error.detail
        ) from error
    except Unavailable as error:
        raise Unreachable(
            "{why}", next_step="Nothing was catalogued; import it again later.", why=error.detail
        ) from error
    except RepositoryError as error:
        raise Invalid("{why}", next_step="Nothing was stored.", why=error.detail) from error
    return release, checked


def _headed(file: BinaryIO, release: Release) -> tuple[Release, Checked]:
    image = release.image
    magic = by_name(image.series).firmware.magic
    if not begins_with(file, _EMULATED):
        if magic and not begins_with(file, magic):
            raise Invalid(
                "This is no image of {series}: it does not begin as all of them do.",
                next_step="Check that it is the firmware image. Nothing was stored.",
                series=image.series,
            )
        return release, Checked.MAGIC if magic else Checked.DIGEST
    header = inspect(file, series=image.series, version=image.version)
    if not image.models:
        return replace(release, image=replace(image, models=header.models)), Checked.HEADER
    if header.models and not set(image.models) <= set(header.models):
        raise Invalid(
            "The image is for {theirs}, not for {ours}.",
            next_step="Name these models, or none. Nothing was stored.",
            theirs=header.models,
            ours=image.models,
        )
    return release, Checked.HEADER


async def present(db: Database, release: Release) -> Row | None:
    """The row of exactly this release, None when its place is free. Raises Conflict when it is taken, and says by what.

    Ask before megabytes are stored, and again when `catalogue` finds the place taken meanwhile.
    """
    image = release.image
    for row in await firmware.namesakes(db, image):
        if row["version"] != image.version:
            raise Conflict(
                "{series} {version} would be {other} under another name.",
                next_step="A released version never changes: check the file and its version.",
                series=image.series,
                version=image.version,
                other=row["version"],
            )
        _require_same(row, release)
        return row
    return None


def _require_same(row: Row, release: Release) -> None:
    image = release.image
    if row["state"] == State.WITHDRAWN:
        raise Conflict(
            "{series} {version} was withdrawn at {at} (R4.3): {why}",
            next_step="A withdrawn version does not come back; the vendor gives what replaces it a version of its own.",
            at=row["withdrawn_at"],
            why=row["withdrawn_why"],
            series=image.series,
            version=image.version,
        )
    before = firmware.release(row)
    if not image.models:  # then those of the header were taken
        release = replace(release, image=replace(image, models=before.image.models))
    if names := changed(before, release):
        raise Conflict(
            "{series} {version} is catalogued with another {names}.",
            next_step="A released version never changes: check the file and what you say of it"
            " (hikitsugi firmware show {series} {version}), or import it under its own version.",
            names=names,
            series=image.series,
            version=image.version,
        )


async def catalogue(db: Database, release: Release, checked: Checked, *, caller: Caller, now: datetime) -> Imported:
    """Catalogue what was checked and kept. Raises Conflict, as `present`."""
    state = await firmware.add(db, release, caller=caller, now=now)
    if state is not None:
        return Imported(release, State(state), True, checked)
    row = await present(db, release)
    if row is None:
        raise Conflict("This release has just been changed by somebody else.", next_step="Import it again.")
    return Imported(firmware.release(row), State(row["state"]), False, checked)


async def write_notes(
    db: Database, series: str, version: str, *, ja: str | None, en: str | None, caller: Caller, now: datetime
) -> None:
    """Replace the release notes in the languages given (Markdown, at most MAX_NOTES bytes each).

    They are the only thing of a release that may be corrected. Raises Invalid, NotFound.
    """
    texts = {"ja": ja, "en": en}
    faults = [
        Fault(name, "At most {most} bytes.", {"most": MAX_NOTES})
        for name, text in texts.items()
        if text is not None and len(text.encode()) > MAX_NOTES
    ]
    if faults:
        raise Invalid("These notes are too long.", next_step="Shorten them, or link to the whole.", faults=faults)
    if not await firmware.set_notes(db, series, version, ja=ja, en=en, caller=caller, now=now):
        raise unknown(series, version)


async def explain_delay(db: Database, series: str, version: str, why: str, *, caller: Caller, now: datetime) -> None:
    """Why a release was not here on the vendor's day (R4.1). Raises NotFound."""
    if not await firmware.set_missed_why(db, series, version, why, caller=caller, now=now):
        raise unknown(series, version)


async def known(db: Database, series: str, version: str) -> Row:
    """The release, whatever its state. Raises NotFound."""
    row = await firmware.one(db, series, version)
    if row is None:
        raise unknown(series, version)
    return row


def unknown(series: str, version: str) -> NotFound:
    """There is no such release."""
    return NotFound(
        "There is no firmware {version} for series {series}.",
        next_step="hikitsugi firmware ls --series {series} lists what there is.",
        version=version,
        series=series,
    )
