"""Staged rollouts of a firmware version: their life as data, when a wave is good enough, and when to stop at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MAX_ITEMS = 20_000
MAX_WAVES = 20
MAX_AT_ONCE = 5000
AT_ONCE = 50
"""Updates open at a time, unless it is said otherwise."""
CANARY = 5
SUCCESS = 0.98
STOP = 0.02
SOAK = timedelta(hours=24)
MAX_SOAK = timedelta(days=30)
SILENT_AFTER = timedelta(hours=24)
"""An adapter that is not connected and has not pulled for so long is waited for, and holds no wave up (A: four times
the 6 hours within which every real client pulls)."""
LOOK_FOR_NEWCOMERS = timedelta(seconds=60)
ENDED_BEFORE_STOPPING = 10
"""So many updates of a wave must have ended before their share tells something; see `too_many`."""


class Newcomers(StrEnum):
    """Codes that come to be as the selection wants them after it was planned."""

    IGNORE = "ignore"  # exactly the codes that were planned
    JOIN = "join"  # the last wave takes them


class State(StrEnum):
    PLANNED = "planned"  # every code is in a wave or left out with a reason; nothing is updated
    RUNNING = "running"  # updates of its wave are ordered, at_once of them open at a time
    SOAKING = "soaking"  # the wave has ended; whether its adapters stay well is waited for
    WAITING_APPROVAL = "waiting-approval"  # a person says whether the next wave begins
    PAUSED = "paused"  # by a person: no other update begins
    STOPPED = "stopped"  # by itself: failures, a missed gate, a withdrawn version, who runs it may not any more
    ABORTED = "aborted"  # by a person, for good
    FINISHED = "finished"  # the last wave has ended, and its adapters have stayed well


class Event(StrEnum):
    STARTED = "started"
    WAVE_ENDED = "wave ended"
    SOAKED = "soaked"
    APPROVAL_WANTED = "approval wanted"
    APPROVED = "approved"
    PAUSED = "paused"
    RESUMED = "resumed"
    ABORTED = "aborted"
    TOO_MANY_FAILED = "too many failed"
    GATE_MISSED = "gate missed"
    WITHDRAWN = "withdrawn"
    NOT_PERMITTED = "not permitted"
    MISTAKE = "mistake of the controller"
    ALL_ENDED = "all ended"


MOVES: dict[tuple[State, Event], State] = {
    (State.PLANNED, Event.STARTED): State.RUNNING,
    (State.PLANNED, Event.ABORTED): State.ABORTED,
    (State.PLANNED, Event.WITHDRAWN): State.STOPPED,
    (State.RUNNING, Event.WAVE_ENDED): State.SOAKING,
    (State.RUNNING, Event.PAUSED): State.PAUSED,
    (State.RUNNING, Event.ABORTED): State.ABORTED,
    (State.RUNNING, Event.TOO_MANY_FAILED): State.STOPPED,
    (State.RUNNING, Event.GATE_MISSED): State.STOPPED,
    (State.RUNNING, Event.WITHDRAWN): State.STOPPED,
    (State.RUNNING, Event.NOT_PERMITTED): State.STOPPED,
    (State.RUNNING, Event.MISTAKE): State.STOPPED,
    (State.SOAKING, Event.SOAKED): State.RUNNING,
    (State.SOAKING, Event.ALL_ENDED): State.FINISHED,
    (State.SOAKING, Event.APPROVAL_WANTED): State.WAITING_APPROVAL,
    (State.SOAKING, Event.PAUSED): State.PAUSED,
    (State.SOAKING, Event.ABORTED): State.ABORTED,
    (State.SOAKING, Event.GATE_MISSED): State.STOPPED,
    (State.SOAKING, Event.WITHDRAWN): State.STOPPED,
    (State.SOAKING, Event.NOT_PERMITTED): State.STOPPED,
    (State.SOAKING, Event.MISTAKE): State.STOPPED,
    (State.WAITING_APPROVAL, Event.APPROVED): State.RUNNING,
    (State.WAITING_APPROVAL, Event.PAUSED): State.PAUSED,
    (State.WAITING_APPROVAL, Event.ABORTED): State.ABORTED,
    (State.WAITING_APPROVAL, Event.WITHDRAWN): State.STOPPED,
    (State.PAUSED, Event.RESUMED): State.RUNNING,
    (State.PAUSED, Event.ABORTED): State.ABORTED,
    (State.PAUSED, Event.WITHDRAWN): State.STOPPED,
    (State.STOPPED, Event.RESUMED): State.RUNNING,
    (State.STOPPED, Event.ABORTED): State.ABORTED,
}

ENDED = frozenset({State.ABORTED, State.FINISHED})


class ItemState(StrEnum):
    SKIPPED = "skipped"  # left out: nothing is updated, and why says the reason
    WAITING = "waiting"  # for its wave, and its turn in it
    ORDERED = "ordered"  # an update of it is under way
    GOOD = "good"  # updated, and the connection check passed
    FAILED = "failed"  # the update failed, or the adapter did not stay well during the soak
    CANCELLED = "cancelled"  # a person cancelled the update, or the rollout was aborted before its turn
    NOT_NEEDED = "not-needed"  # when its turn came, the code's adapter ran the version already


class ItemEvent(StrEnum):
    ORDERED = "ordered"
    GOOD = "good"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CALLED_OFF = "called off"  # the update was not begun; the item has its turn again
    LEFT_OUT = "left out"
    NOT_NEEDED = "not needed"
    TRIED_AGAIN = "tried again"


ITEM_MOVES: dict[tuple[ItemState, ItemEvent], ItemState] = {
    (ItemState.WAITING, ItemEvent.ORDERED): ItemState.ORDERED,
    (ItemState.WAITING, ItemEvent.LEFT_OUT): ItemState.SKIPPED,
    (ItemState.WAITING, ItemEvent.NOT_NEEDED): ItemState.NOT_NEEDED,
    (ItemState.WAITING, ItemEvent.CANCELLED): ItemState.CANCELLED,
    (ItemState.ORDERED, ItemEvent.GOOD): ItemState.GOOD,
    (ItemState.ORDERED, ItemEvent.FAILED): ItemState.FAILED,
    (ItemState.ORDERED, ItemEvent.CANCELLED): ItemState.CANCELLED,
    (ItemState.ORDERED, ItemEvent.CALLED_OFF): ItemState.WAITING,
    (ItemState.ORDERED, ItemEvent.LEFT_OUT): ItemState.SKIPPED,
    (ItemState.GOOD, ItemEvent.FAILED): ItemState.FAILED,
    (ItemState.FAILED, ItemEvent.TRIED_AGAIN): ItemState.WAITING,
}


def advance(state: State, event: Event) -> State | None:
    """The state after the event, None when the event changes nothing."""
    return MOVES.get((state, event))


def states_before(event: Event) -> list[State]:
    """The states from which the event leads on."""
    return [state for state, possible in MOVES if possible is event]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What has become of one wave. size: items that are to be updated, ended ones included. cancelled: updates that
    people cancelled. Failed and cancelled ones count since somebody took note of failures and went on."""

    size: int
    good: int
    failed: int
    cancelled: int = 0

    @property
    def ended(self) -> int:
        return self.good + self.failed + self.cancelled


def too_many(outcomes: Outcomes, share: float) -> bool:
    """Whether so many have failed that no other update may begin.

    That is when the wave cannot end within the share any more, or, of a large wave, when more than the share of at
    least ENDED_BEFORE_STOPPING ended updates has failed: the first failure among thousands stops nothing by itself,
    the first among five canaries does.
    """
    if not outcomes.failed:
        return False
    tried = outcomes.good + outcomes.failed
    beyond_repair = outcomes.failed > share * outcomes.size
    return beyond_repair or (tried >= ENDED_BEFORE_STOPPING and outcomes.failed > share * tried)


def passes(outcomes: Outcomes, share: float) -> bool:
    """Whether the wave is good enough for the next one: a cancelled update proves nothing, so it counts against it.

    A wave in which nothing was to be done passes.
    """
    return outcomes.ended == 0 or outcomes.good >= share * outcomes.ended
