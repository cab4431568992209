"""The life of a task as data: states, events, one table. What its campaign does meanwhile is domain/campaign.py's."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class State(StrEnum):
    WAITING = "waiting"  # for its time, its turn, or its adapter
    RUNNING = "running"  # claimed under a lease
    DONE = "done"
    FAILED = "failed"  # with the word and the sentence why
    CANCELLED = "cancelled"  # taken back before it began, or told to stop in the middle
    EXPIRED = "expired"  # it had not begun when its time was over


class Event(StrEnum):
    CLAIMED = "claimed"
    ANSWERED = "answered"
    WENT_WRONG = "went wrong"
    ADAPTER_AWAY = "adapter away"
    STOPPED = "stopped"
    GIVEN_BACK = "given back"
    LOST = "lost"
    LOST_TRACK = "lost track"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REGISTRATION_CHANGED = "registration changed"


MOVES: dict[tuple[State, Event], State] = {
    (State.WAITING, Event.CLAIMED): State.RUNNING,
    (State.WAITING, Event.CANCELLED): State.CANCELLED,
    (State.WAITING, Event.EXPIRED): State.EXPIRED,
    (State.WAITING, Event.REGISTRATION_CHANGED): State.FAILED,
    (State.RUNNING, Event.ANSWERED): State.DONE,
    (State.RUNNING, Event.WENT_WRONG): State.FAILED,
    (State.RUNNING, Event.ADAPTER_AWAY): State.WAITING,
    (State.RUNNING, Event.STOPPED): State.CANCELLED,
    (State.RUNNING, Event.GIVEN_BACK): State.WAITING,
    (State.RUNNING, Event.LOST): State.WAITING,
    (State.RUNNING, Event.LOST_TRACK): State.FAILED,
}

OPEN = frozenset({State.WAITING, State.RUNNING})
"""States in which something is still to come; the database's partial index task_open says the same."""

REPEATABLE = frozenset({"status", "diagnostic"})
"""Classes of commands that may be run twice. Of others that got lost in the middle nobody knows whether they ran."""

MAX_LOSSES = 3
"""A repeatable task that lost as many workers has failed: maybe it is the task that kills them."""

_AGAIN_MIN = (1.0, 2.0, 5.0, 10.0)


def advance(state: State, event: Event) -> State | None:
    """The state after the event, None when the event changes nothing (repeated, late, out of order)."""
    return MOVES.get((state, event))


def again(attempts: int, jitter: float) -> timedelta:
    """How long to wait at most before an adapter that could not be reached is tried again.

    attempts: how often it was, 1 or more. jitter: 0 to 1, so that those which went together do not come together.
    """
    minutes = _AGAIN_MIN[min(max(attempts, 1), len(_AGAIN_MIN)) - 1]
    return timedelta(minutes=minutes * (0.8 + 0.4 * jitter))
