"""Signed metadata of firmware: the root of trust, what is published, what waits for a signature."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from controller.domain.errors import Fault, Invalid, NotFound
from controller.faces.api.context import ADMINISTRATOR, PEOPLE, Context
from controller.faces.http import Accepts, Call, Page, Paging, Path, Route, Stream
from controller.faces.http.payload import Answer, Payload
from controller.services import firmware_online_keys, firmware_publishing
from controller.services import firmware_trust as service
from controller.store import firmware_metadata as store
from controller.store.pool import Row
from controller.words import told

_LIMIT = 8 << 20

Files = Annotated[Mapping[str, str], Field(min_length=1, max_length=firmware_publishing.MOST_FILES)]


class SignedFiles(Payload):
    files: Files
    """Documents in Base64, by the names adapters ask for them: 1.root.json, 2.targets.json, 7.seil8.json."""


class PublishedFiles(Answer):
    files: list[str]
    """Those that are new; none: all of them were published already."""
    signed: list[str]
    """Releases ("seil8 3.42") that are offered from now on."""
    unsigned: list[str]
    """Releases that are offered no longer, because no metadata names them."""
    differing: list[str]
    """Releases that are signed with other facts than the catalogue has; they are not offered."""


class MetadataRole(Answer):
    role: str
    version: int
    file: str
    """GET /firmware/metadata/{file} gives it."""
    expires_at: datetime
    alarm_at: datetime
    """From then on people are told."""
    published_at: datetime
    published_by: str
    keys: list[str]
    """Key ids that may sign it."""
    threshold: int
    broken_why: str
    """Of a series whose document cannot be believed: its releases are not offered; others are. "" when all is well."""


class Trust(Answer):
    established_at: datetime | None
    """null: before the key ceremony. Images are offered without any signature then."""
    established_by: str | None
    unsigned_images_are_offered: bool
    checked_at: datetime | None
    """When the whole chain was checked last; every ten seconds."""
    broken_since: datetime | None
    """Since then nothing is offered."""
    broken_why: str
    roles: list[MetadataRole]
    unsigned: int
    """Releases that wait for a signature."""
    to_unsign: list[str]
    """Withdrawn releases ("seil8 3.42") that are still named; hikitsugi firmware unsign takes them out."""


class OnlineKeys(Answer):
    snapshot: Mapping[str, Any]
    """A public key as root metadata has it, with keyid. Any: JSON."""
    timestamp: Mapping[str, Any]


class UnsignedRelease(Answer):
    series: str
    version: str
    sha256: str
    size: int
    """Bytes."""
    code_name: str
    models: list[str]
    hardware_revisions: list[str]
    hardware_lowest: str
    from_lowest: str | None
    released_at: datetime | None
    imported_at: datetime


async def show_trust(call: Call, context: Context) -> Trust:
    """Who signs what, until when it is valid, and whether the chain is whole."""
    found = await service.overview(context.db)
    row = found.row
    return Trust(
        established_at=row["established_at"] if row else None,
        established_by=row["established_by"] if row else None,
        unsigned_images_are_offered=row is None,
        checked_at=row["checked_at"] if row else None,
        broken_since=row["broken_since"] if row else None,
        broken_why=told(row["broken_why"] if row else None, call.language),
        roles=[
            MetadataRole(**{**vars(each), "broken_why": told(each.broken_why, call.language)}) for each in found.roles
        ],
        unsigned=found.unsigned,
        to_unsign=list(found.to_unsign),
    )


async def make_online_keys(call: Call, context: Context) -> OnlineKeys:
    """New keys of the controller's own. They count from the root on that names them; until then the old ones do."""
    made = await firmware_online_keys.make(context.db, context.firmware_safe, caller=call.caller, now=context.clock())
    return OnlineKeys(**made)


async def establish_trust(call: Call, body: SignedFiles, context: Context) -> PublishedFiles:
    """From now on nothing is offered that is not signed. There is no way back."""
    done = await firmware_publishing.establish(
        *(context.db, context.firmware_safe, _decoded(body.files)),
        pin_file=context.firmware_root,
        caller=call.caller,
        now=context.clock(),
    )
    return _published(done)


async def publish_metadata(call: Call, body: SignedFiles, context: Context) -> PublishedFiles:
    """All of it, or nothing: the whole chain is checked as an adapter would do it."""
    done = await firmware_publishing.publish(
        *(context.db, context.firmware_safe, _decoded(body.files)),
        pin_file=context.firmware_root,
        caller=call.caller,
        now=context.clock(),
    )
    return _published(done)


async def read_metadata(
    file: Annotated[str, Path("7.seil8.json, timestamp.json; root.json or seil8.json: the newest")], context: Context
) -> Annotated[Stream, Accepts("application/json")]:
    """As it was published, byte for byte."""
    body = await service.read(context.db, file, newest=True)
    if body is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="metadata", name=file)
    return Stream.of("application/json", body, filename=file)


async def list_unsigned(paging: Paging[tuple[str, str]], context: Context) -> Page[UnsignedRelease]:
    """What `hikitsugi firmware sign` would sign, by series and version."""
    async with context.db.connection() as connection:
        rows = await store.unsigned(connection, after=paging.after, limit=paging.rows)
    return Page[UnsignedRelease].of(rows, paging, _place, UnsignedRelease.from_row)


def _place(row: Row) -> tuple[str, str]:
    return row["series"], row["version"]


def _decoded(files: Mapping[str, str]) -> dict[str, bytes]:
    faults, decoded = [], {}
    for name, text in files.items():
        try:
            decoded[name] = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            faults.append(Fault(f"files.{name[:40]}", "This is not Base64."))
    if faults:
        raise Invalid("These are not files of signed metadata.", next_step="Mend the fields named.", faults=faults)
    return decoded


def _published(done: firmware_publishing.Published) -> PublishedFiles:
    judged = done.judged
    return PublishedFiles(
        files=list(done.files),
        signed=[" ".join(each) for each in judged.signed],
        unsigned=[" ".join(each) for each in judged.unsigned],
        differing=[f"{series} {version}: {fact}" for series, version, fact in judged.differing],
    )


_TAGS = ("firmware",)

ROUTES = (
    Route("GET", "/firmware/trust", show_trust, roles=PEOPLE, summary="Root of trust and metadata", tags=_TAGS),
    Route(
        "POST",
        "/firmware/trust",
        establish_trust,
        roles=ADMINISTRATOR,
        summary="Establish the root of trust",
        tags=_TAGS,
        body_limit=_LIMIT,
    ),
    Route(
        "POST",
        "/firmware/trust/online-keys",
        make_online_keys,
        roles=ADMINISTRATOR,
        summary="New keys of the controller",
        tags=_TAGS,
        status=201,
    ),
    Route(
        "POST",
        "/firmware/metadata",
        publish_metadata,
        roles=ADMINISTRATOR,
        summary="Publish signed metadata",
        tags=_TAGS,
        body_limit=_LIMIT,
    ),
    Route("GET", "/firmware/metadata/{file}", read_metadata, roles=PEOPLE, summary="A metadata document", tags=_TAGS),
    Route("GET", "/firmware/unsigned", list_unsigned, roles=PEOPLE, summary="Releases without a signature", tags=_TAGS),
)
