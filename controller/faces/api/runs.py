"""Status collection: ask for a run, follow it, read what the adapters printed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from controller.domain.errors import NotFound
from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Payload, text_or_base64
from controller.series import Via
from controller.services import collect
from controller.store import tasks, transcripts

TaskState = Literal["waiting", "running", "done", "failed"]


class RunOrder(Payload):
    lines: Annotated[list[Annotated[str, Field(min_length=1, max_length=2046)]], Field(min_length=1, max_length=10)]
    """Status commands of the selected series, one line each, run in this order."""
    codes: Annotated[
        list[Annotated[str, Field(max_length=32)]], Field(max_length=tasks.MAX_TASKS, default_factory=list)
    ]
    """These codes; empty: every entry."""
    contract: str | None = None
    series: str | None = None
    via: Via | None = None
    """Over which transport; null: the one that fits each adapter (its series, what leads to it now)."""
    reason: Annotated[str, Field(max_length=500)] = ""


class RunAccepted(Answer):
    campaign: int
    tasks: int
    skipped: list[str]
    """Codes of the selection that hold no adapter."""


async def run(call: Call, body: RunOrder, context: Context) -> RunAccepted:
    """Make one task per selected adapter. Anything but status commands is refused before a connection is opened."""
    selection = collect.Selection(tuple(body.codes), body.contract, body.series)
    asked = await collect.ask(
        context.db, body.lines, selection, body.reason, via=body.via, caller=call.caller, now=context.clock()
    )
    context.wake.set()
    return RunAccepted(campaign=asked.campaign, tasks=asked.tasks, skipped=list(asked.skipped))


class Campaign(Answer):
    """One set of lines over many adapters, with its tasks counted by state."""

    id: int
    account: str
    reason: str
    lines: list[str]
    created_at: datetime
    tasks: int
    waiting: int
    running: int
    done: int
    failed: int


async def show_campaign(
    call: Call, campaign: Annotated[RowId, Path("id of the campaign")], context: Context
) -> Campaign:
    row = await tasks.campaign(context.db, campaign, contract=call.caller.contract)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="campaign", name=campaign)
    return Campaign(**row)


class Task(Answer):
    id: int
    campaign: int
    code: str
    contract: str
    adapter: str
    series: str
    state: TaskState
    failure: str | None
    """unreachable, timeout, authentication-refused, host-key-changed, host-key-unknown, device-refused,
    connection-lost, registration-changed, worker-lost, internal-error."""
    detail: str
    via: Via | None
    """The transport that was used; null before the task ran."""
    lines: list[str]
    account: str
    reason: str
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


async def list_tasks(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    campaign: Annotated[RowId | None, Query("only of this campaign")] = None,
    adapter: Annotated[str | None, Query("only on this adapter (serial)")] = None,
    state: Annotated[TaskState | None, Query("only in this state")] = None,
) -> Page[Task]:
    """Newest first."""
    rows = await tasks.page(
        context.db,
        campaign_id=campaign,
        contract=call.caller.contract,
        adapter=adapter,
        state=state,
        before=paging.after,
        limit=paging.rows,
    )
    return Page[Task].of(rows, paging, lambda row: row["id"], lambda row: Task(**row))


class Transcript(Answer):
    """What the adapter printed for one line. Exactly one of text and base64 is set."""

    position: int
    line: str
    text: str | None
    """The bytes as UTF-8, CR LF as the adapter sent them."""
    base64: str | None
    """The bytes when they are not UTF-8."""
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


async def show_task(
    call: Call, task: Annotated[RowId, Path("id of the task")], context: Context
) -> TaskWithTranscripts:
    row = await tasks.task(context.db, task)
    if row is None or not call.caller.sees(row["contract"]):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="task", name=task)
    printed = [
        Transcript.from_row(one, **text_or_base64(transcripts.unpacked(one)))
        for one in await transcripts.of_task(context.db, task)
    ]
    return TaskWithTranscripts(transcripts=printed, **row)


ROUTES = (
    Route(
        "POST", "/campaigns", run, roles=PEOPLE, summary="Run status commands on adapters", tags=("tasks",), status=202
    ),
    Route("GET", "/campaigns/{campaign}", show_campaign, roles=PEOPLE, summary="One campaign", tags=("tasks",)),
    Route("GET", "/tasks", list_tasks, roles=PEOPLE, summary="Tasks", tags=("tasks",)),
    Route("GET", "/tasks/{task}", show_task, roles=PEOPLE, summary="One task and what was printed", tags=("tasks",)),
)
