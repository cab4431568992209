"""Campaigns: preview one, ask for it, follow it, steer it, sum it up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from controller.domain.campaign import State
from controller.domain.errors import NotFound
from controller.domain.policy import CommandClass
from controller.faces.api.context import PEOPLE, Context
from controller.faces.api.selections import SelectionParts
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Moment, Payload
from controller.series import Via
from controller.services import campaigns as service
from controller.services.selections import Skip
from controller.store import campaigns
from controller.store.pool import Row
from controller.words import say

Line = Annotated[str, Field(min_length=1, max_length=2046)]
Reason = Annotated[str, Field(max_length=500)]


class CampaignOrder(SelectionParts):
    """What to run, where, and how."""

    lines: Annotated[list[Line], Field(max_length=10, default_factory=list)]
    """Commands of the selected series, one line each, run in this order; none with a preset."""
    via: Via | None = None
    """Over which transport; null: the one that fits each adapter (its series, what leads to it now)."""
    reason: Reason = ""
    at: Moment | None = None
    """Not before this time; null: at once."""
    expires: Moment | None = None
    """What has not begun by then is not begun at all; null: never, or 7 days with `until_back`."""
    until_back: bool = False
    """A task whose adapter cannot be reached waits until it is back."""
    jitter_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    """Each task is due up to so many seconds later."""
    priority: Annotated[int, Field(ge=-10, le=10)] = 0
    """Higher comes first."""
    at_once: Annotated[int | None, Field(ge=1, le=10_000)] = None
    """So many adapters at a time at most."""
    per_minute: Annotated[int | None, Field(ge=1, le=100_000)] = None
    """So many adapters a minute at most."""
    stop_share: Annotated[float | None, Field(gt=0, le=1)] = None
    """It stops itself when more than this share of the ended tasks has failed."""
    stop_after: Annotated[int | None, Field(ge=1, le=20_000)] = None
    """… and at least so many have ended; null: ten, or a third of a small campaign, three at least."""
    investigation: RowId | None = None
    """Under which software-defect investigation it runs (R2.3)."""
    preset: Annotated[str, Field(max_length=100)] = ""
    """The title of a preset, instead of lines."""
    variables: Annotated[
        dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=200)]],
        Field(max_length=100, default_factory=dict),
    ]
    """A word for each ${variable} of the preset."""

    def options(self) -> service.Options:
        names = service.Options.__dataclass_fields__
        return service.Options(**{name: getattr(self, name) for name in names})


class Skipped(Answer):
    """A code that the selection means and where nothing is run."""

    code: str
    adapter: str | None
    why: str

    @classmethod
    def told(cls, skips: Sequence[Skip], language: str) -> list[Skipped]:
        return [cls(code=s.code, adapter=s.adapter, why=say(s.why.template, s.why.params, language)) for s in skips]


class CampaignAccepted(Answer):
    campaign: int
    tasks: int
    skipped: list[str]
    """Codes of the selection where nothing is run."""
    skips: list[Skipped]
    """The same with the reasons."""


async def run(call: Call, body: CampaignOrder, context: Context) -> CampaignAccepted:
    """Make one task per selected adapter. What the caller may not run is refused before a connection is opened."""
    asked = await service.ask(
        context.db,
        body.lines,
        body.selection(),
        body.reason,
        via=body.via,
        options=body.options(),
        caller=call.caller,
        now=context.clock(),
    )
    context.wake.set()
    skips = Skipped.told(asked.skips, call.language)
    return CampaignAccepted(campaign=asked.campaign, tasks=asked.tasks, skipped=list(asked.skipped), skips=skips)


class Target(Answer):
    """An adapter that is in."""

    code: str
    contract: str
    kind: Literal["entry", "standby"]
    adapter: str
    series: str
    model: str
    firmware: str
    """As it last said; "" when it never did."""
    connection: Literal["connected", "disconnected"]


class CampaignPreview(Answer):
    """What would be run, where, and where not and why."""

    lines: list[str]
    kind: CommandClass
    """The most harmful class among the lines."""
    investigation: int | None
    tasks: int
    targets: list[Target]
    skips: list[Skipped]


async def preview(call: Call, body: CampaignOrder, context: Context) -> CampaignPreview:
    """Who would be in and who not, and why. Nothing is written, nothing is sent."""
    plan = await service.preview(
        context.db, body.lines, body.selection(), body.options(), caller=call.caller, now=context.clock()
    )
    return CampaignPreview(
        lines=list(plan.lines),
        kind=plan.kind,
        investigation=plan.investigation,
        tasks=len(plan.targets),
        targets=[Target.from_row(row, adapter=row["serial"]) for row in plan.targets],
        skips=Skipped.told(plan.skips, call.language),
    )


class Campaign(Answer):
    """One set of lines over many adapters, with its tasks counted by state."""

    id: int
    account: str
    reason: str
    lines: list[str]
    kind: CommandClass
    state: State
    why: str
    """Why it is paused, was aborted or stopped itself."""
    contract: str | None
    """Of all its adapters; null when they are of several."""
    selection: dict[str, Any]  # Any: as it was given
    """Whom it meant, as it was given."""
    investigation: int | None
    preset: str
    via: Via | None
    priority: int
    at_once: int | None
    per_minute: int | None
    stop_share: float | None
    stop_after: int
    jitter_s: int
    until_back: bool
    created_at: datetime
    due_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    tasks: int
    waiting: int
    running: int
    done: int
    failed: int
    cancelled: int
    expired: int
    skipped: int
    """Codes that the selection meant and where nothing is run."""

    @classmethod
    def of(cls, row: Row, contract: str | None) -> Campaign:
        """As the caller may see it: to an operator, a selection over several contracts is the provider's matter."""
        foreign = contract is not None and row["contract"] != contract
        return cls.from_row(row, selection={} if foreign else row["selection"])


