"""The life of a push operation as data: states, events, one table.

Everything that moves an operation is in this file; the picture in docs/ is generated from it. What may be done twice
(repeatable) and what may not is protocol/arms/operations'.
"""

from __future__ import annotations

from enum import StrEnum

from protocol.arms.codes import ResultCode


class State(StrEnum):
    WAITING = "waiting"  # for its time, for the adapter to be reachable, or for its turn
    SENT = "sent"  # written down before a byte left; the answer is awaited
    STARTED = "started"  # the adapter has taken it on and will report the end
    CONFIRMING = "confirming"  # configure: committed, and the adapter has yet to confirm its way back
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"  # it may have been carried out; it must not be done twice, so it is not sent again
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # the adapter was not reachable in time; nothing was carried out that we know of


class Event(StrEnum):
    CLAIMED = "claimed"
    NOT_TAKEN = "not taken"
    ANSWERED = "answered"
    REFUSED = "refused"
    NOT_PERMITTED = "not permitted"
    TAKEN_ON = "taken on"
    LOST = "lost"
    LOST_TRACK = "lost track"
    FINISHED = "finished"
    WENT_WRONG = "went wrong"
    COMMITTED = "committed"
    CONFIRMED = "confirmed"
    NOT_BACK = "not back"
    ROLLED_BACK = "rolled back"
    PULLED = "pulled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REGISTRATION_CHANGED = "registration changed"


MOVES: dict[tuple[State, Event], State] = {
    (State.WAITING, Event.CLAIMED): State.SENT,
    (State.WAITING, Event.FINISHED): State.DONE,  # it was to be asked again, and then the first attempt's end came
    (State.WAITING, Event.CANCELLED): State.CANCELLED,
    (State.WAITING, Event.EXPIRED): State.EXPIRED,
    (State.WAITING, Event.REGISTRATION_CHANGED): State.FAILED,
    (State.WAITING, Event.PULLED): State.DONE,
    (State.SENT, Event.NOT_TAKEN): State.WAITING,
    (State.SENT, Event.ANSWERED): State.DONE,
    (State.SENT, Event.REFUSED): State.FAILED,
    (State.SENT, Event.NOT_PERMITTED): State.FAILED,  # nothing has left the controller
    (State.SENT, Event.TAKEN_ON): State.STARTED,
    (State.SENT, Event.LOST): State.WAITING,
    (State.SENT, Event.LOST_TRACK): State.UNKNOWN,
    (State.SENT, Event.FINISHED): State.DONE,  # the end overtook the answer to the start, or that was lost
    (State.SENT, Event.WENT_WRONG): State.FAILED,
    (State.SENT, Event.COMMITTED): State.CONFIRMING,
    (State.SENT, Event.NOT_BACK): State.FAILED,
    (State.SENT, Event.REGISTRATION_CHANGED): State.FAILED,
    (State.SENT, Event.PULLED): State.DONE,
    (State.STARTED, Event.LOST): State.WAITING,
    (State.STARTED, Event.LOST_TRACK): State.UNKNOWN,
    (State.STARTED, Event.FINISHED): State.DONE,
    (State.STARTED, Event.WENT_WRONG): State.FAILED,
    (State.STARTED, Event.COMMITTED): State.CONFIRMING,
    (State.STARTED, Event.NOT_BACK): State.FAILED,
    (State.STARTED, Event.REGISTRATION_CHANGED): State.FAILED,
    (State.CONFIRMING, Event.CONFIRMED): State.DONE,
    (State.CONFIRMING, Event.NOT_BACK): State.FAILED,
    (State.CONFIRMING, Event.ROLLED_BACK): State.FAILED,
    (State.CONFIRMING, Event.PULLED): State.FAILED,
    (State.CONFIRMING, Event.REGISTRATION_CHANGED): State.FAILED,
    (State.UNKNOWN, Event.FINISHED): State.DONE,
    (State.UNKNOWN, Event.WENT_WRONG): State.FAILED,
}

UNDER_WAY = frozenset({State.SENT, State.STARTED, State.CONFIRMING})
"""States in which something is awaited until a deadline; the database's constraint says the same."""

ENDED = frozenset({State.DONE, State.FAILED, State.UNKNOWN, State.CANCELLED, State.EXPIRED})
"""States in which nothing more is awaited. From UNKNOWN a late report still moves it."""

COMMITTED_RESULTS = frozenset({ResultCode.SUCCESS, ResultCode.MODULE_SYNCING})
"""With these a configure has been committed. MODULE_SYNCING: and it comes back only when its modules are there."""

MAX_ATTEMPTS = 3
"""How often an operation is sent whose answers get lost."""


def advance(state: State, event: Event) -> State | None:
    """The state after the event, None when the event changes nothing (repeated, late, out of order)."""
    return MOVES.get((state, event))


def silence(repeatable: bool, attempts: int) -> Event:
    """What it means that the answer or the end did not come in time. Not for configure: see NOT_BACK.

    attempts: how often it was sent. repeatable: asking twice does no harm.
    """
    return Event.LOST if repeatable and attempts < MAX_ATTEMPTS else Event.LOST_TRACK


def reported(state: State, result: ResultCode, *, is_configure: bool, is_late: bool) -> tuple[Event, ResultCode]:
    """What an adapter's done request means, and what it is answered with; a repeated one is answered the same.

    is_late: the deadline of a configure has passed, or its registration is another one by now. TRANSACTION_FAILURE as
    the answer to a configure orders the adapter to roll back (arms-protocol 3.5); it then reports again, and that
    report must not be answered with another order.
    """
    if not is_configure:
        return (Event.FINISHED if result.is_success else Event.WENT_WRONG), ResultCode.SUCCESS
    if result not in COMMITTED_RESULTS:
        return (Event.ROLLED_BACK if state is State.CONFIRMING else Event.WENT_WRONG), ResultCode.SUCCESS
    if state is State.FAILED or (is_late and state in (State.SENT, State.STARTED)):
        return Event.NOT_BACK, ResultCode.TRANSACTION_FAILURE
    return Event.COMMITTED, ResultCode.SUCCESS
