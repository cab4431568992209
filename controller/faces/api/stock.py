"""Stock: units that serve nobody, their moves, and which of them may replace a faulty one (R3.1, R3.3, R3.7, R3.13).

New units come in by the inventory file (POST /inventory/import, kind stock); there is no other way.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from controller.domain.errors import NotFound
from controller.domain.exchange import Kind
from controller.domain.proposals import Proposal
from controller.domain.stock import Stock, place
from controller.faces.api.context import STAFF, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Payload
from controller.services import replacements
from controller.services import stock as service
from controller.store import stock
from controller.store.pool import Row
from controller.words import say

Serial = Annotated[str, Path("serial number of the unit")]
State = Annotated[Stock | None, Query("only in this state")]
Series = Annotated[str | None, Query("only of this series")]


class Unit(Answer):
    serial: str
    series: str
    model: str
    hardware_revision: str
    place: str
    """Where it is: on-code, or a state of stock."""
    code: str | None
    """The code that holds it; one in transit may be held already."""
    contract: str | None
    since: datetime
    """Since when it is there."""
    firmware: str
    """What it last said it runs; "" for a unit that was never seen."""
    ownership: str
    reseller: str
    locked_out_at: datetime | None
    replaced_by: int | None
    """The exchange that put it out: it stays locked out until it is in stock again (R3.7)."""


def _unit(row: Row) -> Unit:
    where = place(Stock(row["stock"]), row["code"])
    return Unit.from_row(row, place=where, replaced_by=row["locked_by_exchange"])


async def list_stock(
    paging: Paging[str],
    context: Context,
    state: State = None,
    series: Series = None,
    model: Annotated[str | None, Query("only of this model")] = None,
) -> Page[Unit]:
    """In order of serial. A unit in service is not among them, one on its way to a code that holds it already is."""
    rows = await stock.page(context.db, state=state, series=series, model=model, after=paging.after, limit=paging.rows)
    return Page[Unit].of(rows, paging, lambda row: row["serial"], _unit)


async def show_unit(serial: Serial, context: Context) -> Unit:
    async with context.db.connection() as connection:
        row = await stock.one(connection, serial)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="adapter", name=serial)
    return _unit(row)


class Count(Answer):
    series: str
    model: str
    hardware_revision: str
    state: Stock
    units: int
    locked_out: int
    """So many of them."""


async def count_stock(context: Context, series: Series = None) -> list[Count]:
    """Units of each series, model and hardware revision in each state."""
    return [Count(**row) for row in await stock.counts(context.db, series=series)]


class StockMove(Answer):
    id: int
    at: datetime
    adapter: str
    from_stock: Stock
    to_stock: Stock
    exchange: int | None
    """The case it belongs to; null: a person moved it."""
    account: str
    note: str


async def list_moves(serial: Serial, paging: Paging[RowId], context: Context) -> Page[StockMove]:
    """The unit's moves, newest first."""
    rows = await stock.moves(context.db, serial, before=paging.after, limit=paging.rows)
    return Page[StockMove].of(rows, paging, lambda row: row["id"], lambda row: StockMove(**row))


class MoveOrder(Payload):
    to: Stock
    note: Annotated[str, Field(max_length=500)] = ""
    """Why; most moves need it."""
    dry_run: bool = False
    """Only say what would happen."""


class MoveReport(Answer):
    serial: str
    moved_from: Stock
    moved_to: Stock
    unlocked: bool
    """An exchange had put the unit out; it may come in again (R3.7)."""
    dry_run: bool


async def move_unit(call: Call, serial: Serial, body: MoveOrder, context: Context) -> MoveReport:
    """What a person says has become of a unit. What belongs to an open case moves with the case, not here."""
    moved = await service.move_by_hand(
        context.db, serial, body.to, body.note, caller=call.caller, now=context.clock(), dry_run=body.dry_run
    )
    return MoveReport(
        serial=serial, moved_from=moved.of, moved_to=moved.to, unlocked=moved.unlocked, dry_run=body.dry_run
    )


class ProposedUnit(Answer):
    rank: int
    """1 is the best."""
    serial: str
    model: str
    hardware_revision: str
    firmware: str
    since: datetime | None
    """Since when it is in its place."""
    fits: bool
    reasons: list[str]
    """Why it does not fit; or, where it does, what to know of it."""


class ProposedUnits(Answer):
    code: str
    exchange: int | None
    kind: Kind | None
    """Of the case; null where a code was asked about."""
    replaces: str
    """The faulty unit of the case, or the one that the code holds."""
    units: list[ProposedUnit]


async def propose(
    call: Call,
    context: Context,
    exchange: Annotated[RowId | None, Query("for this case")] = None,
    code: Annotated[str | None, Query("for the unit on this code")] = None,
    adapter: Annotated[str | None, Query("judge only this unit, wherever it is")] = None,
) -> ProposedUnits:
    """Units in stock that may replace a faulty one, the best first; those of the series that do not fit come last."""
    found = await replacements.propose(context.db, exchange=exchange, code=code, adapter=adapter)
    return ProposedUnits(
        code=found.code,
        exchange=found.exchange,
        kind=found.kind,
        replaces=found.replaces,
        units=[_proposed(unit, call.language) for unit in found.units],
    )


def _proposed(proposal: Proposal, language: str) -> ProposedUnit:
    unit = proposal.candidate
    return ProposedUnit(
        rank=proposal.rank,
        serial=unit.serial,
        model=unit.model,
        hardware_revision=unit.hardware_revision,
        firmware=unit.firmware,
        since=unit.since,
        fits=proposal.fits,
        reasons=[say(reason.template, reason.params, language) for reason in proposal.reasons],
    )


_TAGS = ("stock",)

ROUTES = (
    Route("GET", "/stock", list_stock, roles=STAFF, summary="Units in stock", tags=_TAGS),
    Route("GET", "/stock/counts", count_stock, roles=STAFF, summary="How many units are where", tags=_TAGS),
    Route("GET", "/stock/proposals", propose, roles=STAFF, summary="Which unit may replace a faulty one", tags=_TAGS),
    Route("GET", "/stock/{serial}", show_unit, roles=STAFF, summary="Where a unit is", tags=_TAGS),
    Route("GET", "/stock/{serial}/moves", list_moves, roles=STAFF, summary="Its moves", tags=_TAGS),
    Route("POST", "/stock/{serial}/move", move_unit, roles=STAFF, summary="Move a unit", tags=_TAGS),
)
