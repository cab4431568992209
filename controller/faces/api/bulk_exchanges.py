"""Many swaps from one file: planned, looked at, started, paused, resumed, aborted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from controller.domain.bulk_exchange import AT_ONCE, MAX_AT_ONCE, MAX_ROWS, RowState, State
from controller.domain.bulk_exchange_file import MAX_BYTES
from controller.faces.api.bulk_exchange_views import (
    BulkExchange,
    BulkExchangeInFull,
    BulkPlan,
    BulkRow,
    bulk_row,
    in_full,
    in_short,
)
from controller.faces.api.context import OPERATIONS, PEOPLE, Context
from controller.faces.http import Accepts, Call, Page, Paging, Path, Query, Route, RowId, Upload
from controller.faces.http.payload import Payload, Stream
from controller.services import bulk_exchanges as service
from controller.services import bulk_planning
from controller.services.tables import as_csv
from controller.store import bulk_exchanges as store

Number = Annotated[RowId, Path("id of the bulk exchange")]
_State = Annotated[RowState | None, Query("only rows in this state")]
_TOLD_REFUSED = 1000
_PLAN_WITHIN_S = 120.0
COLUMNS = (
    *("line", "entry", "standby", "reason", "fault", "state", "why", "old_adapter", "new_adapter"),
    *("firmware_target", "after_lines", "notes", "exchange", "exchange_state"),
)


async def plan_bulk_exchange(
    call: Call,
    body: Annotated[Upload, Accepts("text/csv", "application/json")],
    context: Context,
    at_once: Annotated[
        int, Query("so many of its exchanges may be open at a time"), Field(ge=1, le=MAX_AT_ONCE)
    ] = AT_ONCE,
    stop_after: Annotated[
        int | None, Query("so many rows that fail stop it; default: none do"), Field(ge=1, le=MAX_ROWS)
    ] = None,
    reason: Annotated[str, Query("of rows that name none"), Field(max_length=500)] = "",
    dry_run: Annotated[bool, Query("only say what would happen; nothing is kept")] = False,
) -> BulkPlan:
    """Columns entry and standby, and if wanted reason and fault; 20,000 rows and 4 MB at most. One wrong cell refuses
    the file; a row that cannot be exchanged is listed and left out. Nothing is exchanged before it is started."""
    kind: Literal["csv", "json"] = "csv" if body.content_type == "text/csv" else "json"
    pairs = await bulk_planning.read(body.file, kind)
    options, now = service.Options(at_once, stop_after, reason), context.clock()
    plan = await service.preview(context.db, pairs, options, caller=call.caller, now=now)
    bulk = None if dry_run else await service.keep(context.db, plan, options, caller=call.caller, now=now)
    return _planned(bulk, plan, call.language)


def _planned(bulk: int | None, plan: service.Plan, language: str) -> BulkPlan:
    refused = [row for row in plan.rows if row["state"] == RowState.REFUSED]
    told = plan.rows if bulk is None else refused[:_TOLD_REFUSED]
    return BulkPlan(
        bulk=bulk,
        contract=plan.contract,
        rows=len(plan.rows),
        refused=len(refused),
        to_exchange=len(plan.rows) - len(refused),
        told=len({serial for row in plan.rows if row["plan"] for serial in row["plan"]["told"]}),
        plan=[bulk_row(row, language) for row in told],
    )


async def list_bulk_exchanges(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    contract: Annotated[str | None, Query("only of this contract")] = None,
    state: Annotated[State | None, Query("only in this state")] = None,
) -> Page[BulkExchange]:
    """Newest first. An operator sees the own contract's."""
    rows = await service.page(
        context.db, caller=call.caller, contract=contract, state=state, before=paging.after, limit=paging.rows
    )
    return Page[BulkExchange].of(rows, paging, lambda row: row["id"], lambda row: in_short(row, call.language))


async def show_bulk_exchange(call: Call, bulk: Number, context: Context) -> BulkExchangeInFull:
    """One, with how far it is."""
    return await _shown(call, bulk, context)


async def list_bulk_rows(
    call: Call, bulk: Number, paging: Paging[RowId], context: Context, state: _State = None
) -> Page[BulkRow]:
    """In the order of the file."""
    rows = await service.rows(
        context.db, bulk, caller=call.caller, state=state, after=paging.after or 0, limit=paging.rows
    )
    return Page[BulkRow].of(rows, paging, lambda row: row["line"], lambda row: bulk_row(row, call.language))


