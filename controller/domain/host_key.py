"""The life of an offered host key as data: states, events, one table. Everything that moves an offer is in this file.

A key that is not the pinned one lets nobody in until an administrator accepts it. Nothing is ever learned by itself; a
swap needs no decision, since a pin belongs to the unit and comes and goes with it.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    OPEN = "open"  # shown by an adapter, nobody has decided
    ACCEPTED = "accepted"  # it became the pinned one
    REFUSED = "refused"  # somebody else, or a unit that should not be there; shown again, it stays refused
    SUPERSEDED = "superseded"  # another key was pinned meanwhile


class Event(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    REPINNED = "repinned"


MOVES: dict[tuple[State, Event], State] = {
    (State.OPEN, Event.ACCEPTED): State.ACCEPTED,
    (State.OPEN, Event.REFUSED): State.REFUSED,
    (State.OPEN, Event.REPINNED): State.SUPERSEDED,
    (State.REFUSED, Event.ACCEPTED): State.ACCEPTED,  # people change their minds, with another reason
}

MOST_OPEN = 10
"""Undecided keys of one adapter that are kept; of more, the newest. A peer may show another key at each attempt."""


def advance(state: State, event: Event) -> State | None:
    """The state after the event, None when the event does not apply any more."""
    return MOVES.get((state, event))
