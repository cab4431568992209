"""The lives of exchanges as data: kinds, states, events, one table of moves for each kind (R3.1-R3.17).

Everything that moves an exchange is in this file; the pictures in docs/ are generated from it. What a state waits for,
who must act and what must be given with an event stand beside the moves. By when: domain/exchange_deadlines.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    SWAP = "swap"  # entry and standby change adapters (R3.10-R3.14)
    SEND_BACK = "send-back"  # a replacement comes by post (R3.3-R3.9)
    ON_SITE = "on-site"  # a driver brings it and takes the faulty one along (R3.15-R3.17)
    RETURN = "return"  # the faulty unit of a swap goes back, then a replacement comes (R3.13)


class State(StrEnum):
    PRE_FLIGHT = "pre-flight"  # evidence of the old adapter is being collected; then it is ordered
    ORDERED = "ordered"  # registrations exchanged, nobody has been plugged in since
    PULLED = "pulled"  # the new adapter has been given the entry's config
    CONFIRMED = "confirmed"  # ... has applied it and come back
    LAPSED = "lapsed"  # not seen before the deadline; late is still welcome
    SUPERSEDED = "superseded"  # another exchange of the same entry took its place
    REPORTED = "reported"  # the desk has the operator's report of a fault
    REQUESTED = "requested"  # ... by phone, with the Ultra Send-back option
    RECOGNISED = "recognised"  # it is a fault: a replacement will go
    DECLINED = "declined"  # it is none, or the adapter is not the provider's (R3.1)
    WITHDRAWN = "withdrawn"  # taken back before the registration changed
    DISPATCHED = "dispatched"  # the replacement is on its way
    DRIVER_ASSIGNED = "driver-assigned"  # a driver has the replacement
    REGISTRATION_CHANGED = "registration-changed"  # the code holds the replacement; no way back (R3.8)
    DELIVERED = "delivered"  # the replacement has arrived; the faulty one is to be returned
    BOOT_CONFIRMED = "boot-confirmed"  # the replacement booted normally (R3.17)
    OVERDUE = "overdue"  # the faulty one was not returned in time (R3.9)
    RETURNED = "returned"  # the faulty one is back
    COLLECTED = "collected"  # the driver has it
    WAITING = "waiting"  # for the faulty unit of a swap
    RECEIVED = "received"  # it has arrived: a replacement will go
    REGISTERED = "registered"  # the standby code holds the replacement
    CLOSED = "closed"


class Event(StrEnum):
    """Words that `hikitsugi exchange advance` takes, and things that adapters and the clock do."""

    ORDER = "order"
    CONFIG_SERVED = "config-served"
    CAME_BACK = "came-back"
    DEADLINE_PASSED = "deadline-passed"
    REPLACED = "replaced"
    RECOGNISE = "recognise"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    DISPATCH = "dispatch"
    ASSIGN_DRIVER = "assign-driver"
    CHANGE_REGISTRATION = "change-registration"
    DELIVER = "deliver"
    CONFIRM_BOOT = "confirm-boot"
    COLLECT = "collect"
    RECEIVE = "receive"
    WRITE_OFF = "write-off"
    CLOSE = "close"


class Actor(StrEnum):
    OPERATOR = "operator"  # of the contract, and administrators
    DESK = "desk"  # support staff and administrators
    ADAPTER = "adapter"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Move:
    """Where an event leads, who may cause it, and what has to be given with it.

    needs: of "adapter" (serial of the replacement), "driver", "reason". A reason that is needed only when something
    is missing (evidence at the close, a confirmed boot at the collection) is asked for by the service.
    """

    to: State
    by: frozenset[Actor]
    needs: frozenset[str] = frozenset()


def _by(*actors: Actor) -> frozenset[Actor]:
    return frozenset(actors)


_DESK = _by(Actor.DESK)
_DESK_OR_CLOCK = _by(Actor.DESK, Actor.CLOCK)
_ADAPTER, _CLOCK = _by(Actor.ADAPTER), _by(Actor.CLOCK)
_REASON, _UNIT = frozenset({"reason"}), frozenset({"adapter"})

_SWAP = {
    (State.PRE_FLIGHT, Event.ORDER): Move(State.ORDERED, _by(Actor.OPERATOR, Actor.CLOCK)),
    (State.PRE_FLIGHT, Event.WITHDRAW): Move(State.WITHDRAWN, _by(Actor.OPERATOR, Actor.CLOCK), _REASON),
    (State.ORDERED, Event.CONFIG_SERVED): Move(State.PULLED, _ADAPTER),
    (State.ORDERED, Event.DEADLINE_PASSED): Move(State.LAPSED, _CLOCK),
    (State.ORDERED, Event.REPLACED): Move(State.SUPERSEDED, _by(Actor.OPERATOR)),
    (State.PULLED, Event.CAME_BACK): Move(State.CONFIRMED, _ADAPTER),
    (State.PULLED, Event.DEADLINE_PASSED): Move(State.LAPSED, _CLOCK),
    (State.PULLED, Event.REPLACED): Move(State.SUPERSEDED, _by(Actor.OPERATOR)),
    (State.LAPSED, Event.CONFIG_SERVED): Move(State.PULLED, _ADAPTER),
    (State.LAPSED, Event.CAME_BACK): Move(State.CONFIRMED, _ADAPTER),
}

_SEND_BACK = {
    (State.REPORTED, Event.RECOGNISE): Move(State.RECOGNISED, _DESK),
    (State.REPORTED, Event.DECLINE): Move(State.DECLINED, _DESK, _REASON),
    (State.REPORTED, Event.WITHDRAW): Move(State.WITHDRAWN, _DESK, _REASON),
    (State.RECOGNISED, Event.DISPATCH): Move(State.DISPATCHED, _DESK, _UNIT),
    (State.RECOGNISED, Event.WITHDRAW): Move(State.WITHDRAWN, _DESK, _REASON),
    (State.DISPATCHED, Event.CHANGE_REGISTRATION): Move(State.REGISTRATION_CHANGED, _DESK_OR_CLOCK),
    (State.DISPATCHED, Event.WITHDRAW): Move(State.WITHDRAWN, _DESK, _REASON),
    (State.REGISTRATION_CHANGED, Event.CONFIG_SERVED): Move(State.REGISTRATION_CHANGED, _ADAPTER),
    (State.REGISTRATION_CHANGED, Event.CAME_BACK): Move(State.DELIVERED, _ADAPTER),
    (State.REGISTRATION_CHANGED, Event.DELIVER): Move(State.DELIVERED, _DESK_OR_CLOCK),
    (State.DELIVERED, Event.RECEIVE): Move(State.RETURNED, _DESK),
    (State.DELIVERED, Event.DEADLINE_PASSED): Move(State.OVERDUE, _CLOCK),
    (State.OVERDUE, Event.RECEIVE): Move(State.RETURNED, _DESK),
    (State.OVERDUE, Event.WRITE_OFF): Move(State.CLOSED, _DESK, _REASON),
    (State.RETURNED, Event.CLOSE): Move(State.CLOSED, _DESK),
}

_ON_SITE = {
    (State.REQUESTED, Event.RECOGNISE): Move(State.RECOGNISED, _DESK),
    (State.REQUESTED, Event.DECLINE): Move(State.DECLINED, _DESK, _REASON),
    (State.REQUESTED, Event.WITHDRAW): Move(State.WITHDRAWN, _DESK, _REASON),
    (State.RECOGNISED, Event.ASSIGN_DRIVER): Move(State.DRIVER_ASSIGNED, _DESK, frozenset({"adapter", "driver"})),
    (State.RECOGNISED, Event.WITHDRAW): Move(State.WITHDRAWN, _DESK, _REASON),
    (State.DRIVER_ASSIGNED, Event.CHANGE_REGISTRATION): Move(State.REGISTRATION_CHANGED, _DESK_OR_CLOCK),
    (State.DRIVER_ASSIGNED, Event.WITHDRAW): Move(State.WITHDRAWN, _DESK, _REASON),
    (State.REGISTRATION_CHANGED, Event.CONFIG_SERVED): Move(State.REGISTRATION_CHANGED, _ADAPTER),
    (State.REGISTRATION_CHANGED, Event.CAME_BACK): Move(State.REGISTRATION_CHANGED, _ADAPTER),
    (State.REGISTRATION_CHANGED, Event.CONFIRM_BOOT): Move(State.BOOT_CONFIRMED, _DESK_OR_CLOCK),
    (State.REGISTRATION_CHANGED, Event.COLLECT): Move(State.COLLECTED, _DESK, _REASON),
    (State.BOOT_CONFIRMED, Event.COLLECT): Move(State.COLLECTED, _DESK),
    (State.COLLECTED, Event.CLOSE): Move(State.CLOSED, _DESK),
}

_RETURN = {
    (State.WAITING, Event.RECEIVE): Move(State.RECEIVED, _DESK),
    (State.WAITING, Event.DEADLINE_PASSED): Move(State.OVERDUE, _CLOCK),
    (State.WAITING, Event.WITHDRAW): Move(State.WITHDRAWN, _by(Actor.OPERATOR, Actor.DESK), _REASON),
    (State.OVERDUE, Event.RECEIVE): Move(State.RECEIVED, _DESK),
    (State.OVERDUE, Event.WITHDRAW): Move(State.WITHDRAWN, _DESK, _REASON),
    (State.RECEIVED, Event.DISPATCH): Move(State.DISPATCHED, _DESK, _UNIT),
    (State.RECEIVED, Event.WITHDRAW): Move(State.WITHDRAWN, _DESK, _REASON),
    (State.DISPATCHED, Event.CHANGE_REGISTRATION): Move(State.REGISTERED, _DESK_OR_CLOCK),
    (State.DISPATCHED, Event.WITHDRAW): Move(State.WITHDRAWN, _DESK, _REASON),
    (State.REGISTERED, Event.CLOSE): Move(State.CLOSED, _DESK_OR_CLOCK),
}

LIVES: dict[Kind, dict[tuple[State, Event], Move]] = {
    Kind.SWAP: _SWAP,
    Kind.SEND_BACK: _SEND_BACK,
    Kind.ON_SITE: _ON_SITE,
    Kind.RETURN: _RETURN,
}

STARTS: dict[Kind, frozenset[State]] = {
    Kind.SWAP: frozenset({State.PRE_FLIGHT, State.ORDERED}),
    Kind.SEND_BACK: frozenset({State.REPORTED, State.DECLINED}),
    Kind.ON_SITE: frozenset({State.REQUESTED, State.DECLINED}),
    Kind.RETURN: frozenset({State.WAITING, State.DECLINED}),
}
"""What a case of each kind may begin as. Declined at once: the adapter was bought from a reseller (R3.1)."""

HOLDING = frozenset({State.PRE_FLIGHT, State.ORDERED, State.PULLED, State.DISPATCHED, State.DRIVER_ASSIGNED})
"""An exchange in one of these holds its codes: no other may change them. The partial unique indexes say the same."""

ENDED = frozenset(
    {State.CONFIRMED, State.LAPSED, State.SUPERSEDED, State.DECLINED, State.WITHDRAWN, State.CLOSED},
)
"""Nothing more is expected (a late adapter may still take up a lapsed swap). The column ended_at says the same."""


AWAITS_OLD_UNIT = frozenset(
    {
        (Kind.SEND_BACK, State.DELIVERED),
        (Kind.SEND_BACK, State.OVERDUE),
        (Kind.RETURN, State.WAITING),
        (Kind.RETURN, State.OVERDUE),
    }
)
"""The customer is to send the faulty unit to the return address (R3.9, R3.13)."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a state waits for. who: must act. what: a sentence for people, English; also the key of its translation."""

    who: Actor
    what: str


