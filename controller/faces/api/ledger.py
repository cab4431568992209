"""Questions of the ledger: what sat in a code at a time and why, what a unit went through, which returns are late."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from pydantic import Field

from controller import words
from controller.domain.errors import NotFound
from controller.domain.life import replaced, told, why
from controller.domain.sentence import Sentence
from controller.faces.api.context import PEOPLE, Context, own_code
from controller.faces.http import Accepts, Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Moment, Stream
from controller.services.tables import as_csv
from controller.store import ledger, lives, returns
from controller.store.pool import Row
from controller.words import say


class Holder(Answer):
    """Which adapter sat in the code at a time, and why; null while it stood empty."""

    code: str
    at: datetime
    adapter: str | None
    since: datetime
    until: datetime | None
    """null: it is so now."""
    cause: str
    """import, vacated, or the kind of the exchange."""
    account: str
    exchange: int | None
    exchange_state: str | None
    replaced: str | None
    """The unit that the exchange took off the code."""
    fault: str
    """What was reported, "" where nothing was."""
    reason: str
    opened_by: str | None
    """Who opened the exchange."""
    why: list[str]
    """In words."""


async def holder(
    call: Call,
    code: Annotated[str, Path("the code")],
    context: Context,
    at: Annotated[Moment | None, Query("default: now")] = None,
) -> Holder:
    await own_code(context, call.caller, code)
    moment = at or context.clock()
    row = await ledger.holder_at(context.db, code, moment)
    if row is None:
        raise NotFound(
            "Code {code} had no registration yet at {at}.",
            next_step="hikitsugi code history {code} lists its stays.",
            code=code,
            at=moment,
        )
    return Holder(
        code=code,
        at=moment,
        exchange_state=row["state"],
        replaced=replaced(row),
        fault=row["fault"] or "",
        reason=row["reason"] or "",
        why=[_said(one, call) for one in why(code, row)],
        **{name: row[name] for name in ("adapter", "since", "until", "cause", "account", "exchange", "opened_by")},
    )


def _said(one: Sentence, call: Call) -> str:
    return say(one.template, one.params, call.language)


class LifeEvent(Answer):
    """One thing that happened to a unit."""

    at: datetime
    what: str
    """known, opened, moved (of an exchange), registered, stock, firmware, locked-out, let-in."""
    text: str
    """In words."""
    code: str
    until: datetime | None
    """Of a registration: when it ended; null while it lasts."""
    exchange: int | None
    kind: str
    """Of the exchange; or the cause of a registration."""
    side: str
    """old: the exchange takes it out; new: it brings it in."""
    before: str
    after: str
    """States before and after a move; after alone: a firmware version."""
    account: str
    note: str


async def show_life(
    call: Call,
    serial: Annotated[str, Path("serial number of the adapter")],
    paging: Paging[tuple[datetime, Annotated[int, Field(ge=0, le=9)], RowId]],
    context: Context,
) -> Page[LifeEvent]:
    """Registrations, stock, exchanges and firmware in the order of time. An operator sees what happened under the own
    contract, also of a unit that has left it."""
    contract = call.caller.contract
    if not await lives.is_known(context.db, serial, contract=contract):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="adapter", name=serial)
    rows = await lives.events(context.db, serial, contract=contract, after=paging.after, limit=paging.rows)
    return Page[LifeEvent].of(
        rows,
        paging,
        lambda row: (row["at"], row["part"], row["id"]),
        lambda row: LifeEvent.from_row(
            row, text=_said(told(row), call), note=row["note"] or words.told(row["why"], call.language)
        ),
    )


class OverdueReturn(Answer):
    """A faulty unit that should have come back (R3.9)."""

    id: int
    """Of its case."""
    kind: str
    state: str
    contract: str
    contract_name: str
    code: str
    adapter: str
    model: str
    fault: str
    return_due_at: datetime
    days_overdue: int
    """Whole days since then."""
    of_exchange: int | None
    """The swap that put it out."""
    account: str


def _late(row: Row, now: datetime) -> OverdueReturn:
    return OverdueReturn.from_row(row, days_overdue=(now - row["return_due_at"]).days)


Contract = Annotated[str | None, Query("only of this contract")]


async def list_overdue_returns(
    call: Call, paging: Paging[tuple[datetime, RowId]], context: Context, contract: Contract = None
) -> Page[OverdueReturn]:
    """The longest overdue first."""
    now = context.clock()
    rows = await returns.overdue(
        context.db, now, contract=call.caller.within(contract), after=paging.after, limit=paging.rows
    )
    return Page[OverdueReturn].of(
        rows, paging, lambda row: (row["return_due_at"], row["id"]), lambda row: _late(row, now)
    )


async def export_overdue_returns(
    call: Call, context: Context, contract: Contract = None
) -> Annotated[Stream, Accepts("text/csv")]:
    """All of them as CSV, the longest overdue first; times in JST."""
    rows = _all_overdue(context, call.caller.within(contract), context.clock())
    return Stream("text/csv", as_csv(list(OverdueReturn.model_fields), rows), filename="overdue-returns.csv")


async def _all_overdue(context: Context, contract: str | None, now: datetime) -> AsyncIterator[dict[str, object]]:
    after: returns.Position | None = None
    while rows := await returns.overdue(context.db, now, contract=contract, after=after, limit=500):
        for row in rows:
            yield _late(row, now).model_dump()
        after = rows[-1]["return_due_at"], rows[-1]["id"]


ROUTES = (
    Route("GET", "/codes/{code}/holder", holder, roles=PEOPLE, summary="Which adapter, when, why", tags=("codes",)),
    Route("GET", "/adapters/{serial}/life", show_life, roles=PEOPLE, summary="Its life", tags=("adapters",)),
    Route(
        "GET",
        "/exchanges/overdue-returns",
        list_overdue_returns,
        roles=PEOPLE,
        summary="Faulty adapters that should be back",
        tags=("exchanges",),
    ),
    Route(
        "GET",
        "/exchanges/overdue-returns/export",
        export_overdue_returns,
        roles=PEOPLE,
        summary="The same as CSV",
        tags=("exchanges",),
    ),
)
