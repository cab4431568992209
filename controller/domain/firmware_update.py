"""The life of a firmware update as data: states, events, one table of moves; what may be cancelled.

Everything that moves an update is in this file. When one may begin: domain/update_window.py. An update is good only
when the adapter has said that it runs the version and has passed the connection check (R4.2); whatever else becomes of
it, no adapter is left to try for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class State(StrEnum):
    SCHEDULED = "scheduled"  # for its time, for its partner, or for the end of an exchange; nothing is told to anybody
    ORDERED = "ordered"  # the version is the code's target; the adapter has yet to fetch it
    DOWNLOADING = "downloading"  # some of the image has gone out
    FLASHING = "flashing"  # all of it has; the adapter writes it and restarts
    CHECKING = "checking"  # it says that it runs the version, and has yet to pass the connection check
    GOOD = "good"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Event(StrEnum):
    BEGIN = "begin"
    CLOSE_WINDOW = "close-window"
    GIVE_WAY = "give-way"
    FETCHED = "fetched"
    SENT = "sent"
    STEPPED = "stepped"
    REPORTED = "reported"
    CHECKED = "checked"
    WENT_WRONG = "went-wrong"
    CANCEL = "cancel"
    OVERTAKE = "overtake"


class Failure(StrEnum):
    """Why an update failed or was cancelled."""

    REFUSED_BY_ADAPTER = "refused-by-adapter"  # it said so: metadata, sha256, hardware, disk
    CAME_BACK_WITH_OLD = "came-back-with-old"  # it had the whole image, and runs something else
    NEVER_ASKED = "never-asked"  # it was told, and did not pull
    GAVE_UP = "gave-up"  # it pulled, and never had the whole image
    NEVER_CALLED_BACK = "never-called-back"  # it had the whole image, and has been silent since
    NO_CONNECTION_CHECK = "no-connection-check"  # it runs the version, but does not come into service
    TOO_LATE = "too-late"  # it could not begin before the time it was given
    WITHDRAWN = "withdrawn"  # the version was (R4.3)
    OVERTAKEN = "overtaken"  # the code has another adapter, or another target, by now (R3.14)
    ABORTED = "aborted"  # by a person, or with its rollout
    REPLACED = "replaced"  # by another choice for the same code


class Start(StrEnum):
    AT_ONCE = "at-once"  # a connected adapter is told to pull
    NEXT_BOOT = "next-boot"  # it finds out when it pulls by itself


MOVES: dict[tuple[State, Event], State] = {
    (State.SCHEDULED, Event.BEGIN): State.ORDERED,
    (State.SCHEDULED, Event.WENT_WRONG): State.FAILED,
    (State.ORDERED, Event.CLOSE_WINDOW): State.SCHEDULED,
    (State.ORDERED, Event.GIVE_WAY): State.SCHEDULED,
    (State.ORDERED, Event.FETCHED): State.DOWNLOADING,
    (State.DOWNLOADING, Event.SENT): State.FLASHING,
    (State.DOWNLOADING, Event.STEPPED): State.ORDERED,
    (State.FLASHING, Event.STEPPED): State.ORDERED,
    (State.ORDERED, Event.STEPPED): State.ORDERED,
    (State.CHECKING, Event.CHECKED): State.GOOD,
    **{(state, Event.REPORTED): State.CHECKING for state in (State.ORDERED, State.DOWNLOADING, State.FLASHING)},
    **{
        (state, Event.WENT_WRONG): State.FAILED
        for state in (State.ORDERED, State.DOWNLOADING, State.FLASHING, State.CHECKING)
    },
    **{(state, Event.CANCEL): State.CANCELLED for state in (State.SCHEDULED, State.ORDERED, State.DOWNLOADING)},
    **{
        (state, Event.OVERTAKE): State.CANCELLED
        for state in (State.SCHEDULED, State.ORDERED, State.DOWNLOADING, State.FLASHING, State.CHECKING)
    },
}

OPEN = frozenset({State.SCHEDULED, State.ORDERED, State.DOWNLOADING, State.FLASHING, State.CHECKING})
"""The partial unique indexes say the same: one of these per code, and per adapter."""
UNDER_WAY = OPEN - {State.SCHEDULED}
ENDED = frozenset(State) - OPEN
CANCELLABLE = frozenset(state for state, event in MOVES if event is Event.CANCEL)
"""Until the whole image has gone out: after that the adapter may be writing it, and nobody can reach into that."""


def advance(state: State, event: Event) -> State | None:
    """The state after the event, None when the event changes nothing (repeated, late, out of order)."""
    return MOVES.get((state, event))


GIVES_WAY_AFTER = timedelta(hours=24)
"""An update that nobody has begun gives way to one of its pair that can begin at once; to any other one after so long
(A: four times the 6 hours within which every real client pulls), so that two of these do not take turns each second."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited. whole: from the order to pull, from the first pull, and from each new byte of the image, to
    the next one; after_sent: from the last byte, and from the report of the new version, to the next sign."""

    whole: timedelta = timedelta(seconds=3600)
    after_sent: timedelta = timedelta(seconds=1200)
