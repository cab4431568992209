"""Exchanges begin: an operator orders a swap, the desk opens a send-back or an on-site exchange from a report."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from controller.domain.access import Caller, Role
from controller.domain.errors import Fault, Forbidden, Invalid
from controller.domain.exchange import Kind, State
from controller.domain.reception import Channel
from controller.domain.swap import Plan
from controller.faces.api.context import OPERATIONS, PEOPLE, Context
from controller.faces.api.exchange_views import Waiting, said, waiting
from controller.faces.http import Call, Path, Route, RowId
from controller.faces.http.payload import Answer, Moment, Payload
from controller.services import calendar, exchanges, preflight
from controller.services import swap as swap_service

CodeName = Annotated[str, Field(min_length=1, max_length=32)]
Sentences = Annotated[str, Field(max_length=2000)]


class Swap(Payload):
    reason: Annotated[str, Field(max_length=500)] = ""
    fault: Sentences = ""
    """What is wrong with the adapter that goes out; then it is to be sent back, and evidence is collected first."""
    replaces: RowId | None = None
    """Id of the entry's open exchange that this one ends; a refusal names it."""
    at_once: bool = False
    """Do not collect evidence of the faulty adapter before the exchange."""
    dry_run: bool = False
    """Only say what would happen."""


class SwapOrder(Swap):
    standby: CodeName
    """The standby code whose adapter comes in."""


class SwapReport(Answer):
    """What was done, or with dry_run what would be done."""

    exchange: int | None
    """null: dry run, nothing was changed."""
    state: State | None
    """pre-flight: evidence of the faulty adapter is collected, then it is ordered by itself; null: dry run."""
    order_by: datetime | None
    """Of a pre-flight: when it is ordered at the latest."""
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
    return_address: str | None
    """Where the adapter that goes out is to be sent; "": ask the desk; null: it is not to be sent back."""


async def swap(
    call: Call, entry: Annotated[str, Path("the entry code")], body: SwapOrder, context: Context
) -> SwapReport:
    """Exchange the adapters of an entry and a standby. Neither needs to be connected (R3.11)."""
    order = swap_service.Order(entry, body.standby, body.reason, body.replaces, body.fault.strip())
    return await _swapped(call, order, body, context)


async def _swapped(call: Call, order: swap_service.Order, body: Swap, context: Context) -> SwapReport:
    now, deadline = context.clock(), context.swap_deadline
    _require_said(body)
    if body.dry_run:
        plan = await preflight.preview(
            context.db, order, at_once=body.at_once, caller=call.caller, now=now, deadline=deadline
        )
        return _report(None, plan, call.language, context)
    taken = await preflight.swap_or_preflight(
        context.db, context.vault, order, at_once=body.at_once, caller=call.caller, now=now, deadline=deadline
    )
    context.wake.set()  # evidence is collected by tasks
    context.wake_push.set()  # the connected ones are told at once
    return _report(taken, taken.plan, call.language, context)


def _require_said(body: Swap) -> None:
    """A fault of blanks was meant as one; without it the adapter that goes out would not be sent back (R3.13)."""
    if body.fault and not body.fault.strip():
        fault = Fault("fault", "Say what is wrong with the adapter, or leave it out: then it is not sent back.")
        raise Invalid("Nothing was exchanged.", next_step="Correct what is named and try again.", faults=[fault])


def _report(taken: preflight.Taken | None, plan: Plan, language: str, context: Context) -> SwapReport:
    return SwapReport(
        exchange=taken.exchange if taken else None,
        state=taken.state if taken else None,
        order_by=taken.order_by if taken else None,
        entry=plan.entry,
        standby=plan.standby,
        new_adapter=plan.new_adapter,
        old_adapter=plan.old_adapter,
        firmware_target=plan.firmware_target,
        deadline_at=plan.deadline_at,
        findings=said(plan.findings, language),
        warnings=said(plan.warnings, language),
        return_address=context.return_address if plan.returns else None,
    )


class NewExchange(Swap):
    """A swap names entry and standby; the others the code of the faulty adapter, what is wrong with it, and how and
    when it was reported."""

    kind: Literal[Kind.SWAP, Kind.SEND_BACK, Kind.ON_SITE]
    """A return begins by itself, with a swap that names a fault (R3.13)."""
    entry: CodeName | None = None
    standby: CodeName | None = None
    code: CodeName | None = None
    channel: Channel = Channel.PHONE
    received_at: Moment | None = None
    """When it was reported; null: now."""
    reported_by: Annotated[str, Field(max_length=64)] = ""
    """Account of the operator who reported it; needed unless it is a swap (R1.2)."""
    address: Annotated[str, Field(max_length=500)] = ""
    """Where the replacement goes; "": the contract's (R3.5)."""


