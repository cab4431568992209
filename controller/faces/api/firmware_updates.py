"""Firmware of a code: what there is to choose, updates ordered, looked at, cancelled (R4.2, R3.14)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.domain.firmware_update import Start, State
from controller.faces.api.context import OPERATIONS, PEOPLE, Context
from controller.faces.api.firmware_update_views import CodeFirmware, Update, UpdateInFull, UpdatePlan
from controller.faces.api.update_windows import DailyWindow, schedule
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Moment, Payload
from controller.services import firmware_updates as service
from controller.services.firmware_choices import choices
from controller.store import firmware_updates as store

CodeName = Annotated[str, Path("the code")]
Number = Annotated[RowId, Path("id of the update")]


async def show_firmware(
    call: Call,
    code: CodeName,
    context: Context,
    version: Annotated[str | None, Query("only this version, with its release notes")] = None,
) -> CodeFirmware:
    """What runs, what shall run, and which versions there are: whether they fit, by which steps they are reached."""
    found = await choices(context.db, code, version, caller=call.caller)
    return CodeFirmware.from_choices(found, call.language, notes=version is not None)


class UpdateOrder(Payload):
    """Which version, and when."""

    version: Annotated[str, Field(max_length=32)]
    not_before: Moment | None = None
    not_after: Moment | None = None
    """One that has not begun by then fails."""
    daily: DailyWindow | None = None
    """It begins in this part of the day only; one that has begun goes on."""
    downgrade: bool = False
    """An older version than the adapter runs is meant (R3.14)."""
    start: Start = Start.AT_ONCE
    """next-boot: the adapter is not told; it finds out when it pulls by itself."""
    replace: bool = False
    """An open update of the code that may still be cancelled gives way."""
    reason: Annotated[str, Field(max_length=500)] = ""
    dry_run: bool = False
    """Only say what would happen."""

    def order(self, code: str) -> service.Order:
        same = {name: getattr(self, name) for name in ("version", "downgrade", "start", "replace")}
        when = schedule(self.not_before, self.not_after, self.daily)
        return service.Order(code=code, schedule=when, reason=self.reason.strip(), **same)


async def order_update(call: Call, code: CodeName, body: UpdateOrder, context: Context) -> UpdatePlan:
    """Update the code's adapter. It is good when the adapter says that it runs the version and is in service again."""
    make = service.preview if body.dry_run else service.order
    ordered = await make(context.db, body.order(code), caller=call.caller, now=context.clock())
    return UpdatePlan.of(ordered, call.language)


async def list_updates(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    contract: Annotated[str | None, Query("only of this contract")] = None,
    code: Annotated[str | None, Query("only of this code")] = None,
    state: Annotated[State | None, Query("only in this state")] = None,
    rollout: Annotated[RowId | None, Query("only of this rollout")] = None,
) -> Page[Update]:
    """Newest first. An operator sees the own contract's."""
    rows = await store.page(
        context.db,
        contract=call.caller.within(contract),
        code=code,
        state=state,
        rollout=rollout,
        before=paging.after,
        limit=paging.rows,
    )
    return Page[Update].of(rows, paging, lambda row: row["id"], lambda row: Update.of(row, call.language))


async def show_update(call: Call, update: Number, context: Context) -> UpdateInFull:
    """One, with how it came so far and how many bytes have gone out."""
    return await _shown(call, update, context)


class Cancelling(Payload):
    reason: Annotated[str, Field(max_length=500)] = ""


async def cancel_update(call: Call, update: Number, body: Cancelling, context: Context) -> UpdateInFull:
    """Until the whole image has gone out. What its adapter has of it is not installed; it stays with what it runs."""
    await service.cancel(context.db, update, reason=body.reason.strip(), caller=call.caller, now=context.clock())
    return await _shown(call, update, context)


async def _shown(call: Call, update: int, context: Context) -> UpdateInFull:
    row = await service.one(context.db, update, caller=call.caller)
    return UpdateInFull.with_moves(row, await store.journal(context.db, update), call.language)


ROUTES = (
    Route(
        "GET",
        "/codes/{code}/firmware",
        show_firmware,
        roles=PEOPLE,
        summary="Its firmware, and what there is to choose",
        tags=("firmware",),
    ),
    Route(
        "POST",
        "/codes/{code}/updates",
        order_update,
        roles=OPERATIONS,
        summary="Update its adapter",
        tags=("firmware",),
        status=201,
    ),
    Route("GET", "/updates", list_updates, roles=PEOPLE, summary="Firmware updates", tags=("firmware",)),
    Route("GET", "/updates/{update}", show_update, roles=PEOPLE, summary="One update", tags=("firmware",)),
    Route(
        "POST",
        "/updates/{update}/cancel",
        cancel_update,
        roles=OPERATIONS,
        summary="Cancel an update",
        tags=("firmware",),
    ),
)
