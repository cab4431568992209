"""Staged rollouts: planned, looked at, started, approved, paused, resumed, aborted (R4.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from controller.domain import firmware_rollout as rules
from controller.domain.firmware_rollout import ItemState, Newcomers, State
from controller.domain.firmware_update import Start
from controller.faces.api.context import OPERATIONS, PEOPLE, Context
from controller.faces.api.firmware_rollout_views import (
    Rollout,
    RolloutInFull,
    RolloutItem,
    RolloutPlan,
    in_full,
    in_short,
    planned,
    rollout_item,
)
from controller.faces.api.selections import SelectionParts
from controller.faces.api.update_windows import DailyWindow, schedule
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Moment, Payload
from controller.services import firmware_rollouts as service
from controller.services.firmware_rollout_options import Options
from controller.services.firmware_rollout_planning import plan
from controller.store import firmware_rollouts as store

Number = Annotated[RowId, Path("id of the rollout")]
Share = Annotated[float, Field(gt=0, le=1)]
_WITHIN_S = 60.0
"""Thousands of codes are planned, or called off, in seconds."""


class RolloutOrder(Payload):
    """Which version, to whom, and how."""

    series: Annotated[str, Field(max_length=40)]
    version: Annotated[str, Field(max_length=32)]
    selection: SelectionParts
    """{}: every entry of the series."""
    canaries: Annotated[int, Field(ge=0, le=rules.MAX_ITEMS)] = rules.CANARY
    """So many codes make the first wave; 0: there is no such wave."""
    shares: Annotated[list[Share], Field(max_length=rules.MAX_WAVES, default_factory=lambda: [0.1, 0.5])]
    """Of all codes, those of earlier waves included, in growing order; what is left is the last wave."""
    success: Annotated[float, Field(ge=0, le=1)] = rules.SUCCESS
    soak_s: Annotated[int, Field(ge=0, le=int(rules.MAX_SOAK.total_seconds()))] = int(rules.SOAK.total_seconds())
    stop: Annotated[float, Field(ge=0, le=1)] = rules.STOP
    approval: bool = False
    newcomers: Newcomers = Newcomers.IGNORE
    at_once: Annotated[int, Field(ge=1, le=rules.MAX_AT_ONCE)] = rules.AT_ONCE
    not_before: Moment | None = None
    not_after: Moment | None = None
    daily: DailyWindow | None = None
    downgrade: bool = False
    """An older version than adapters run is meant."""
    start: Start = Start.AT_ONCE
    """next-boot: nobody is told; adapters find out when they pull by themselves."""
    reason: Annotated[str, Field(max_length=500)] = ""
    dry_run: bool = False
    """Only say what would happen; nothing is kept."""

    def options(self) -> Options:
        same = ("canaries", "shares", "success", "stop", "approval", "newcomers", "at_once", "downgrade", "start")
        return Options(
            **{name: getattr(self, name) for name in same},
            soak=timedelta(seconds=self.soak_s),
            schedule=schedule(self.not_before, self.not_after, self.daily),
            reason=self.reason.strip(),
        )


async def plan_rollout(call: Call, body: RolloutOrder, context: Context) -> RolloutPlan:
    """Every code is put into a wave, or left out with a reason. Nothing is updated before it is started."""
    options, now = body.options(), context.clock()
    made = await plan(
        *(context.db, body.series, body.version, body.selection.selection(), options), caller=call.caller, now=now
    )
    keep = None if body.dry_run else await service.keep(context.db, made, options, caller=call.caller, now=now)
    return planned(keep, made, call.language)


async def list_rollouts(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    contract: Annotated[str | None, Query("only of this contract")] = None,
    state: Annotated[State | None, Query("only in this state")] = None,
) -> Page[Rollout]:
    """Newest first. An operator sees the own contract's."""
    rows = await service.page(
        context.db, caller=call.caller, contract=contract, state=state, before=paging.after, limit=paging.rows
    )
    return Page[Rollout].of(rows, paging, lambda row: row["id"], lambda row: in_short(row, call.language))


async def show_rollout(call: Call, rollout: Number, context: Context) -> RolloutInFull:
    """One, with how far each wave is."""
    return await _shown(call, rollout, context)


