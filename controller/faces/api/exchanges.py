"""Exchanges: order a swap, look at what became of it (R3.10-R3.14)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from controller.domain.errors import NotFound
from controller.domain.exchange import State
from controller.domain.sentence import Sentence
from controller.domain.swap import Plan
from controller.faces.api.context import OPERATIONS, PEOPLE, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Payload
from controller.services import swap as swap_service
from controller.store import exchanges
from controller.words import say


class SwapOrder(Payload):
    standby: Annotated[str, Field(min_length=1, max_length=32)]
    """The standby code whose adapter comes in."""
    reason: Annotated[str, Field(max_length=500)] = ""
    replaces: RowId | None = None
    """Id of the entry's open exchange that this one ends; a refusal names it."""
    dry_run: bool = False
    """Only say what would happen."""


class SwapReport(Answer):
    """What was done, or with dry_run what would be done."""

    exchange: int | None
    """null: dry run, nothing was changed."""
    entry: str
    standby: str
    new_adapter: str
    old_adapter: str
    firmware_target: str | None
    deadline_at: datetime
    """Not seen by then, the exchange counts as lapsed; a late adapter is still welcome."""
    findings: list[str]
    """What happens, in words."""
    warnings: list[str]


async def swap(
    call: Call, entry: Annotated[str, Path("the entry code")], body: SwapOrder, context: Context
) -> SwapReport:
    """Exchange the adapters of an entry and a standby. Neither needs to be connected (R3.11)."""
    order = swap_service.Order(entry, body.standby, body.reason, body.replaces)
    now, deadline = context.clock(), context.swap_deadline
    if body.dry_run:
        plan = await swap_service.preview(context.db, order, caller=call.caller, now=now, deadline=deadline)
        return _report(None, plan, call.language)
    exchange, plan = await swap_service.carry_out(
        context.db, context.vault, order, caller=call.caller, now=now, deadline=deadline
    )
    context.wake_push.set()  # the connected ones are told at once
    return _report(exchange, plan, call.language)


def _report(exchange: int | None, plan: Plan, language: str) -> SwapReport:
    def said(sentences: tuple[Sentence, ...]) -> list[str]:
        return [say(sentence.template, sentence.params, language) for sentence in sentences]

    return SwapReport(
        exchange=exchange,
        entry=plan.entry,
        standby=plan.standby,
        new_adapter=plan.new_adapter,
        old_adapter=plan.old_adapter,
        firmware_target=plan.firmware_target,
        deadline_at=plan.deadline_at,
        findings=said(plan.findings),
        warnings=said(plan.warnings),
    )


class Exchange(Answer):
    id: int
    kind: str
    contract: str
    entry: str
    standby: str
    new_adapter: str
    old_adapter: str
    firmware_target: str | None
    state: State
    ordered_at: datetime
    deadline_at: datetime
    pulled_at: datetime | None
    confirmed_at: datetime | None
    lapsed_at: datetime | None
    superseded_at: datetime | None
    account: str
    reason: str


async def list_exchanges(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    contract: Annotated[str | None, Query("only of this contract")] = None,
    code: Annotated[str | None, Query("only of this entry or standby")] = None,
    state: Annotated[State | None, Query("only in this state")] = None,
) -> Page[Exchange]:
    """Newest first."""
    rows = await exchanges.page(
        context.db,
        contract=call.caller.within(contract),
        code=code,
        state=state,
        before=paging.after,
        limit=paging.rows,
    )
    return Page[Exchange].of(rows, paging, lambda row: row["id"], lambda row: Exchange(**row))


async def show_exchange(
    call: Call, exchange: Annotated[RowId, Path("id of the exchange")], context: Context
) -> Exchange:
    row = await exchanges.one(context.db, exchange)
    if row is None or not call.caller.sees(row["contract"]):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="exchange", name=exchange)
    return Exchange(**row)


ROUTES = (
    Route(
        "POST", "/codes/{entry}/swap", swap, roles=OPERATIONS, summary="Exchange entry and standby", tags=("exchanges",)
    ),
    Route("GET", "/exchanges", list_exchanges, roles=PEOPLE, summary="Exchanges", tags=("exchanges",)),
    Route("GET", "/exchanges/{exchange}", show_exchange, roles=PEOPLE, summary="One exchange", tags=("exchanges",)),
)
