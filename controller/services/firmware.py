"""Firmware from the operator's and the administrator's side: what may be chosen, and what comes into the catalogue."""

from __future__ import annotations

import re
from datetime import datetime
from typing import BinaryIO

from controller.domain.access import Caller
from controller.domain.errors import Conflict, Fault, Invalid, NotFound
from controller.domain.firmware import Image, version_key
from controller.series import by_name
from controller.store import firmware, registry
from controller.store.pool import Database, Row
from firmware_repo.blobs import Blob, Blobs
from firmware_repo.errors import RepositoryError, StoreFull
from firmware_repo.intake import inspect

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


async def choose(db: Database, code: Row, version: str | None, *, caller: Caller, now: datetime) -> None:
    """Set a code's firmware target (R4.2). Raises NotFound (not catalogued), Invalid (does not fit the adapter)."""
    if version is not None:
        await _check_fit(db, code, version)
    await registry.set_firmware_target(db, code["code"], version, caller=caller, now=now)


async def _check_fit(db: Database, code: Row, version: str) -> None:
    if code["series"] is None:
        raise Invalid(
            "Code {code} holds no adapter, so no firmware can be chosen for it.",
            next_step="Register an adapter on it first.",
            code=code["code"],
        )
    row = await firmware.one(db, code["series"], version)
    if row is None:
        raise NotFound(
            "There is no firmware {version} for series {series}.",
            next_step="hikitsugi firmware ls --series {series} lists what there is.",
            version=version,
            series=code["series"],
        )
    image = Image(
        row["series"], version, row["sha256"], row["size"], tuple(row["models"]), tuple(row["hardware_revisions"])
    )
    if not image.fits(code["series"], code["model"], code["hardware_revision"]):
        raise Invalid(
            "Firmware {version} does not fit {model} (hardware revision {revision}).",
            next_step="Choose another version: hikitsugi firmware ls --series {series}.",
            version=version,
            model=code["model"],
            revision=code["hardware_revision"] or "-",
            series=code["series"],
        )


def check_release(series: str, version: str, sha256: str, models: tuple[str, ...]) -> None:
    """Raise Invalid, with every fault, for what a release cannot be called."""
    faults: list[Fault] = []
    try:
        known = by_name(series).models
        faults += [
            Fault("models", "Series {series} has no model {model}.", {"series": series, "model": model}, "query")
            for model in models
            if model not in known
        ]
    except LookupError as error:
        faults.append(Fault("series", "{why}", {"why": error}, "query"))
    try:
        version_key(version)
    except ValueError as error:
        faults.append(Fault("version", "{why}", {"why": error}, "query"))
    if not _SHA256.match(sha256):
        faults.append(Fault("sha256", "64 lower-case hexadecimal digits are wanted.", location="query"))
    if faults:
        raise Invalid("This cannot be a release.", next_step="Mend the fields named.", faults=faults)


def keep(blobs: Blobs, file: BinaryIO, series: str, version: str, sha256: str, size: int) -> Blob:
    """Check the image's own header, then store it by content. Blocks on the disk: call it in a thread.

    Raises Invalid (another image than was said, or damaged on the way), Conflict (no room).
    """
    try:
        inspect(file, series=series, version=version)
        return blobs.add(file, sha256, size)
    except StoreFull as error:
        raise Conflict("{why}", next_step="Make room on the controller's disk and import again.", why=error) from error
    except RepositoryError as error:
        raise Invalid("{why}", next_step="Nothing was stored.", why=error) from error