WAITS: dict[tuple[Kind, State], Wait] = {
    (Kind.SWAP, State.PRE_FLIGHT): Wait(
        Actor.CLOCK, "Evidence of the old adapter is being collected; the swap is ordered after that."
    ),
    (Kind.SWAP, State.ORDERED): Wait(Actor.OPERATOR, "Plug the new adapter in."),
    (Kind.SWAP, State.PULLED): Wait(Actor.ADAPTER, "The new adapter has to apply the config and come back."),
    (Kind.SEND_BACK, State.REPORTED): Wait(Actor.DESK, "Recognise the fault, or decline it."),
    (Kind.SEND_BACK, State.RECOGNISED): Wait(Actor.DESK, "Choose a replacement and dispatch it."),
    (Kind.SEND_BACK, State.DISPATCHED): Wait(
        Actor.CLOCK, "The registration will change before the replacement arrives."
    ),
    (Kind.SEND_BACK, State.REGISTRATION_CHANGED): Wait(Actor.OPERATOR, "Plug the replacement in when it arrives."),
    (Kind.SEND_BACK, State.DELIVERED): Wait(Actor.OPERATOR, "Send the faulty adapter back."),
    (Kind.SEND_BACK, State.OVERDUE): Wait(Actor.OPERATOR, "Send the faulty adapter back; it is overdue."),
    (Kind.SEND_BACK, State.RETURNED): Wait(Actor.DESK, "Close the case."),
    (Kind.ON_SITE, State.REQUESTED): Wait(Actor.DESK, "Recognise the fault, or decline it."),
    (Kind.ON_SITE, State.RECOGNISED): Wait(Actor.DESK, "Choose a replacement and assign a driver."),
    (Kind.ON_SITE, State.DRIVER_ASSIGNED): Wait(Actor.DESK, "Change the registration when the response starts."),
    (Kind.ON_SITE, State.REGISTRATION_CHANGED): Wait(Actor.DESK, "The driver re-plugs; wait for a normal boot."),
    (Kind.ON_SITE, State.BOOT_CONFIRMED): Wait(Actor.DESK, "The driver collects the faulty adapter."),
    (Kind.ON_SITE, State.COLLECTED): Wait(Actor.DESK, "Close the case."),
    (Kind.RETURN, State.WAITING): Wait(Actor.OPERATOR, "Send the faulty adapter to the return address."),
    (Kind.RETURN, State.OVERDUE): Wait(Actor.OPERATOR, "Send the faulty adapter back; it is overdue."),
    (Kind.RETURN, State.RECEIVED): Wait(Actor.DESK, "Choose a replacement and dispatch it."),
    (Kind.RETURN, State.DISPATCHED): Wait(
        Actor.CLOCK, "The replacement will be registered on the standby code before it arrives."
    ),
    (Kind.RETURN, State.REGISTERED): Wait(Actor.DESK, "Close the case."),
}


def advance(kind: Kind, state: State, event: Event) -> State | None:
    """The state after the event, None when the event changes nothing (repeated, late, out of order)."""
    move = LIVES[kind].get((state, event))
    return move.to if move else None


def possible(kind: Kind, state: State) -> dict[Event, Move]:
    """What may happen to an exchange of the kind in this state."""
    return {event: move for (before, event), move in LIVES[kind].items() if before is state}
