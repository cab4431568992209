"""A case begins: an operator's report of a faulty adapter, taken in by the desk (R3.1, R3.3, R3.5, R3.15).

The return of a swap's faulty adapter begins with the swap (services/swap.py), not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from controller.domain import exchange_deadlines as deadlines
from controller.domain.access import Caller, Role, require_contract
from controller.domain.calendar import Calendar, day_of
from controller.domain.errors import JST, Conflict, ControllerError, Fault, Forbidden, Invalid, NotFound
from controller.domain.exchange import Kind, State
from controller.domain.reception import Channel, Topic, next_opening, received_on
from controller.domain.sentence import Sentence, sentence
from controller.domain.why import kept
from controller.services import exchange_evidence
from controller.store import audit, exchange_cases, investigation_moves
from controller.store.pool import Connection, Database, Row

MAX_FAULT, MAX_ADDRESS = 2_000, 500
_BEGINS = {Kind.SEND_BACK: State.REPORTED, Kind.ON_SITE: State.REQUESTED}
_TOPICS = {Kind.SEND_BACK: Topic.HOW_TO, Kind.ON_SITE: Topic.ON_SITE}


@dataclass(frozen=True, slots=True)
class Report:
    """What the desk took down. code: the entry or standby that the faulty adapter sits on.

    fault: what the customer saw, 1 to 2,000 characters; never a cause (R3.2). channel: phone, web or e-mail (R1.3).
    address: where the replacement goes, "" for the contract's (R3.5). reported_by: account of the contract's operator
    who reported it: nobody else's report opens a case (R1.2).
    """

    kind: Kind
    code: str
    fault: str
    channel: str
    received_at: datetime
    address: str = ""
    reported_by: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """state: reported or requested; or declined, and why (R3.1). warnings: it came outside the reception hours."""

    id: int
    state: State
    why: Sentence | None = None
    warnings: tuple[Sentence, ...] = ()


async def open_case(db: Database, report: Report, calendar: Calendar, *, caller: Caller, now: datetime) -> Opened:
    """Open a send-back or on-site exchange. Collecting evidence begins in the same transaction.

    A report counts for the day on which the desk receives it (R3.4). A refusal is recorded.
    Raises NotFound, Forbidden (not the desk), Invalid (each thing that is wrong), Conflict (the unit has an open case).
    """
    try:
        async with db.transaction() as tx:
            place = await _place(tx, report, caller)
            await _require_sound(tx, report, place, now)
            return await _open(tx, report, place, calendar, caller, now)
    except (Forbidden, Invalid, Conflict) as error:
        await _refused(db, report, error, caller, now)
        raise


@dataclass(frozen=True, slots=True)
class Expected:
    """What a case would begin as, and what it is about, in words. why, warnings: as of Opened."""

    state: State
    why: Sentence | None
    findings: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...] = ()


async def preview_case(db: Database, report: Report, calendar: Calendar, *, caller: Caller, now: datetime) -> Expected:
    """What `open_case` would do. Raises what it would raise; nothing is changed, no registration in any case."""
    async with db.transaction() as tx:
        place = await _place(tx, report, caller)
        await _require_sound(tx, report, place, now)
        asked = await exchange_evidence.can_begin(tx, report.code, place["adapter"], now)
    why = _declined(place)
    return Expected(State.DECLINED, why, ()) if why else _expected(report, place, calendar, asks=asked)


def _expected(report: Report, place: Row, calendar: Calendar, *, asks: bool) -> Expected:
    about = {"adapter": place["adapter"], "code": report.code}
    evidence = (
        sentence("Config, status and log of adapter {adapter} are collected at once.", **about)
        if asks
        else sentence("Adapter {adapter} does not answer now; evidence is collected when it is heard of.", **about)
    )
    findings = (
        sentence("Adapter {adapter} on {code} is the one that is to be replaced.", **about),
        sentence("The report counts for {day}.", day=_counts_for(report, calendar)),
        evidence,
        sentence("Opening it changes no registration."),
    )
    return Expected(_BEGINS[report.kind], None, findings, _outside_hours(report, calendar))


def _counts_for(report: Report, calendar: Calendar) -> date:
    return received_on(report.received_at, Channel(report.channel), calendar, _TOPICS[report.kind])


def _outside_hours(report: Report, calendar: Calendar) -> tuple[Sentence, ...]:
    """R1.3, R3.4: the desk writes down what comes while it is closed, and says for which day it counts."""
    channel = Channel(report.channel)
    opens = next_opening(_TOPICS[report.kind], channel, report.received_at, calendar)
    if opens == report.received_at:
        return ()
    return (
        sentence(
            "Reported at {at}, outside the reception hours ({channel}): "
            "it counts for {day}, the desk opens at {opens}.",
            at=report.received_at,
            channel=channel,
            day=day_of(opens),
            opens=f"{opens.astimezone(JST):%H:%M} JST",
        ),
    )


async def _open(
    tx: Connection, report: Report, place: Row, calendar: Calendar, caller: Caller, now: datetime
) -> Opened:
    why = _declined(place)
    state = State.DECLINED if why else _BEGINS[report.kind]
    row = await exchange_cases.insert(tx, _new(report, place, state, why, calendar, caller, now), now)
    data = {"adapter": row["old_adapter"], "channel": report.channel, "reported_by": report.reported_by}
    await exchange_cases.opened(tx, row["id"], data, caller=caller, now=now)
    if why is None:
        await exchange_evidence.begin(tx, row["id"], caller=caller, now=now)
        await exchange_cases.reminded_when_late(tx, row["id"], f"late-{state}", row["deadline_at"])
    return Opened(row["id"], state, why, () if why else _outside_hours(report, calendar))


def _new(
    report: Report,
    place: Row,
    state: State,
    why: Sentence | None,
    calendar: Calendar,
    caller: Caller,
    now: datetime,
) -> exchange_cases.New:
    on_entry = place["kind"] == "entry"
    return exchange_cases.New(
        kind=report.kind,
        contract=place["contract"],
        entry=report.code if on_entry else None,
        standby=None if on_entry else report.code,
        old_adapter=place["adapter"],
        state=state,
        deadline_at=None if why else deadlines.due(report.kind, state, now, calendar),
        account=caller.account,
        fault=report.fault,
        received_at=report.received_at,
        channel=report.channel,
        received_on=_counts_for(report, calendar),
        address=report.address,
        reported_by=report.reported_by,
        why=kept(why) if why else None,
        ended_at=now if why else None,
    )


def _declined(place: Row) -> Sentence | None:
    """R3.1: who bought an adapter has it maintained where it was bought."""
    if place["ownership"] != "purchased":
        return None
    return sentence(
        "Adapter {adapter} was bought from {reseller}, who maintains it; the provider does not exchange it (R3.1).",
        adapter=place["adapter"],
        reseller=place["reseller"],
    )


async def _place(tx: Connection, report: Report, caller: Caller) -> Row:
    place = await exchange_cases.place(tx, report.code)
    if place is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="code", name=report.code)
    require_contract(caller, place["contract"], "code", report.code)
    if caller.role is Role.OPERATOR:
        raise Forbidden(
            "A send-back or on-site exchange is opened by the desk, on an operator's report (R3.3, R3.15).",
            next_step="Phone the desk. To put a standby in its place at once: hikitsugi swap {code} STANDBY.",
            code=report.code,
        )
    if place["adapter"] is None:
        raise Conflict(
            "Code {code} holds no adapter, so none of it can be faulty.",
            next_step="hikitsugi code ls lists the codes with what they hold.",
            code=report.code,
        )
    return place


async def _require_sound(tx: Connection, report: Report, place: Row, now: datetime) -> None:
    faults = list(_faults(report, place, now))
    if not report.reported_by:
        faults.append(Fault("reported_by", "Say which operator reported it: only their reports are accepted (R1.2)."))
    elif not await investigation_moves.is_operator(tx, report.reported_by, place["contract"]):
        params = {"account": report.reported_by, "contract": place["contract"]}
        faults.append(
            Fault(
                "reported_by",
                "{account} is no registered operator of contract {contract}, and only theirs are accepted (R1.2).",
                params,
            )
        )
    if faults:
        raise Invalid("The case was not opened.", next_step="Correct what is named and try again.", faults=faults)
    if place["open_case"] is not None:
        raise Conflict(
            "Adapter {adapter} has a case already: exchange {exchange}, {kind}, is {state}.",
            next_step="hikitsugi exchange show {exchange} says what it waits for.",
            adapter=place["adapter"],
            exchange=place["open_case"],
            kind=Kind(place["open_kind"]),
            state=State(place["open_state"]),
        )


def _faults(report: Report, place: Row, now: datetime) -> Iterator[Fault]:
    if report.kind not in _BEGINS:
        yield Fault(
            "kind", "Only send-back and on-site are opened; a swap is ordered, a return follows a swap with a fault."
        )
    if not 1 <= len(report.fault.strip()) <= MAX_FAULT:
        yield Fault("fault", "Say in 1 to {most} characters what the customer saw.", {"most": MAX_FAULT})
    if len(report.address) > MAX_ADDRESS:
        yield Fault("address", "At most {most} characters.", {"most": MAX_ADDRESS})
    if report.received_at > now:
        yield Fault("received_at", "{at} is still to come.", {"at": report.received_at})
    if report.channel not in list(Channel):
        yield Fault("channel", "One of: {channels}.", {"channels": list(Channel)})
    elif report.kind is Kind.ON_SITE and report.channel != Channel.PHONE:
        yield Fault("channel", "An on-site exchange is reported by phone (R3.15).")
    if report.kind is Kind.ON_SITE and not place["ultra_send_back"]:
        contract = {"contract": place["contract"]}
        yield Fault("kind", "Contract {contract} does not have the Ultra Send-back option (R3.15).", contract)


async def _refused(db: Database, report: Report, error: ControllerError, caller: Caller, now: datetime) -> None:
    detail = {"kind": report.kind.value, "why": str(error), "faults": [str(fault) for fault in error.faults]}
    await audit.refused(db, caller, "exchange.open", report.code, now=now, contract=caller.contract, detail=detail)
