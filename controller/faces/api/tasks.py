"""Tasks: look for them, read what the adapters printed, take one back or move it while it waits."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from controller.domain.errors import NotFound
from controller.domain.policy import CommandClass
from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Moment, text_or_base64
from controller.series import Via
from controller.services import evidence
from controller.services import transcripts as reading
from controller.store import task_pages, transcripts

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
    return Page[Task].of(rows, paging, lambda row: row["id"], Task.from_row)


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
    async with context.db.connection() as connection:
        row = await task_pages.one(connection, task)
        if row is None or not call.caller.sees(row["contract"]):
            raise NotFound("No {what} {name}.", next_step="Check the name.", what="task", name=task)
        await evidence.require_readable(connection, call.caller, row)
    printed = [
        Transcript.from_row(one, **text_or_base64(transcripts.unpacked(one)))
        for one in await transcripts.of_task(context.db, task)
    ]
    if printed:
        await reading.note_read(context.db, call.caller, task=task, how="show", now=context.clock())
    return TaskWithTranscripts.from_row(row, transcripts=printed)


ROUTES = (
    Route("GET", "/tasks", list_tasks, roles=PEOPLE, summary="Tasks", tags=("tasks",)),
    Route("GET", "/tasks/{task}", show_task, roles=PEOPLE, summary="One task and what was printed", tags=("tasks",)),
)
