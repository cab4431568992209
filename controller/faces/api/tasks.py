"""Tasks: look for them, read what the adapters printed, take one back or move it while it waits."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from controller.domain.errors import NotFound
from controller.domain.policy import CommandClass
from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Moment, Payload, text_or_base64
from controller.series import Via
from controller.services import evidence_access, readings
from controller.services import tasks as service
from controller.services import transcripts as reading
from controller.store import task_pages, transcripts
from controller.store.pool import Row

TaskState = Literal["waiting", "running", "done", "failed", "cancelled", "expired"]


class Task(Answer):
    id: int
    campaign: int
    code: str
    contract: str
    adapter: str
    series: str
    model: str
    kind: CommandClass
    state: TaskState
    failure: str | None
    """unreachable, timeout, authentication-refused, host-key-changed, host-key-unknown, device-refused,
    connection-lost, registration-changed, not-permitted, stopped, unknown, worker-lost, internal-error."""
    detail: str
    via: Via | None
    """The transport that was used; null before the task ran."""
    lines: list[str]
    account: str
    reason: str
    investigation: int | None
    due_at: datetime
    expires_at: datetime | None
    waits_for: Literal["", "adapter"]
    """"adapter": it could not be reached at `waits_since` and is run when it is back."""
    waits_since: datetime | None
    waiting_for: str
    """What a waiting task waits for now: time, campaign paused, adapter away, adapter busy, pair busy, contract limit,
    campaign limit, turn; "" for one that does not wait."""
    started_at: datetime | None
    finished_at: datetime | None


async def list_tasks(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    campaign: Annotated[RowId | None, Query("only of this campaign")] = None,
    adapter: Annotated[str | None, Query("only on this adapter (serial)")] = None,
    code: Annotated[str | None, Query("only of this code")] = None,
    state: Annotated[TaskState | None, Query("only in this state")] = None,
    since: Annotated[Moment | None, Query("only begun (or due, while they wait) at this time or later")] = None,
    until: Annotated[Moment | None, Query("only begun (or due) before this time")] = None,
) -> Page[Task]:
    """Newest first."""
    wanted = task_pages.Wanted(call.caller.contract, campaign, adapter, code, state, since, until)
    rows = await task_pages.page(context.db, wanted, before=paging.after, limit=paging.rows)
    whys = await service.why_waiting(context.db, rows, context.clock(), contract_at_once=context.contract_at_once)
    return Page[Task].of(
        rows, paging, lambda row: row["id"], lambda row: Task.from_row(row, waiting_for=whys.get(row["id"], ""))
    )


class Transcript(Answer):
    """What the adapter printed for one line. Exactly one of text and base64 is set."""

    position: int
    line: str
    command: str
    """The declared command that the line is."""
    module: int
    """Which of the adapter's modules answered."""
    text: str | None
    """The bytes as UTF-8, CR LF as the adapter sent them, secrets masked."""
    base64: str | None
    """The bytes when they are not UTF-8."""
    masked: int
    """How many secrets were taken out."""
    fields: Any
    """What the command's parser made of it; null where there is no parser, the line failed, or unparsable says why."""
    unparsable: str
    """Why the parser could make nothing of it: it is not what the command is known to print. "" otherwise."""
    truncated: bool
    failure: str | None
    detail: str
    adapter: str
    code: str
    registered_since: datetime
    firmware: str
    started_at: datetime
    duration_s: float


class TaskWithTranscripts(Task):
    transcripts: list[Transcript]


Number = Annotated[RowId, Path("id of the task")]


async def show_task(call: Call, task: Number, context: Context) -> TaskWithTranscripts:
    """With what the adapter printed; that it was read is recorded."""
    row = await _own(context, call, task)
    async with context.db.connection() as connection:
        await evidence_access.require_readable(connection, call.caller, row)
    rows = await transcripts.of_task(context.db, task)
    read = await readings.of(context.db, [_key(one, row["series"]) for one in rows if one["failure"] is None])
    printed = [_transcript(one, read.get(_key(one, row["series"]))) for one in rows]
    if printed:
        await reading.note_read(context.db, call.caller, task=task, how="show", now=context.clock())
    return TaskWithTranscripts.from_row(row, transcripts=printed, waiting_for=await _why(context, row))


def _key(row: Row, series: str) -> tuple[bytes, str, str]:
    return row["sha256"], series, row["command"]


def _transcript(row: Row, read: readings.Reading | None) -> Transcript:
    found = read if read and row["failure"] is None else None
    told = {"fields": found.fields if found else None, "unparsable": found.fault if found else ""}
    return Transcript.from_row(row, **told, **text_or_base64(transcripts.unpacked(row)))


async def _own(context: Context, call: Call, task: int) -> Row:
    async with context.db.connection() as connection:
        row = await task_pages.one(connection, task)
    if row is None or not call.caller.sees(row["contract"]):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="task", name=task)
    return row


async def _why(context: Context, row: Row) -> str:
    return (
        await service.why_waiting(context.db, [row], context.clock(), contract_at_once=context.contract_at_once)
    ).get(row["id"], "")


class TaskCancelled(Payload):
    reason: Annotated[str, Field(max_length=500)] = ""


class TaskMoved(Payload):
    at: Moment
    """When it shall be run."""


async def cancel_task(call: Call, task: Number, context: Context, body: TaskCancelled | None = None) -> Task:
    """Take a waiting task back. One that runs is told to stop: what was printed so far is kept."""
    reason = body.reason if body else ""
    await service.cancel(context.db, task, reason, caller=call.caller, now=context.clock())
    row = await _own(context, call, task)
    return Task.from_row(row, waiting_for="")


async def move_task(call: Call, task: Number, body: TaskMoved, context: Context) -> Task:
    """Give a waiting task another time."""
    await service.move(context.db, task, body.at, caller=call.caller, now=context.clock())
    context.wake.set()
    row = await _own(context, call, task)
    return Task.from_row(row, waiting_for=await _why(context, row))


ROUTES = (
    Route("GET", "/tasks", list_tasks, roles=PEOPLE, summary="Tasks", tags=("tasks",)),
    Route("GET", "/tasks/{task}", show_task, roles=PEOPLE, summary="One task and what was printed", tags=("tasks",)),
    Route("PATCH", "/tasks/{task}", move_task, roles=PEOPLE, summary="Give a task another time", tags=("tasks",)),
    Route("POST", "/tasks/{task}/cancel", cancel_task, roles=PEOPLE, summary="Take a task back", tags=("tasks",)),
)
