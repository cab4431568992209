"""The life of a campaign as data: states, events, one table. What its tasks do meanwhile is domain/task.py's."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    RUNNING = "running"  # its tasks are run as they fall due
    PAUSED = "paused"  # those under way end, no other begins
    FINISHED = "finished"  # every task has ended
    ABORTED = "aborted"  # by a person: waiting tasks were cancelled, running ones were told to stop
    STOPPED = "stopped"  # by itself, since too many tasks failed: waiting tasks were cancelled


class Event(StrEnum):
    PAUSED = "paused"
    RESUMED = "resumed"
    ABORTED = "aborted"
    TOO_MANY_FAILED = "too many failed"
    ALL_ENDED = "all ended"


MOVES: dict[tuple[State, Event], State] = {
    (State.RUNNING, Event.PAUSED): State.PAUSED,
    (State.RUNNING, Event.ABORTED): State.ABORTED,
    (State.RUNNING, Event.TOO_MANY_FAILED): State.STOPPED,
    (State.RUNNING, Event.ALL_ENDED): State.FINISHED,
    (State.PAUSED, Event.RESUMED): State.RUNNING,
    (State.PAUSED, Event.ABORTED): State.ABORTED,
    (State.PAUSED, Event.TOO_MANY_FAILED): State.STOPPED,
    (State.PAUSED, Event.ALL_ENDED): State.FINISHED,
}

LIVE = frozenset({State.RUNNING, State.PAUSED})


def advance(state: State, event: Event) -> State | None:
    """The state after the event, None when the event changes nothing."""
    return MOVES.get((state, event))


def states_before(event: Event) -> list[State]:
    """The states from which the event leads on, for a compare-and-set."""
    return [state for state, possible in MOVES if possible is event]
