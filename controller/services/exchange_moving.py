"""A case goes on: one event, checked against the tables of domain/exchange.py, with everything that belongs to it.

What an event does besides is exchange_effects.py. All of it is one transaction: state, journal, stock, registration,
audit and news happen together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

from controller.domain import exchange_deadlines as deadlines
from controller.domain.access import Caller, Role, require_contract
from controller.domain.calendar import Calendar
from controller.domain.errors import Conflict, ControllerError, Fault, Forbidden, ForStaff, Invalid, NotFound
from controller.domain.exchange import ENDED, LIVES, WAITS, Actor, Event, Kind, Move, State, possible
from controller.domain.exchange_deadlines import ChangeRule
from controller.domain.sentence import Sentence, sentence
from controller.services import registration_change
from controller.services.exchange_effects import EFFECTS, Effect, Given, Step, nothing, replacement
from controller.store import audit, exchange_cases
from controller.store.pool import Connection, Database, Row
from controller.store.secrets import Secrets

ACTS_AS: dict[Role, frozenset[Actor]] = {
    Role.OPERATOR: frozenset({Actor.OPERATOR}),
    Role.SUPPORT: frozenset({Actor.DESK}),
    Role.ADMINISTRATOR: frozenset({Actor.OPERATOR, Actor.DESK}),
    Role.DEVICE: frozenset({Actor.ADAPTER}),
    Role.CONTROLLER: frozenset({Actor.CLOCK}),
}
_PEOPLE = frozenset({Actor.OPERATOR, Actor.DESK})
_ANNOUNCED_OTHERWISE = frozenset({State.DELIVERED, State.WAITING, State.OVERDUE})
"""States whose deadline is that of a return (R3.9): it has reminders of its own, and a state for being late."""


@dataclass(frozen=True, slots=True)
class Moved:
    """already: the event had led here before; nothing was done again. findings: what else came of it, in words."""

    from_state: State
    to_state: State
    already: bool = False
    findings: tuple[Sentence, ...] = field(default=(), compare=False)


class OutOfOrder(Conflict):
    """The event does not belong to the state that the exchange is in; the sentence says what it waits for."""

    code = "out-of-order"


async def advance(
    db: Database,
    vault: Secrets,
    exchange: int,
    event: Event,
    given: Given,
    calendar: Calendar,
    *,
    caller: Caller,
    now: datetime,
    expect: State | None = None,
    rule: ChangeRule = ChangeRule.BEFORE_ARRIVAL,
    dry_run: bool = False,
) -> Moved:
    """Let the event happen, once: the same again on the state that it led to changes nothing.

    expect: the state that the caller believes it is in. rule: when a dispatched case's registration changes.
    dry_run: do all of it, and take it back.
    Raises NotFound, Forbidden (whose event it is), Invalid (what is not given), Conflict (out of order, or the state of
    things forbids it; the sentence says what it waits for). A refusal is recorded.
    """
    contract: str | None = None
    code = f"exchange {exchange}"
    try:
        async with db.transaction() as tx:
            row = await _visible(tx, exchange, caller)
            contract, code = row["contract"], row["code"]
            moved = await _advance(tx, vault, row, event, given, calendar, caller, now, expect, rule)
            if dry_run:
                _take_back(moved)
            return moved
    except _TakenBack as done:
        return done.moved
    except (Forbidden, Invalid, Conflict) as error:
        if caller.role is not Role.CONTROLLER and not dry_run:
            await _refused(db, exchange, event, code, contract, error, caller, now)
        raise


@dataclass(frozen=True, slots=True)
class Preview:
    """moved: what the event would do to the case. findings, warnings: what it would do to the registry, in words."""

    moved: Moved
    findings: tuple[Sentence, ...] = ()
    warnings: tuple[Sentence, ...] = ()


async def preview(
    db: Database,
    vault: Secrets,
    exchange: int,
    event: Event,
    given: Given,
    calendar: Calendar,
    *,
    caller: Caller,
    now: datetime,
    expect: State | None = None,
    rule: ChangeRule = ChangeRule.BEFORE_ARRIVAL,
) -> Preview:
    """What `advance` would do: all of it is done, and taken back. Raises what it would raise; nothing is recorded."""
    moved = await advance(
        *(db, vault, exchange, event, given, calendar),
        caller=caller,
        now=now,
        expect=expect,
        rule=rule,
        dry_run=True,
    )
    if event is not Event.CHANGE_REGISTRATION or moved.already:
        return Preview(moved, moved.findings)
    async with db.connection() as connection:
        row = await exchange_cases.one(connection, exchange)
    if row is None or row["changed_at"] is not None:
        return Preview(moved)  # somebody did it meanwhile
    plan = await registration_change.preview_replacement(db, replacement(row))
    return Preview(moved, plan.findings, plan.warnings)


class _TakenBack(Exception):
    def __init__(self, moved: Moved) -> None:
        super().__init__()
        self.moved = moved


def _take_back(moved: Moved) -> NoReturn:
    """Out of the transaction, which is rolled back by it."""
    raise _TakenBack(moved)


async def _advance(
    tx: Connection,
    vault: Secrets,
    row: Row,
    event: Event,
    given: Given,
    calendar: Calendar,
    caller: Caller,
    now: datetime,
    expect: State | None,
    rule: ChangeRule,
) -> Moved:
    kind, state = Kind(row["kind"]), State(row["state"])
    _require_actor(kind, event, caller)
    move = LIVES[kind].get((state, event))
    if (move is None or expect not in (None, state)) and await _led_here(tx, row, event, given):
        return Moved(state, state, already=True)
    if move is None or expect not in (None, state):
        _out_of_order(row, event, given, expect if move else None)
    _require_given(move, event, given)
    _require_may(move, event, caller)
    step = Step(tx, vault, row, event, given, calendar, caller, now, rule)
    effect = await EFFECTS.get(event, nothing)(step)
    await _write(step, move.to, effect)
    return Moved(state, move.to, findings=effect.findings)


async def _write(step: Step, to: State, effect: Effect) -> None:
    row, changes = step.row, effect.changes
    deadline_at = deadlines.due(
        *(Kind(row["kind"]), to, step.now, step.calendar),
        arrives_on=changes.arrives_on or row["arrives_on"],
        change_at=changes.change_at or row["change_at"],
        return_due_at=row["return_due_at"],
    )
    moved = await exchange_cases.move(
        *(step.tx, row["id"], row["state"], to, changes),
        now=step.now,
        deadline_at=deadline_at,
        ended=to in ENDED,
    )
    assert moved is not None, "its row is locked"
    if to is State.DELIVERED:
        await exchange_cases.delivered(step.tx, row["id"], step.at, step.caller.account)
    elif deadline_at is not None and to not in _ANNOUNCED_OTHERWISE:
        await exchange_cases.reminded_when_late(step.tx, row["id"], f"late-{to}", deadline_at)
    data = step.given.as_data() | effect.data
    await exchange_cases.noted(
        *(step.tx, row["id"], step.event, row["state"], to),
        caller=step.caller,
        now=step.now,
        note=step.given.note,
        data=data,
    )


async def _visible(tx: Connection, exchange: int, caller: Caller) -> Row:
    row = await exchange_cases.locked(tx, exchange)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="exchange", name=exchange)
    require_contract(caller, row["contract"], "exchange", str(exchange))
    return row


async def _led_here(tx: Connection, row: Row, event: Event, given: Given) -> bool:
    """Is it the event that led to the present state, with the same replacement?"""
    if await exchange_cases.led_here(tx, row["id"], row["state"]) != event:
        return False
    return given.adapter in ("", row["new_adapter"])


def _require_actor(kind: Kind, event: Event, caller: Caller) -> None:
    """Whose event it is in any state of this kind, so that the sentence is right before anything else is looked at."""
    by = frozenset().union(*(move.by for (_, each), move in LIVES[kind].items() if each is event))
    if not by or by & ACTS_AS[caller.role]:
        return
    _not_yours(event, by)


def _require_may(move: Move, event: Event, caller: Caller) -> None:
    if not move.by & ACTS_AS[caller.role]:
        _not_yours(event, move.by)


def _not_yours(event: Event, by: frozenset[Actor]) -> NoReturn:
    if not by & _PEOPLE:
        raise Forbidden(
            "Nobody can say that {event} happened: it is what the {who} does.",
            next_step="hikitsugi exchange show says what is possible.",
            event=event,
            who=by,
        )
    if Actor.DESK in by:
        raise Forbidden("It is the desk that does this: {event}.", next_step="Phone the desk.", event=event)
    raise Forbidden(
        "It is the contract's operators who do this: {event}.", next_step="Ask one of them to.", event=event
    )


def _out_of_order(row: Row, event: Event, given: Given, expected: State | None) -> NoReturn:
    """expected: the state that the caller believes it is in, when that alone forbids the event."""
    kind, state = Kind(row["kind"]), State(row["state"])
    asked = {"exchange": row["id"], "code": row["code"], "state": state, "event": event}
    wait = WAITS.get((kind, state))
    if wait is None:
        raise OutOfOrder(
            "Exchange {exchange} of {code} has ended, it is {state}: {event} is out of order.",
            next_step="Open another case if something is still wrong.",
            **asked,
        )
    if expected is not None:
        raise OutOfOrder(
            "Exchange {exchange} of {code} is {state} and not {expected}; nothing was changed. It waits for this:"
            " {waits}",
            next_step="Look at it (hikitsugi exchange show {exchange}), then decide again.",
            waits=sentence(wait.what),
            expected=expected,
            **asked,
        )
    events = [each for each, move in possible(kind, state).items() if move.by & _PEOPLE]
    events = [each for each in events if each != Event.REPLACED]  # comes with the order of another swap
    raise OutOfOrder(
        "Exchange {exchange} of {code} is {state} already, with adapter {chosen}: {event} of another one is out of"
        " order, and nothing was changed. It waits for this: {waits}"
        if row["new_adapter"] and given.adapter not in ("", row["new_adapter"])
        else "Exchange {exchange} of {code} is {state}: {event} is out of order, and nothing was changed. It waits for"
        " this: {waits}",
        next_step="Possible now: {possible}." if events else "It goes on by itself.",
        waits=sentence(wait.what),
        chosen=row["new_adapter"],
        possible=events,
        **asked,
    )


def _require_given(move: Move, event: Event, given: Given) -> None:
    faults = list(_lacking(move, event, given))
    if faults:
        raise Invalid("Something must be given with this.", next_step="Add what is named.", faults=faults)


def _lacking(move: Move, event: Event, given: Given) -> Iterator[Fault]:
    if "adapter" in move.needs and not given.adapter:
        yield Fault("adapter", "Give the serial of the replacement; hikitsugi stock propose lists those that fit.")
    if "driver" in move.needs and not given.driver.strip():
        yield Fault("driver", "Say who drives.")
    if "reason" in move.needs and not given.reason.strip():
        yield Fault(
            "reason",
            "No normal boot is confirmed. Wait for it, or say why the faulty adapter is collected without (R3.17)."
            if event is Event.COLLECT
            else "Say why; it stays with the case.",
        )


async def _refused(
    db: Database,
    exchange: int,
    event: Event,
    code: str,
    contract: str | None,
    error: ControllerError,
    caller: Caller,
    now: datetime,
) -> None:
    detail = {"exchange": exchange, "why": str(error), "faults": [str(fault) for fault in error.faults]}
    told = {"exchange": exchange, "why": str(told_to_contract(error))} if isinstance(error, ForStaff) else None
    await audit.refused(db, caller, f"exchange.{event}", code, now=now, contract=contract, detail=detail, told=told)


_FOR_STAFF = sentence("A unit cannot be used for it as things stand; the desk knows why and sees to it.")


def told_to_contract(error: ControllerError) -> ControllerError | Sentence:
    """Why not, as the trail, the journal and the news of the contract say it: no unit, code or reseller of others."""
    return _FOR_STAFF if isinstance(error, ForStaff) else error