async def list_items(
    call: Call,
    rollout: Number,
    paging: Paging[RowId],
    context: Context,
    state: Annotated[ItemState | None, Query("only in this state")] = None,
    wave: Annotated[int | None, Query("only of this wave"), Field(ge=0, le=rules.MAX_WAVES + 1)] = None,
) -> Page[RolloutItem]:
    """Its codes in the order of updating, those left out too."""
    rows = await service.items(
        *(context.db, rollout),
        caller=call.caller,
        state=state,
        wave=wave,
        after=paging.after or 0,
        limit=paging.rows,
    )
    return Page[RolloutItem].of(rows, paging, lambda row: row["line"], lambda row: rollout_item(row, call.language))


class Steering(Payload):
    reason: Annotated[str, Field(max_length=500)] = ""


class Resuming(Steering):
    retry: bool = False
    """What has failed is tried again."""


async def start_rollout(call: Call, rollout: Number, body: Steering, context: Context) -> RolloutInFull:
    """Begin its first wave, in the caller's name."""
    await service.start(context.db, rollout, body.reason.strip(), caller=call.caller, now=context.clock())
    return await _shown(call, rollout, context)


async def approve_rollout(call: Call, rollout: Number, body: Steering, context: Context) -> RolloutInFull:
    """Let the next wave begin."""
    await service.approve(context.db, rollout, body.reason.strip(), caller=call.caller, now=context.clock())
    return await _shown(call, rollout, context)


async def pause_rollout(call: Call, rollout: Number, body: Steering, context: Context) -> RolloutInFull:
    """Begin no other update; those under way go on."""
    await service.pause(context.db, rollout, body.reason.strip(), caller=call.caller, now=context.clock())
    return await _shown(call, rollout, context)


async def resume_rollout(call: Call, rollout: Number, body: Resuming, context: Context) -> RolloutInFull:
    """Go on after a pause or a stop, in the caller's name. After a stop what has failed counts no more."""
    reason, retry = body.reason.strip(), body.retry
    await service.resume(context.db, rollout, reason, retry=retry, caller=call.caller, now=context.clock())
    return await _shown(call, rollout, context)


async def abort_rollout(call: Call, rollout: Number, body: Steering, context: Context) -> RolloutInFull:
    """End it: what is not flashing yet is cancelled, what was updated stays."""
    await service.abort(context.db, rollout, body.reason.strip(), caller=call.caller, now=context.clock())
    return await _shown(call, rollout, context)


async def _shown(call: Call, rollout: int, context: Context) -> RolloutInFull:
    row = await service.one(context.db, rollout, caller=call.caller)
    waves = await store.waves(context.db, rollout)
    return in_full(row, waves, await service.running(context.db, row), call.language)


_TAGS = ("firmware",)
_ONE = "/rollouts/{rollout}"
ROUTES = (
    Route(
        "POST",
        "/rollouts",
        plan_rollout,
        roles=OPERATIONS,
        summary="Plan a staged rollout",
        tags=_TAGS,
        deadline_s=_WITHIN_S,
    ),
    Route("GET", "/rollouts", list_rollouts, roles=PEOPLE, summary="Rollouts", tags=_TAGS),
    Route("GET", _ONE, show_rollout, roles=PEOPLE, summary="One rollout", tags=_TAGS),
    Route("GET", f"{_ONE}/items", list_items, roles=PEOPLE, summary="Its codes", tags=_TAGS),
    Route("POST", f"{_ONE}/start", start_rollout, roles=OPERATIONS, summary="Start it", tags=_TAGS),
    Route("POST", f"{_ONE}/approve", approve_rollout, roles=OPERATIONS, summary="Begin the next wave", tags=_TAGS),
    Route(
        "POST", f"{_ONE}/pause", pause_rollout, roles=OPERATIONS, summary="Pause it", tags=_TAGS, deadline_s=_WITHIN_S
    ),
    Route("POST", f"{_ONE}/resume", resume_rollout, roles=OPERATIONS, summary="Go on with it", tags=_TAGS),
    Route(
        "POST", f"{_ONE}/abort", abort_rollout, roles=OPERATIONS, summary="Abort it", tags=_TAGS, deadline_s=_WITHIN_S
    ),
)
