"""An exchange as the API shows it: the row, what it waits for, what may happen to it, and whose that is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from controller.domain.access import Caller
from controller.domain.calendar import Calendar, day_of
from controller.domain.delivery import from_day
from controller.domain.exchange import AWAITS_OLD_UNIT, Actor, Event, Kind, State, possible
from controller.domain.sentence import Sentence
from controller.domain.stock import Stock, place
from controller.faces.http.payload import Answer
from controller.services import exchanges
from controller.services.exchange_moving import ACTS_AS
from controller.store.pool import Row
from controller.words import in_words, say, told, translate


class Waiting(Answer):
    """What happens next."""

    who: Actor
    """operator, desk: a person of theirs must act; adapter: it does; clock: the controller does."""
    what: str
    until: datetime | None
    """By when; null: no time is set."""


class Exchange(Answer):
    """A swap has entry and standby; any other kind the one that its faulty unit sat on when it was reported."""

    id: int
    kind: Kind
    contract: str
    code: str
    """Of the unit that goes out: of a swap the entry."""
    entry: str | None
    standby: str | None
    new_adapter: str | None
    """null: not chosen yet."""
    old_adapter: str
    firmware_target: str | None
    state: State
    state_since: datetime
    ordered_at: datetime
    """When it was opened."""
    deadline_at: datetime | None
    overdue: bool
    waits_for: Waiting | None
    """null: it has ended."""
    pulled_at: datetime | None
    confirmed_at: datetime | None
    lapsed_at: datetime | None
    superseded_at: datetime | None
    changed_at: datetime | None
    """When the registration changed; there is no way back from it (R3.8)."""
    return_due_at: datetime | None
    ended_at: datetime | None
    account: str
    fault: str
    """What was reported."""
    reason: str
    why: str
    """Of what was declined, withdrawn, written off, or collected without a confirmed boot."""


class Move(Answer):
    """One line of the journal."""

    at: datetime
    event: str
    from_state: str
    to_state: str
    account: str
    role: str
    note: str
    data: dict[str, Any]
    """Any: what came with the event."""


class Possible(Answer):
    """An event that may happen now."""

    event: Event
    to: State
    by: list[Actor]
    needs: list[str]
    """What has to be given with it: adapter, driver, reason."""
    yours: bool
    """The caller may let it happen: POST …/advance."""


class Reminder(Answer):
    what: str
    due_at: datetime
    done_at: datetime | None


class Whereabouts(Answer):
    """Where the faulty unit is. code: the one that holds it; null: none, or one of another contract."""

    code: str | None
    place: str
    """on-code, or its state of stock."""
    received: bool
    """The desk has it, though a standby code holds it until its replacement does (R3.13)."""


class Evidence(Answer):
    """What was collected before the adapter was removed: GET …/evidence."""

    state: str
    campaign: int | None
    reason: str
    """Why it was closed without."""


class DeliveryDay(Answer):
    day: date
    counts: bool
    why: str | None


class ReplacementDelivery(Answer):
    """R3.4: the 4th business day after the day of receipt, or after that of the dispatch when it came later."""

    counted_from: date
    arrives: date
    dispatched: bool
    """false: if it is dispatched today."""
    days: list[DeliveryDay]


class ExchangeInFull(Exchange):
    channel: str
    received_at: datetime | None
    received_on: date | None
    """The day in Japan that the report counts for."""
    address: str
    """Where the replacement goes; "": the contract's."""
    arrives_on: date | None
    shipment: str
    driver: str
    dispatched_at: datetime | None
    change_at: datetime | None
    """When the registration changes by rule; null: when the desk says so."""
    delivered_at: datetime | None
    returned_at: datetime | None
    of_exchange: int | None
    """Of a return: the swap that it follows."""
    return_exchange: int | None
    """Of a swap that named a fault: the case of the return (R3.13)."""
    reported_by: str
    """Account of the operator whose report it was."""
    old_adapter_is: Whereabouts | None
    """null: a swap, or it has ended."""
    return_address: str | None
    """Where the faulty unit is to be sent, while it is awaited (R3.9, R3.13); "": ask the desk; null: it is not."""
    boot_lacks: list[str]
    """What a normal boot of the replacement still lacks, while it is waited for (R3.17)."""
    evidence: Evidence
    delivery: ReplacementDelivery | None
    moves: list[Move]
    possible: list[Possible]
    reminders: list[Reminder]


