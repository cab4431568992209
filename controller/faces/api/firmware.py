"""The firmware catalogue: what there is, how an image comes in, its release notes. Withdrawing has its own file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field

from controller.domain.errors import Fault, Invalid
from controller.domain.firmware import Image
from controller.domain.firmware_release import MAX_NOTES, MAX_WHY, Release, State, between, days_late, recommended
from controller.faces.api.context import ADMINISTRATOR, PEOPLE, STAFF, Context
from controller.faces.http import Accepts, Call, Path, Query, Route, Upload
from controller.faces.http.payload import Answer, Moment, Payload
from controller.series import by_name
from controller.services import firmware as service
from controller.services import firmware_checks, firmware_damage
from controller.store import firmware
from controller.store import firmware_withdrawal as use
from controller.store.pool import Row
from controller.words import say, told

IMAGE_LIMIT = 256 << 20

SeriesName = Annotated[str, Path("its series, for example seil8")]
Version = Annotated[str, Path("its version, M.mm")]
OfSeries = Annotated[str | None, Query("only of this series")]


class CataloguedImage(Answer):
    series: str
    version: str
    code_name: str
    state: State
    """unsigned: no signed metadata names it, so no adapter is offered it. withdrawn: nobody is, any more (R4.3)."""
    signed: bool
    """Signed metadata names it. false with state available: no root of trust is established yet."""
    sha256: str
    size: int
    """Bytes."""
    models: list[str]
    """Empty: every model of the series."""
    hardware_revisions: list[str]
    """Empty: every revision."""
    hardware_lowest: str
    """The lowest hardware revision that it runs on; empty: any."""
    from_lowest: str | None
    """The lowest version over which it can be installed; null: any."""
    released_at: datetime | None
    """By the vendor."""
    imported_at: datetime
    available_at: datetime | None
    """Since when adapters could fetch it here; null: not yet."""
    days_late: int | None
    """Days of the calendar (JST) from the vendor's release until then, 0 on the same day (R4.1); null: not known."""
    missed_why: str
    """Why it was not here on the vendor's day."""
    recommended: bool
    """The newest on offer for at least one model (R4.2)."""
    recommended_for: list[str]
    """These models."""
    withdrawn_at: datetime | None
    withdrawn_why: str | None
    damaged_at: datetime | None
    """Since when its image is known to be damaged; it is offered to nobody until it is imported again."""
    damaged_why: str


class ShownImage(CataloguedImage):
    notes_ja: str
    """Release notes, Markdown."""
    notes_en: str
    running: int
    """Adapters that said last that they run it; of the caller's contract, if the caller has one."""
    targets: int
    """Codes that have it as their target; likewise."""


def _shown(
    row: Row, models: Mapping[tuple[str, str], tuple[str, ...]], now: datetime, language: str
) -> dict[str, object]:
    own = models.get((row["series"], row["version"]), ())
    fetchable = row["fetchable_at"]
    return {
        "signed": row["signed_at"] is not None,
        "available_at": fetchable,
        "days_late": days_late(row["released_at"], fetchable, now),
        "recommended": bool(own),
        "recommended_for": list(own),
        "damaged_why": told(row["damaged_why"], language),
    }


def _recommended(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[str, ...]]:
    offered: dict[str, list[Image]] = {}
    for row in rows:
        if row["state"] == State.AVAILABLE and row["damaged_at"] is None:
            offered.setdefault(row["series"], []).append(firmware.image(row))
    return {
        (series, version): models
        for series, images in offered.items()
        for version, models in recommended(images, by_name(series).models).items()
    }


async def list_firmware(call: Call, context: Context, series: OfSeries = None) -> list[CataloguedImage]:
    """The whole catalogue, newest first within each series."""
    rows, now = await firmware.listing(context.db, series=series), context.clock()
    models = _recommended(rows)
    return [CataloguedImage.from_row(row, **_shown(row, models, now, call.language)) for row in rows]


async def list_missed(call: Call, context: Context, series: OfSeries = None) -> list[CataloguedImage]:
    """Releases that were, or are, not here on the vendor's day (R4.1), newest first within each series."""
    return [image for image in await list_firmware(call, context, series) if image.days_late]


