"""Exchanges of every kind, looked at: which there are, what happened, what comes next, from whom and by when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from controller.domain.exchange import Kind, State
from controller.domain.sentence import Sentence
from controller.faces.api.context import PEOPLE, Context
from controller.faces.api.exchange_views import Exchange, ExchangeInFull, in_full, in_short
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Moment
from controller.services import calendar, exchanges
from controller.services.exchange_effects import boot_lacks
from controller.store import exchange_cases
from controller.store.pool import Row

Number = Annotated[RowId, Path("id of the exchange")]


async def list_exchanges(
    call: Call,
    paging: Paging[tuple[datetime | None, RowId]],
    context: Context,
    contract: Annotated[str | None, Query("only of this contract")] = None,
    code: Annotated[str | None, Query("only of this entry or standby")] = None,
    adapter: Annotated[str | None, Query("only with this adapter (serial), going out or coming in")] = None,
    kind: Annotated[Kind | None, Query("only of this kind")] = None,
    state: Annotated[State | None, Query("only in this state")] = None,
    open: Annotated[bool | None, Query("true: only those that have not ended; false: only those that have")] = None,  # noqa: A002  # the word on the wire
    overdue: Annotated[bool, Query("only those whose next thing is late")] = False,
    stuck: Annotated[
        bool, Query("only those that the controller cannot move on; their `why` says what is in the way")
    ] = False,
    due_before: Annotated[Moment | None, Query("only open ones with a deadline before this")] = None,
    order: Annotated[
        Literal["newest", "deadline"],
        Query("deadline: the nearest first, without those that have ended or have no deadline"),
    ] = "newest",
) -> Page[Exchange]:
    """Newest first, or by the next deadline: then only open ones that have one. An operator sees the own contract's."""
    wanted = exchanges.Filter(
        kind=kind,
        contract=contract,
        code=code,
        adapter=adapter,
        state=state,
        open=open,
        overdue=overdue,
        due_before=due_before,
        stuck=stuck,
    )
    now = context.clock()
    rows = await exchanges.page(
        context.db, wanted, caller=call.caller, now=now, order=order, after=paging.after, limit=paging.rows
    )
    return Page[Exchange].of(
        rows, paging, lambda row: (row["deadline_at"], row["id"]), lambda row: in_short(row, now, call.language)
    )


async def show_exchange(call: Call, exchange: Number, context: Context) -> ExchangeInFull:
    """One with its journal, what it waits for, and what the caller may do."""
    row = await exchanges.one(context.db, exchange, call.caller)
    return in_full(
        row,
        await exchanges.journal(context.db, exchange),
        await exchanges.reminders(context.db, exchange),
        await _return_of(row, call, context),
        await _boot_lacks(row, context),
        await calendar.current(context.db),
        call.caller,
        context.clock(),
        call.language,
        context.return_address,
        await _old_unit(row, context),
    )


async def _old_unit(row: Row, context: Context) -> Row | None:
    """Of a case that has not ended: its faulty unit."""
    if row["kind"] == Kind.SWAP or row["ended_at"] is not None:
        return None
    async with context.db.connection() as connection:
        return await exchange_cases.unit(connection, row["old_adapter"])


async def _return_of(row: Row, call: Call, context: Context) -> int | None:
    """The case of the unit that a swap took out (R3.13)."""
    if row["kind"] != Kind.SWAP or not row["fault"]:
        return None
    wanted = exchanges.Filter(kind=Kind.RETURN, adapter=row["old_adapter"])
    found = await exchanges.page(context.db, wanted, caller=call.caller, now=context.clock(), limit=100)
    return next((one["id"] for one in found if one["of_exchange"] == row["id"]), None)


async def _boot_lacks(row: Row, context: Context) -> tuple[Sentence, ...]:
    """While a driver waits for it (R3.17)."""
    if (row["kind"], row["state"]) != (Kind.ON_SITE, State.REGISTRATION_CHANGED):
        return ()
    async with context.db.connection() as connection:
        return await boot_lacks(connection, row)


ROUTES = (
    Route("GET", "/exchanges", list_exchanges, roles=PEOPLE, summary="Exchanges", tags=("exchanges",)),
    Route("GET", "/exchanges/{exchange}", show_exchange, roles=PEOPLE, summary="One exchange", tags=("exchanges",)),
)
