"""Investigations: opened by support staff from an operator's report, looked at by both, closed with a finding."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from controller.domain.errors import NotFound
from controller.faces.api.context import PEOPLE, STAFF, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Moment, Payload
from controller.services import investigations as service
from controller.store import investigations
from controller.store.pool import Row

InvestigationState = Literal["open", "lapsed", "closed"]
Name = Annotated[str, Field(min_length=1, max_length=32)]
Days = Annotated[int, Field(ge=1, le=service.MAX_DAYS)]
Number = Annotated[RowId, Path("id of the investigation")]


class Concerned(Payload):
    """Adapters, by the code they are on or by their serial numbers."""

    codes: Annotated[list[Name], Field(max_length=service.MAX_ADAPTERS, default_factory=list)]
    serials: Annotated[list[Name], Field(max_length=service.MAX_ADAPTERS, default_factory=list)]


class Report(Concerned):
    contract: Name
    title: Annotated[str, Field(min_length=1, max_length=200)]
    observed: Annotated[str, Field(min_length=1, max_length=10_000)]
    """What the operator saw, with details."""
    reported_by: Annotated[str, Field(min_length=1, max_length=64)]
    """Account of the contract's operator whose report it is."""
    inquiry: Annotated[str, Field(max_length=200)] = ""
    """The desk's reference."""
    days: Days = service.DEFAULT_DAYS


class Opened(Answer):
    investigation: int


async def open_investigation(call: Call, body: Report, context: Context) -> Opened:
    """While it is open, support staff may run status and listed commands on its adapters (R2.3), and nobody else's."""
    report = service.Report(
        body.contract, body.title, body.observed, body.reported_by, body.inquiry, body.codes, body.serials
    )
    number = await service.open_(context.db, report, days=body.days, caller=call.caller, now=context.clock())
    return Opened(investigation=number)


class Investigation(Answer):
    id: int
    contract: str
    title: str
    state: InvestigationState
    """lapsed: its time is over, nobody has closed it; it grants nothing."""
    reported_by: str
    inquiry: str
    opened_by: str
    opened_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    finding: str
    adapter_count: int


async def list_investigations(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    contract: Annotated[str | None, Query("only of this contract")] = None,
    state: Annotated[InvestigationState | None, Query("only in this state")] = None,
    adapter: Annotated[str | None, Query("only those that concern this adapter (serial)")] = None,
) -> Page[Investigation]:
    """Newest first. An operator sees the own contract's."""
    rows = await investigations.page(
        context.db,
        contract=call.caller.within(contract),
        state=state,
        adapter=adapter,
        before=paging.after,
        limit=paging.rows,
        now=context.clock(),
    )
    return Page[Investigation].of(rows, paging, lambda row: row["id"], Investigation.from_row)


class ConcernedAdapter(Answer):
    adapter: str
    code: str
    """The code it was on when it was added."""
    code_now: str | None
    """The code it is on now; null: on none."""
    added_at: datetime
    added_by: str


class PointedResult(Answer):
    """A result of the operator's that support staff may read (R2.2). Either task or operation is null."""

    task: int | None
    operation: int | None
    adapter: str
    executed_at: datetime
    """As it was named."""
    added_at: datetime
    added_by: str


class RunUnder(Answer):
    """What was asked for under it. Either campaign or operation is null."""

    campaign: int | None
    operation: int | None
    account: str
    reason: str
    lines: list[str]
    """Of a campaign its lines; of a push operation its kind."""
    at: datetime


class InvestigationInFull(Investigation):
    observed: str
    adapters: list[ConcernedAdapter]
    results: list[PointedResult]
    runs: list[RunUnder]
    """The newest 200."""


async def show_investigation(call: Call, investigation: Number, context: Context) -> InvestigationInFull:
    row = await _own(call, investigation, context)
    adapters = await investigations.adapters(context.db, investigation)
    results = await investigations.results(context.db, investigation)
    runs = await investigations.runs(context.db, investigation)
    return InvestigationInFull.from_row(
        row,
        adapters=[ConcernedAdapter.from_row(one) for one in adapters],
        results=[PointedResult.from_row(one) for one in results],
        runs=[RunUnder.from_row(one) for one in runs],
    )


class Added(Answer):
    adapters: list[str]
    """Serial numbers that were not there before."""


async def add_adapters(call: Call, investigation: Number, body: Concerned, context: Context) -> Added:
    """Widen an open investigation to more adapters of its contract."""
    added = await service.add_adapters(
        context.db, investigation, body.codes, body.serials, caller=call.caller, now=context.clock()
    )
    return Added(adapters=added)


class ExecutionTime(Payload):
    adapter: Name
    executed_at: Moment
    """When the operator ran it, give or take a minute."""


class Pointed(Answer):
    tasks: list[int]
    operations: list[int]


async def point_at(call: Call, investigation: Number, body: ExecutionTime, context: Context) -> Pointed:
    """Let support staff read what the contract's operators ran at that time on one of the investigation's adapters
    (R2.2)."""
    found = await service.point_at(
        context.db, investigation, body.adapter, body.executed_at, caller=call.caller, now=context.clock()
    )
    return Pointed(tasks=list(found.tasks), operations=list(found.operations))


class Extension(Payload):
    days: Days
    """From now on."""
    reason: Annotated[str, Field(min_length=1, max_length=500)]


async def extend(call: Call, investigation: Number, body: Extension, context: Context) -> Investigation:
    """Another end of its time, for one that has lapsed too."""
    await service.extend(context.db, investigation, body.days, body.reason, caller=call.caller, now=context.clock())
    return Investigation.from_row(await _own(call, investigation, context))


class Finding(Payload):
    finding: Annotated[str, Field(min_length=1, max_length=10_000)]


class Closed(Answer):
    """What was taken back with it."""

    aborted_campaigns: list[int]
    cancelled_tasks: int
    cancelled_operations: list[int]


async def close(call: Call, investigation: Number, body: Finding, context: Context) -> Closed:
    """End it. Its campaigns are aborted, and what waits under it is cancelled, at once."""
    ended = await service.close(context.db, investigation, body.finding, caller=call.caller, now=context.clock())
    return Closed(
        aborted_campaigns=list(ended.campaigns),
        cancelled_tasks=ended.tasks,
        cancelled_operations=list(ended.operations),
    )


async def _own(call: Call, number: int, context: Context) -> Row:
    row = await investigations.one(context.db, number, context.clock())
    if row is None or not call.caller.sees(row["contract"]):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="investigation", name=number)
    return row


_TAGS = ("investigations",)
_ONE = "/investigations/{investigation}"

ROUTES = (
    Route("POST", "/investigations", open_investigation, roles=STAFF, summary="Open one", tags=_TAGS, status=201),
    Route("GET", "/investigations", list_investigations, roles=PEOPLE, summary="Investigations", tags=_TAGS),
    Route("GET", _ONE, show_investigation, roles=PEOPLE, summary="One with all it holds", tags=_TAGS),
    Route("POST", f"{_ONE}/adapters", add_adapters, roles=STAFF, summary="Add adapters", tags=_TAGS),
    Route("POST", f"{_ONE}/results", point_at, roles=PEOPLE, summary="Point at results by their time", tags=_TAGS),
    Route("POST", f"{_ONE}/extension", extend, roles=STAFF, summary="Let it go on", tags=_TAGS),
    Route("POST", f"{_ONE}/close", close, roles=STAFF, summary="Close it with a finding", tags=_TAGS),
)
