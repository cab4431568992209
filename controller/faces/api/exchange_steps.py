"""An exchange goes on: one event by a person, or what it would do."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.domain.exchange import Event, State
from controller.faces.api.context import PEOPLE, Context
from controller.faces.api.exchange_orders import require_swapper
from controller.faces.api.exchange_views import Possible, Waiting, events, said, waiting
from controller.faces.api.exchanges import Number
from controller.faces.http import Call, Route
from controller.faces.http.payload import Answer, Moment, Payload
from controller.services import calendar, exchanges, preflight, swap
from controller.store.pool import Row

Text = Annotated[str, Field(max_length=2000)]
Word = Annotated[str, Field(max_length=200)]


class Step(Payload):
    event: Event
    """One of those that GET /exchanges/{exchange} lists as possible."""
    adapter: Annotated[str, Field(max_length=64)] = ""
    """Serial of the replacement: with dispatch and assign-driver."""
    driver: Word = ""
    """Who goes: with assign-driver."""
    shipment: Word = ""
    """The carrier's number."""
    address: Annotated[str, Field(max_length=500)] = ""
    """Where the replacement goes instead (R3.5)."""
    reason: Text = ""
    """For decisions that need one."""
    note: Text = ""
    """Anything else worth keeping; it goes into the journal."""
    at: Moment | None = None
    """When it happened, if not now."""
    expect: State | None = None
    """The state that the exchange is believed to be in: refused when it is another one."""
    dry_run: bool = False
    """Only say what would happen."""


class Stepped(Answer):
    exchange: int
    event: Event
    from_state: State
    to_state: State
    """Of a dry run: the state that it would lead to."""
    already: bool
    """It had happened before; nothing was done again."""
    dry_run: bool
    findings: list[str]
    """What else comes of it, in words; of a dry run also what a change of the registration does."""
    warnings: list[str]
    waits_for: Waiting | None
    """What the exchange waits for now."""
    overdue: bool
    possible: list[Possible]
    ended: bool


async def advance(call: Call, exchange: Number, body: Step, context: Context) -> Stepped:
    """Let one event happen, once: the same again on the state that it led to changes nothing.

    Send-back and on-site exchange are driven by support staff: an operator reports to the desk (R3.3, R3.15).
    """
    row = await exchanges.one(context.db, exchange, call.caller)
    waits = row["state"] == State.PRE_FLIGHT and body.expect in (None, State.PRE_FLIGHT)
    if waits and body.event is Event.ORDER:
        found = await _ordered(call, row, body, context)
    else:
        found = await _moved(call, exchange, body, context)
    if not body.dry_run:
        context.wake_push.set()  # when the registration changed, connected adapters are told at once
        row = await exchanges.one(context.db, exchange, call.caller)
    return _told(call, body, context, row, found)


async def _moved(call: Call, exchange: int, body: Step, context: Context) -> exchanges.Preview:
    now, days = context.clock(), await calendar.current(context.db)
    asked = (context.db, context.vault, exchange, body.event, _given(body), days)
    if body.dry_run:
        return await exchanges.preview(
            *asked, caller=call.caller, now=now, expect=body.expect, rule=context.change_rule
        )
    moved = await exchanges.advance(*asked, caller=call.caller, now=now, expect=body.expect, rule=context.change_rule)
    return exchanges.Preview(moved, moved.findings)


async def _ordered(call: Call, row: Row, body: Step, context: Context) -> exchanges.Preview:
    """A swap in pre-flight does not wait for its evidence any longer: the registrations change now."""
    require_swapper(call.caller)
    now, deadline = context.clock(), context.swap_deadline
    moved = exchanges.Moved(State.PRE_FLIGHT, State.ORDERED)
    if body.dry_run:
        order = swap.Order(row["entry"], row["standby"], row["reason"], fault=row["fault"], preflight=row["id"])
        plan = await swap.preview(context.db, order, caller=call.caller, now=now, deadline=deadline)
        return exchanges.Preview(moved, plan.findings, plan.warnings)
    await preflight.order_now(context.db, context.vault, row["id"], caller=call.caller, now=now, deadline=deadline)
    return exchanges.Preview(moved)


def _given(body: Step) -> exchanges.Given:
    return exchanges.Given(
        adapter=body.adapter.strip(),
        driver=body.driver.strip(),
        reason=body.reason.strip(),
        note=body.note.strip(),
        shipment=body.shipment.strip(),
        address=body.address.strip(),
        at=body.at,
    )


def _told(call: Call, body: Step, context: Context, row: Row, found: exchanges.Preview) -> Stepped:
    return Stepped(
        exchange=row["id"],
        event=body.event,
        from_state=found.moved.from_state,
        to_state=found.moved.to_state,
        already=found.moved.already,
        dry_run=body.dry_run,
        findings=said(found.findings, call.language),
        warnings=said(found.warnings, call.language),
        possible=events(row, call.caller),
        ended=row["ended_at"] is not None,
        **waiting(row, context.clock(), call.language),
    )


ROUTES = (
    Route(
        "POST",
        "/exchanges/{exchange}/advance",
        advance,
        roles=PEOPLE,
        summary="Let one event happen to it",
        tags=("exchanges",),
    ),
)