Number = Annotated[RowId, Path("id of the campaign")]


async def list_campaigns(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    state: Annotated[State | None, Query("only in this state")] = None,
    account: Annotated[str | None, Query("only asked for by this account")] = None,
    investigation: Annotated[RowId | None, Query("only under this investigation")] = None,
) -> Page[Campaign]:
    """Newest first."""
    rows = await campaigns.page(
        context.db,
        contract=call.caller.contract,
        state=state,
        account=account,
        investigation=investigation,
        before=paging.after,
        limit=paging.rows,
    )
    return Page[Campaign].of(rows, paging, lambda row: row["id"], lambda row: Campaign.of(row, call.caller.contract))


async def show_campaign(call: Call, campaign: Number, context: Context) -> Campaign:
    return Campaign.of(await _seen(context, call, campaign), call.caller.contract)


async def _seen(context: Context, call: Call, campaign: int) -> Row:
    row = await campaigns.one(context.db, campaign, contract=call.caller.contract)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="campaign", name=campaign)
    return row


async def list_skipped(call: Call, campaign: Number, paging: Paging[str], context: Context) -> Page[Skipped]:
    """Where nothing was run although the selection meant it, and why; by code."""
    await _seen(context, call, campaign)
    rows = await campaigns.skipped(
        context.db, campaign, contract=call.caller.contract, after=paging.after, limit=paging.rows
    )
    return Page[Skipped].of(rows, paging, lambda row: row["code"], Skipped.from_row)


class Steering(Payload):
    reason: Reason = ""


class Moved(Payload):
    at: Moment
    """When its waiting tasks shall be run."""
    reason: Reason = ""


async def move(call: Call, campaign: Number, body: Moved, context: Context) -> Campaign:
    """Give its waiting tasks another time."""
    await service.move(context.db, campaign, body.at, body.reason, caller=call.caller, now=context.clock())
    context.wake.set()
    return await show_campaign(call, campaign, context)


async def pause(call: Call, campaign: Number, context: Context, body: Steering | None = None) -> Campaign:
    """Begin no more of its tasks; those under way end."""
    await service.pause(context.db, campaign, _reason(body), caller=call.caller, now=context.clock())
    return await show_campaign(call, campaign, context)


async def resume(call: Call, campaign: Number, context: Context, body: Steering | None = None) -> Campaign:
    """Go on after a pause."""
    await service.resume(context.db, campaign, _reason(body), caller=call.caller, now=context.clock())
    context.wake.set()
    return await show_campaign(call, campaign, context)


async def abort(call: Call, campaign: Number, context: Context, body: Steering | None = None) -> Campaign:
    """End it: waiting tasks are cancelled, running ones are told to stop. What was printed so far is kept."""
    await service.abort(context.db, campaign, _reason(body), caller=call.caller, now=context.clock())
    return await show_campaign(call, campaign, context)


def _reason(body: Steering | None) -> str:
    return body.reason if body else ""


def _steer(name: str, handler: Any, summary: str) -> Route:  # Any: as Route takes it
    return Route("POST", f"/campaigns/{{campaign}}/{name}", handler, roles=PEOPLE, summary=summary, tags=("tasks",))


ROUTES = (
    Route("POST", "/campaigns", run, roles=PEOPLE, summary="Run commands on adapters", tags=("tasks",), status=202),
    Route("POST", "/campaigns/preview", preview, roles=PEOPLE, summary="Who would be in", tags=("tasks",), status=200),
    Route("GET", "/campaigns", list_campaigns, roles=PEOPLE, summary="Campaigns", tags=("tasks",)),
    Route("GET", "/campaigns/{campaign}", show_campaign, roles=PEOPLE, summary="One campaign", tags=("tasks",)),
    Route("PATCH", "/campaigns/{campaign}", move, roles=PEOPLE, summary="Give it another time", tags=("tasks",)),
    Route(
        "GET", "/campaigns/{campaign}/skips", list_skipped, roles=PEOPLE, summary="Who was left out", tags=("tasks",)
    ),
    _steer("pause", pause, "Pause it"),
    _steer("resume", resume, "Go on after a pause"),
    _steer("abort", abort, "Abort it"),
)