async def export_bulk_rows(
    call: Call, bulk: Number, context: Context, state: _State = None
) -> Annotated[Stream, Accepts("text/csv")]:
    """The same as a file, which can be planned again: what it reports besides is left alone then."""
    await service.one(context.db, bulk, caller=call.caller)
    rows = _cells(service.all_rows(context.db, bulk, state=state), call.language)
    return Stream("text/csv", as_csv(COLUMNS, rows), filename=f"bulk-exchange-{bulk}.csv")


async def _cells(rows: AsyncIterator[Any], language: str) -> AsyncIterator[Mapping[str, object]]:
    """Any: rows."""
    async for row in rows:
        shown = bulk_row(row, language)
        yield {
            **shown.model_dump(),
            "state": shown.state.value,
            "after_lines": " ".join(map(str, shown.after_lines)),
            "notes": " ".join(shown.warnings),
        }


class Steering(Payload):
    reason: Annotated[str, Field(max_length=500)] = ""


Steer = Callable[..., Awaitable[None]]


async def start_bulk_exchange(call: Call, bulk: Number, body: Steering, context: Context) -> BulkExchangeInFull:
    """Exchange its rows in the caller's name, as codes get free."""
    return await _steered(call, bulk, body, context, service.start)


async def pause_bulk_exchange(call: Call, bulk: Number, body: Steering, context: Context) -> BulkExchangeInFull:
    """Begin no other row."""
    return await _steered(call, bulk, body, context, service.pause)


async def resume_bulk_exchange(call: Call, bulk: Number, body: Steering, context: Context) -> BulkExchangeInFull:
    """Go on after a pause or a stop, in the caller's name; failures count anew."""
    return await _steered(call, bulk, body, context, service.resume)


async def abort_bulk_exchange(call: Call, bulk: Number, body: Steering, context: Context) -> BulkExchangeInFull:
    """End it: what waits is cancelled, what was exchanged stays."""
    return await _steered(call, bulk, body, context, service.abort)


async def _steered(call: Call, bulk: int, body: Steering, context: Context, steer: Steer) -> BulkExchangeInFull:
    await steer(context.db, bulk, body.reason.strip(), caller=call.caller, now=context.clock())
    return await _shown(call, bulk, context)


async def _shown(call: Call, bulk: int, context: Context) -> BulkExchangeInFull:
    row = await service.one(context.db, bulk, caller=call.caller)
    return in_full(row, await store.outcomes(context.db, bulk), call.language)


_TAGS = ("bulk exchanges",)
_ONE = "/bulk-exchanges/{bulk}"
ROUTES = (
    Route(
        "POST",
        "/bulk-exchanges",
        plan_bulk_exchange,
        roles=OPERATIONS,
        summary="Plan many swaps from a file",
        tags=_TAGS,
        body_limit=MAX_BYTES,
        deadline_s=_PLAN_WITHIN_S,
    ),
    Route("GET", "/bulk-exchanges", list_bulk_exchanges, roles=PEOPLE, summary="Bulk exchanges", tags=_TAGS),
    Route("GET", _ONE, show_bulk_exchange, roles=PEOPLE, summary="One bulk exchange", tags=_TAGS),
    Route("GET", f"{_ONE}/rows", list_bulk_rows, roles=PEOPLE, summary="Its rows", tags=_TAGS),
    Route("GET", f"{_ONE}/rows/export", export_bulk_rows, roles=PEOPLE, summary="Its rows as CSV", tags=_TAGS),
    Route("POST", f"{_ONE}/start", start_bulk_exchange, roles=OPERATIONS, summary="Start it", tags=_TAGS),
    Route("POST", f"{_ONE}/pause", pause_bulk_exchange, roles=OPERATIONS, summary="Pause it", tags=_TAGS),
    Route("POST", f"{_ONE}/resume", resume_bulk_exchange, roles=OPERATIONS, summary="Go on with it", tags=_TAGS),
    Route("POST", f"{_ONE}/abort", abort_bulk_exchange, roles=OPERATIONS, summary="Abort it", tags=_TAGS),
)
