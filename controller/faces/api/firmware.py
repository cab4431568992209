"""The firmware catalogue: what there is, and how an image comes in."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from controller.domain.firmware import Image
from controller.faces.api.context import ADMINISTRATOR, PEOPLE, Context
from controller.faces.http import Accepts, Call, Query, Route, Upload
from controller.faces.http.payload import Answer, Moment
from controller.services import firmware as firmware_service
from controller.store import firmware

IMAGE_LIMIT = 256 << 20


class CataloguedImage(Answer):
    series: str
    version: str
    sha256: str
    size: int
    """Bytes."""
    notes: str
    """Release notes."""
    models: list[str]
    """Empty: every model of the series."""
    hardware_revisions: list[str]
    released_at: datetime | None
    """By the vendor."""
    available_at: datetime
    """Here."""
    recommended: bool
    """The newest of its series (R4.2)."""


async def list_firmware(
    context: Context, series: Annotated[str | None, Query("only of this series")] = None
) -> list[CataloguedImage]:
    """Newest first within each series."""
    return [CataloguedImage.from_row(row) for row in await firmware.listing(context.db, series=series)]


class ImportedImage(Answer):
    series: str
    version: str
    sha256: str
    size: int
    new: bool
    """false: exactly this image was catalogued already."""


async def import_firmware(
    call: Call,
    body: Annotated[Upload, Accepts("application/octet-stream")],
    context: Context,
    series: Annotated[str, Query()],
    version: Annotated[str, Query("M.mm")],
    sha256: Annotated[str, Query("of the image, as the vendor published it")],
    notes: Annotated[str, Query("release notes")] = "",
    released_at: Annotated[Moment | None, Query("by the vendor")] = None,
    model: Annotated[list[str] | None, Query("only these models; repeatable; default: the whole series")] = None,
    hardware_revision: Annotated[list[str] | None, Query("only these revisions; repeatable; default: all")] = None,
) -> ImportedImage:
    """Check the image (sha256, and its header against series, version and models), keep it, catalogue it."""
    models, revisions = tuple(model or ()), tuple(hardware_revision or ())
    firmware_service.check_release(series, version, sha256, models)
    blob = await asyncio.to_thread(firmware_service.keep, context.blobs, body.file, series, version, sha256, body.size)
    image = Image(series, version, blob.sha256, blob.size, models, revisions)
    new = await firmware.add(context.db, image, notes, released_at, caller=call.caller, now=context.clock())
    return ImportedImage(series=series, version=version, sha256=blob.sha256, size=blob.size, new=new)


ROUTES = (
    Route("GET", "/firmware", list_firmware, roles=PEOPLE, summary="Catalogued firmware", tags=("firmware",)),
    Route(
        "POST",
        "/firmware",
        import_firmware,
        roles=ADMINISTRATOR,
        summary="Import an image",
        tags=("firmware",),
        body_limit=IMAGE_LIMIT,
        deadline_s=600.0,
        status=201,
    ),
)