class OpenedExchange(Answer):
    exchange: int | None
    """null: dry run."""
    kind: Kind
    state: State | None
    """Of a dry run: what it would begin as; null: dry run of a swap."""
    why: str
    """Of a case that is declined at once: the adapter was bought from a reseller (R3.1)."""
    findings: list[str]
    """Of a swap, and of a dry run: what happens, in words."""
    warnings: list[str]
    """Of a report outside the reception hours too: for which day it counts (R1.3, R3.4)."""
    received_on: date | None
    """The day in Japan that the report counts for; null: a swap, or a dry run."""
    return_address: str | None
    """Of a swap with a fault: where the adapter that goes out is to be sent; "": ask the desk; null: nothing is."""
    waits_for: Waiting | None
    overdue: bool


async def open_exchange(call: Call, body: NewExchange, context: Context) -> OpenedExchange:
    """A swap is the operator's (R3.10); the others the desk's, from the operator's report (R3.3, R3.15)."""
    _check_fields(body)
    if body.kind is Kind.SWAP:
        require_swapper(call.caller)
        return await _swap_opened(call, body, context)
    now = context.clock()
    report = exchanges.Report(
        body.kind,
        body.code or "",
        body.fault.strip(),
        body.channel,
        body.received_at or now,
        body.address.strip(),
        body.reported_by.strip(),
    )
    days = await calendar.current(context.db)
    if body.dry_run:
        return _expected(
            call, body, await exchanges.preview_case(context.db, report, days, caller=call.caller, now=now)
        )
    opened = await exchanges.open_case(context.db, report, days, caller=call.caller, now=now)
    context.wake.set()  # evidence is collected by tasks
    why = said([opened.why], call.language)[0] if opened.why else ""
    warnings = said(opened.warnings, call.language)
    return await _opened(call, context, opened.id, why=why, findings=[], warnings=warnings, return_address=None)


def _expected(call: Call, body: NewExchange, found: exchanges.Expected) -> OpenedExchange:
    return OpenedExchange(
        exchange=None,
        kind=body.kind,
        state=found.state,
        why=said([found.why], call.language)[0] if found.why else "",
        findings=said(found.findings, call.language),
        warnings=said(found.warnings, call.language),
        received_on=None,
        return_address=None,
        waits_for=None,
        overdue=False,
    )


async def _swap_opened(call: Call, body: NewExchange, context: Context) -> OpenedExchange:
    order = swap_service.Order(body.entry or "", body.standby or "", body.reason, body.replaces, body.fault.strip())
    report = await _swapped(call, order, body, context)
    told = {name: getattr(report, name) for name in ("findings", "warnings", "return_address")} | {"why": ""}
    if report.exchange is None:
        nothing = {"exchange": None, "state": None, "received_on": None, "waits_for": None, "overdue": False}
        return OpenedExchange(kind=Kind.SWAP, **nothing, **told)
    return await _opened(call, context, report.exchange, **told)


async def _opened(call: Call, context: Context, exchange: int, **told: Any) -> OpenedExchange:
    """Any: fields of the answer."""
    row = await exchanges.one(context.db, exchange, call.caller)
    waits = waiting(row, context.clock(), call.language)
    case = {name: row[name] for name in ("kind", "state", "received_on")}
    return OpenedExchange(exchange=exchange, **case, **waits, **told)


_NEEDED = {True: ("entry", "standby"), False: ("code", "fault")}
_USELESS = {
    True: ("code", "address", "received_at", "reported_by"),
    False: ("entry", "standby", "replaces", "reason", "at_once"),
}
"""By whether it is a swap. What would be thrown away is refused, so that nobody believes it was kept."""


def _check_fields(body: NewExchange) -> None:
    """Raise Invalid with each field that the kind needs and lacks, or has no use for."""
    swap_, kind = body.kind is Kind.SWAP, {"kind": body.kind}
    faults = [
        Fault(name, "An exchange of kind {kind} needs this.", kind)
        for name in _NEEDED[swap_]
        if not getattr(body, name)
    ]
    faults += [
        Fault(name, "An exchange of kind {kind} has no such thing.", kind)
        for name in _USELESS[swap_]
        if getattr(body, name)
    ]
    if faults:
        raise Invalid(
            "Nothing was opened: {fields}.",
            next_step="Correct the fields named under errors and send it again.",
            faults=faults,
            fields=[fault.field for fault in faults],
        )


def require_swapper(caller: Caller) -> None:
    """Raise Forbidden for support staff: exchanging a customer's registrations is the operator's (R3.10)."""
    if caller.role is Role.SUPPORT:
        raise Forbidden(
            "A swap is ordered by the contract's operators, not by support staff (R3.10).",
            next_step="Ask the operator to order it: hikitsugi swap ENTRY STANDBY.",
        )


ROUTES = (
    Route(
        "POST", "/codes/{entry}/swap", swap, roles=OPERATIONS, summary="Exchange entry and standby", tags=("exchanges",)
    ),
    Route("POST", "/exchanges", open_exchange, roles=PEOPLE, summary="Open an exchange", tags=("exchanges",)),
)