async def show_release(call: Call, series: SeriesName, version: Version, context: Context) -> ShownImage:
    """One release, with its notes and how many adapters run it."""
    row, now = await service.known(context.db, series, version), context.clock()
    models = _recommended(await firmware.listing(context.db, series=series))
    async with context.db.connection() as connection:
        counts = await use.counts(connection, series, version, contract=call.caller.contract)
    return ShownImage.from_row(row, **_shown(row, models, now, call.language), **counts)


class VersionNotes(Answer):
    version: str
    code_name: str
    state: State
    released_at: datetime | None
    withdrawn_why: str | None
    notes_ja: str
    """Markdown."""
    notes_en: str


class NotesBetween(Answer):
    series: str
    before: str
    after: str
    downgrade: bool
    """What these notes tell is lost then."""
    versions: list[VersionNotes]
    """Every version on the way, the oldest first; not the one that is run already, nor that of a downgrade's end."""


async def compare_notes(
    series: SeriesName,
    context: Context,
    before: Annotated[str, Query("version that is run now, catalogued or not", alias="from")],
    after: Annotated[str, Query("version that is thought of", alias="to")],
) -> NotesBetween:
    """What changes when one version takes the place of another: the notes of all versions in between (R4.2)."""
    rows = {row["version"]: row for row in await firmware.listing(context.db, series=series)}
    if after not in rows:
        raise service.unknown(series, after)
    try:
        change = between(map(firmware.image, rows.values()), before, firmware.image(rows[after]))
    except ValueError as error:
        fault = Fault("from", "{why}", {"why": error}, "query")
        raise Invalid("That is no version.", next_step="Mend the fields named.", faults=[fault]) from error
    notes = [VersionNotes.from_row(rows[version]) for version in change.versions]
    return NotesBetween(series=series, before=before, after=after, downgrade=change.downgrade, versions=notes)


class ImportedImage(Answer):
    series: str
    version: str
    sha256: str
    size: int
    new: bool
    """false: exactly this release was catalogued already."""
    state: State
    """unsigned: sign it, or no adapter is offered it (hikitsugi firmware sign)."""
    signed: bool
    checked: service.Checked
    """header: all of it. magic: its first bytes. digest: the vendor's sha256 only, no header of it is known."""


async def import_firmware(
    call: Call,
    body: Annotated[Upload, Accepts("application/octet-stream")],
    context: Context,
    series: Annotated[str, Query()],
    version: Annotated[str, Query("M.mm")],
    sha256: Annotated[str, Query("of the image, as the vendor published it")],
    declared: Annotated[bool, Query("false: the sha256 was computed from this very file, and proves nothing")] = True,
    size: Annotated[int | None, Query("bytes, as the vendor published it")] = None,
    code_name: Annotated[str, Query()] = "",
    released_at: Annotated[Moment | None, Query("by the vendor")] = None,
    model: Annotated[list[str] | None, Query("only these models; repeatable; default: as its header says")] = None,
    hardware_revision: Annotated[list[str] | None, Query("only these revisions; repeatable; default: all")] = None,
    hardware_lowest: Annotated[str, Query("the lowest hardware revision that it runs on")] = "",
    from_lowest: Annotated[str | None, Query("the lowest version over which it can be installed")] = None,
    missed_why: Annotated[str, Query("why it was not here on the vendor's day")] = "",
    notes: Annotated[str, Query("short release notes in Japanese; PUT …/notes takes longer ones, and English")] = "",
) -> ImportedImage:
    """Check the image (sha256, size, its header as far as one is known), keep it, catalogue it.

    A released version never changes: the same again changes nothing, anything else is refused.
    """
    now = context.clock()
    models, revisions = tuple(sorted(set(model or ()))), tuple(sorted(set(hardware_revision or ())))
    image = Image(series, version, sha256, body.size, models, revisions, hardware_lowest, from_lowest)
    release = Release(image, code_name, released_at, missed_why)
    service.check_release(release, now)
    service.check_size(body.size, size)
    await service.present(context.db, release)
    release, checked = await asyncio.to_thread(service.keep, context.blobs, body.file, release, declared=declared)
    done = await service.catalogue(context.db, release, checked, caller=call.caller, now=now)
    await firmware_damage.whole(context.db, sha256, caller=call.caller, now=now)
    if notes:
        await service.write_notes(context.db, series, version, ja=notes, en=None, caller=call.caller, now=now)
    row = await service.known(context.db, series, version)
    return ImportedImage(
        **{"series": series, "version": version, "sha256": sha256, "size": body.size},
        new=done.new,
        state=done.state,
        signed=row["signed_at"] is not None,
        checked=done.checked,
    )


