"""What adapters printed: search it, read one output, take a campaign's or a task's away as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from math import inf
from typing import Annotated, Literal

from pydantic import Field

from controller.domain.errors import Fault, Invalid, NotFound
from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Accepts, Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.paging import encode
from controller.faces.http.payload import Answer, Moment, Stream
from controller.services import evidence_access, exports, transcript_search
from controller.services import transcripts as service
from controller.services.export_formats import CONTENT_TYPES
from controller.services.exports import Format, Subject
from controller.services.transcript_search import Found
from controller.store import transcripts
from controller.store.transcripts import Wanted

Position = tuple[datetime, Annotated[int, Field(ge=0, le=2**63 - 1)], Annotated[int, Field(ge=0, le=2**31 - 1)]]


class TranscriptFound(Answer):
    """One line's output, without the output."""

    task: int
    position: int
    campaign: int
    contract: str
    code: str
    adapter: str
    series: str
    model: str
    firmware: str
    line: str
    command: str
    """The declared command that the line is."""
    account: str
    investigation: int | None
    started_at: datetime
    duration_s: float
    size: int
    """Bytes."""
    sha256: str
    """Of the bytes as they are kept, secrets masked; equal where adapters printed the same."""
    masked: int
    """How many secrets were taken out."""
    truncated: bool
    failure: str | None
    excerpt: str
    """Around the text that was looked for; empty without one."""


async def search_transcripts(
    call: Call,
    paging: Paging[Position],
    context: Context,
    campaign: Annotated[RowId | None, Query("only of this campaign")] = None,
    task: Annotated[RowId | None, Query("only of this task")] = None,
    adapter: Annotated[str | None, Query("only of this adapter (serial)")] = None,
    code: Annotated[str | None, Query("only of this code")] = None,
    contract: Annotated[str | None, Query("only of this contract")] = None,
    command: Annotated[str | None, Query("only of this declared command, such as show system")] = None,
    since: Annotated[Moment | None, Query("only begun at this time or later")] = None,
    until: Annotated[Moment | None, Query("only begun before this time")] = None,
    text: Annotated[str, Query("only with this text; letters A-Z count like a-z"), Field(max_length=200)] = "",
    field: Annotated[
        str, Query("only with this value in the typed fields, such as firmware=3.42"), Field(max_length=400)
    ] = "",
) -> Page[TranscriptFound]:
    """Newest first; what the caller may not read is left out (R2.2). A request looks at 20,000 transcripts or for five
    seconds at most: a page may be short or empty while `next` leads on."""
    wanted = Wanted(call.caller.within(contract), campaign, task, adapter, code, command, since, until)
    looked = await transcript_search.search(
        *(context.db, wanted),
        text=text,
        field=field,
        after=paging.after,
        limit=paging.limit,
        caller=call.caller,
        now=context.clock(),
    )
    items = [_found(one) for one in looked.found]
    return Page[TranscriptFound](items=items, next=encode(looked.after) if looked.after else None)


def _found(one: Found) -> TranscriptFound:
    return TranscriptFound.from_row(one.row, sha256=one.row["sha256"].hex(), excerpt=one.excerpt)


async def read_transcript(
    call: Call,
    task: Annotated[RowId, Path("id of the task")],
    position: Annotated[RowId, Path("which of its lines, from 1")],
    context: Context,
) -> Annotated[Stream, Accepts("application/octet-stream")]:
    """The bytes of one output as they are kept. That it was read is recorded."""
    rows = await transcripts.newest(context.db, Wanted(call.caller.contract, task=task), None, 100)
    row = next((row for row in rows if row["position"] == position), None)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="transcript", name=f"{task}/{position}")
    async with context.db.connection() as connection:
        await evidence_access.require_readable(connection, call.caller, row)
    detail = {"position": position}
    await service.note_read(context.db, call.caller, how="show", now=context.clock(), task=task, detail=detail)
    async for _, content in service.with_contents(context.db, [row]):
        return Stream.of("application/octet-stream", content.body, filename=f"{row['code']}-{task}-{position}.txt")
    raise NotFound("No {what} {name}.", next_step="Check the name.", what="transcript", name=f"{task}/{position}")


async def export_transcripts(
    call: Call,
    context: Context,
    campaign: Annotated[RowId | None, Query("of this campaign")] = None,
    task: Annotated[RowId | None, Query("or of this task")] = None,
    format: Annotated[Literal["zip", "json", "csv", "text"], Query("zip, json, csv or text")] = "zip",  # noqa: A002
) -> Annotated[Stream, Accepts("application/zip", "application/json", "text/csv", "text/plain")]:
    """All outputs of a campaign or a task with who, why, when and a SHA-256 of each; a zip has them as files beside
    manifest.json and SHA256SUMS. That it was read is recorded."""
    subject = subject_of(campaign, task)
    chunks = exports.export(context.db, subject, format, caller=call.caller, now=context.clock())
    return stream(format, chunks, str(subject).replace(" ", "-"))


def subject_of(campaign: int | None, task: int | None) -> Subject:
    """Raises Invalid unless exactly one is given."""
    if (campaign is None) == (task is None):
        fault = Fault("task" if campaign else "campaign", "Give a campaign or a task.")
        raise Invalid(
            "It is not clear what is meant.", next_step="Give a campaign or a task, one of them.", faults=[fault]
        )
    return Subject(campaign, task)


def stream(kind: Format, chunks: AsyncIterator[bytes], name: str, *, longest_s: float = inf) -> Stream:
    """The file as an answer."""
    content_type, ending = CONTENT_TYPES[kind]
    return Stream(content_type, chunks, filename=f"{name}.{ending}", longest_s=longest_s)


ROUTES = (
    Route("GET", "/transcripts", search_transcripts, roles=PEOPLE, summary="Search transcripts", tags=("transcripts",)),
    Route(
        "GET",
        "/transcripts/export",
        export_transcripts,
        roles=PEOPLE,
        summary="Transcripts as a file",
        tags=("transcripts",),
    ),
    Route(
        "GET",
        "/transcripts/{task}/{position}",
        read_transcript,
        roles=PEOPLE,
        summary="One output",
        tags=("transcripts",),
    ),
)
