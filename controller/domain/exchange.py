"""The life of an exchange as data: states, events, one table.

Everything that moves an exchange is in this file; the picture in docs/ is generated from it.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    ORDERED = "ordered"  # registrations exchanged, nobody has been plugged in since
    PULLED = "pulled"  # the new adapter has been given the entry's config
    CONFIRMED = "confirmed"  # ... has applied it and come back
    LAPSED = "lapsed"  # not seen before the deadline; late is still welcome
    SUPERSEDED = "superseded"  # another exchange of the same entry took its place


class Event(StrEnum):
    CONFIG_SERVED = "config served"
    CAME_BACK = "came back"
    DEADLINE_PASSED = "deadline passed"
    REPLACED = "replaced"


MOVES: dict[tuple[State, Event], State] = {
    (State.ORDERED, Event.CONFIG_SERVED): State.PULLED,
    (State.ORDERED, Event.DEADLINE_PASSED): State.LAPSED,
    (State.ORDERED, Event.REPLACED): State.SUPERSEDED,
    (State.PULLED, Event.CAME_BACK): State.CONFIRMED,
    (State.PULLED, Event.DEADLINE_PASSED): State.LAPSED,
    (State.PULLED, Event.REPLACED): State.SUPERSEDED,
    (State.LAPSED, Event.CONFIG_SERVED): State.PULLED,
    (State.LAPSED, Event.CAME_BACK): State.CONFIRMED,
}

OPEN = frozenset({State.ORDERED, State.PULLED})
"""States in which the exchange still holds its two codes; the database's partial indexes say the same."""


def advance(state: State, event: Event) -> State | None:
    """The state after the event, None when the event changes nothing (repeated, late, out of order)."""
    return MOVES.get((state, event))