class Notes(Payload):
    ja: Annotated[str | None, Field(max_length=MAX_NOTES)] = None
    """Release notes in Japanese, Markdown; null: they stay as they are."""
    en: Annotated[str | None, Field(max_length=MAX_NOTES)] = None


class NotesWritten(Answer):
    series: str
    version: str
    ja: int
    """Letters that there are now."""
    en: int


async def write_notes(call: Call, series: SeriesName, version: Version, body: Notes, context: Context) -> NotesWritten:
    """Replace the release notes: the only thing of a release that may be corrected."""
    now = context.clock()
    await service.write_notes(context.db, series, version, ja=body.ja, en=body.en, caller=call.caller, now=now)
    row = await service.known(context.db, series, version)
    return NotesWritten(series=series, version=version, ja=len(row["notes_ja"]), en=len(row["notes_en"]))


class Delay(Payload):
    why: Annotated[str, Field(min_length=1, max_length=MAX_WHY)]


class DelayExplained(Answer):
    series: str
    version: str
    why: str


async def explain_delay(
    call: Call, series: SeriesName, version: Version, body: Delay, context: Context
) -> DelayExplained:
    """Say why a release was not here on the vendor's day (R4.1)."""
    await service.explain_delay(context.db, series, version, body.why, caller=call.caller, now=context.clock())
    return DelayExplained(series=series, version=version, why=body.why)


class Verified(Answer):
    series: str
    version: str
    size: int
    """Bytes that were read."""
    problems: list[str]
    """What is wrong, with what to do; empty: the image is what the catalogue, and the signed metadata, say."""


async def verify_firmware(call: Call, series: SeriesName, version: Version, context: Context) -> Verified:
    """Read one image again, whole, and compare it with the catalogue and with the signed metadata."""
    row = await service.known(context.db, series, version)
    now = context.clock()
    found = await firmware_checks.problems(context.db, context.blobs, row, caller=call.caller, now=now)
    problems = [say(each.template, each.params, call.language) for each in found]
    return Verified(series=series, version=version, size=row["size"], problems=problems)


_TAGS = ("firmware",)

ROUTES = (
    Route("GET", "/firmware", list_firmware, roles=PEOPLE, summary="Catalogued firmware", tags=_TAGS),
    Route(
        "POST",
        "/firmware",
        import_firmware,
        roles=ADMINISTRATOR,
        summary="Import an image",
        tags=_TAGS,
        body_limit=IMAGE_LIMIT,
        deadline_s=600.0,
        status=201,
    ),
    Route("GET", "/firmware/missed", list_missed, roles=PEOPLE, summary="What missed the vendor's day", tags=_TAGS),
    Route("GET", "/firmware/{series}/notes", compare_notes, roles=PEOPLE, summary="Notes in between", tags=_TAGS),
    Route("GET", "/firmware/{series}/{version}", show_release, roles=PEOPLE, summary="One release", tags=_TAGS),
    Route(
        "PUT",
        "/firmware/{series}/{version}/notes",
        write_notes,
        roles=ADMINISTRATOR,
        summary="Write its release notes",
        tags=_TAGS,
        body_limit=1 << 20,
    ),
    Route(
        "PUT",
        "/firmware/{series}/{version}/missed",
        explain_delay,
        roles=ADMINISTRATOR,
        summary="Say why it came late",
        tags=_TAGS,
    ),
    Route(
        "GET",
        "/firmware/{series}/{version}/verification",
        verify_firmware,
        roles=STAFF,
        summary="Read its image again",
        tags=_TAGS,
        deadline_s=600.0,
    ),
)