def in_short(row: Row, now: datetime, language: str) -> Exchange:
    """As it stands in a list."""
    return Exchange.from_row(row, why=told(row["why"], language), **waiting(row, now, language))


def in_full(
    row: Row,
    journal: Sequence[Row],
    reminders: Sequence[Row],
    return_exchange: int | None,
    boot_lacks: Sequence[Sentence],
    calendar: Calendar,
    caller: Caller,
    now: datetime,
    language: str,
    return_address: str = "",
    old_unit: Row | None = None,
) -> ExchangeInFull:
    """All there is to say about it to this caller. old_unit: of store/exchange_cases.unit, while its place matters."""
    return ExchangeInFull.from_row(
        row,
        why=told(row["why"], language),
        **waiting(row, now, language),
        return_exchange=return_exchange,
        old_adapter_is=_whereabouts(row, old_unit, caller) if old_unit else None,
        return_address=return_address if (row["kind"], row["state"]) in AWAITS_OLD_UNIT else None,
        boot_lacks=said(boot_lacks, language),
        evidence=Evidence(state=row["evidence"], campaign=row["evidence_campaign"], reason=row["evidence_reason"]),
        delivery=_delivery(row, calendar, now, language),
        moves=[_move(one, caller, language) for one in journal],
        possible=events(row, caller),
        reminders=[Reminder.from_row(one) for one in reminders],
    )


def _whereabouts(row: Row, unit: Row, caller: Caller) -> Whereabouts:
    theirs = unit["contract"] is None or caller.sees(unit["contract"])
    received = row["kind"] == Kind.RETURN and row["state"] in (State.RECEIVED, State.DISPATCHED)
    where = place(Stock(unit["stock"]), unit["code"])
    return Whereabouts(code=unit["code"] if theirs else None, place=where, received=received)


def _move(row: Row, caller: Caller, language: str) -> Move:
    """With the reason of what the controller did; where units of others stand in the way, the whole one for staff."""
    data = dict(row["data"])
    why, whole = data.pop("why", None), data.pop("for_staff", None)
    note = told(whole if whole and caller.contract is None else why, language) or row["note"]
    return Move.from_row(row, data=in_words(data, language), note=note)


def events(row: Row, caller: Caller) -> list[Possible]:
    """What may happen to it in its state. What adapters do is among them: it is what is waited for."""
    moves = possible(Kind(row["kind"]), State(row["state"]))
    return [
        Possible(
            event=event, to=move.to, by=sorted(move.by), needs=sorted(move.needs), yours=_may(caller, event, move.by)
        )
        for event, move in moves.items()
    ]


def _may(caller: Caller, event: Event, by: frozenset[Actor]) -> bool:
    """Another swap is ordered to replace one, not an event of the one that it replaces."""
    return event is not Event.REPLACED and bool(ACTS_AS[caller.role] & by)


def said(sentences: Iterable[Sentence], language: str) -> list[str]:
    """Each in the reader's language."""
    return [say(sentence.template, sentence.params, language) for sentence in sentences]


def waiting(row: Row, now: datetime, language: str) -> dict[str, Any]:
    """The fields `waits_for` and `overdue` (Any: they differ in type)."""
    waits = exchanges.waits_for(row, now)
    if waits is None:
        return {"waits_for": None, "overdue": False}
    told = Waiting(who=waits.who, what=translate(waits.what, language), until=waits.until)
    return {"waits_for": told, "overdue": waits.overdue}


_AWAITED = {(Kind.SEND_BACK, State.REPORTED), (Kind.SEND_BACK, State.RECOGNISED), (Kind.RETURN, State.RECEIVED)}


def _delivery(row: Row, calendar: Calendar, now: datetime, language: str) -> ReplacementDelivery | None:
    """The estimate: what it would be today until it is dispatched, then what was told."""
    dispatched = row["dispatched_at"]
    if dispatched is None and (row["kind"], row["state"]) not in _AWAITED:
        return None
    if dispatched is not None and row["arrives_on"] is None:
        return None
    start = max(filter(None, (row["received_on"], day_of(dispatched or now))))
    arrives = from_day(start, calendar).arrives if dispatched is None else row["arrives_on"]
    days = [start + timedelta(n) for n in range(1, (arrives - start).days + 1)]
    return ReplacementDelivery(
        counted_from=start,
        arrives=arrives,
        dispatched=dispatched is not None,
        days=[_day(day, calendar.closed(day, language)) for day in days],
    )


def _day(day: date, why: str | None) -> DeliveryDay:
    return DeliveryDay(day=day, counts=why is None, why=why)
