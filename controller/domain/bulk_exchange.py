"""Many swaps from one file: the lives of the whole and of a row as data, and which rows may be exchanged at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

MAX_ROWS = 20_000
MAX_AT_ONCE = 1000
AT_ONCE = 20
"""Exchanges open at a time, unless it is said otherwise: what a crew can plug in, with some ahead."""


class State(StrEnum):
    PLANNED = "planned"  # judged and told, nothing has been exchanged
    RUNNING = "running"  # its rows are exchanged, at_once of them open at a time
    PAUSED = "paused"  # by a person: no other row begins
    STOPPED = "stopped"  # by itself: too many rows failed, or who runs it may not any more
    ABORTED = "aborted"  # by a person, for good: what waits is cancelled, what was exchanged stays
    FINISHED = "finished"  # every row has ended


class Event(StrEnum):
    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    ABORTED = "aborted"
    TOO_MANY_FAILED = "too many failed"
    NOT_PERMITTED = "not permitted"
    ALL_ENDED = "all ended"


MOVES: dict[tuple[State, Event], State] = {
    (State.PLANNED, Event.STARTED): State.RUNNING,
    (State.PLANNED, Event.ABORTED): State.ABORTED,
    (State.RUNNING, Event.PAUSED): State.PAUSED,
    (State.RUNNING, Event.ABORTED): State.ABORTED,
    (State.RUNNING, Event.TOO_MANY_FAILED): State.STOPPED,
    (State.RUNNING, Event.NOT_PERMITTED): State.STOPPED,
    (State.RUNNING, Event.ALL_ENDED): State.FINISHED,
    (State.PAUSED, Event.RESUMED): State.RUNNING,
    (State.PAUSED, Event.ABORTED): State.ABORTED,
    (State.STOPPED, Event.RESUMED): State.RUNNING,
    (State.STOPPED, Event.ABORTED): State.ABORTED,
}

ENDED = frozenset({State.ABORTED, State.FINISHED})


class RowState(StrEnum):
    REFUSED = "refused"  # when it was planned: it will not be tried
    WAITING = "waiting"  # for its turn
    PRE_FLIGHT = "pre-flight"  # it names a fault: evidence is collected, then it is ordered
    EXCHANGED = "exchanged"  # the registrations are; its exchange says the rest
    FAILED = "failed"  # refused when its turn came; nothing was changed
    CANCELLED = "cancelled"  # the bulk exchange was aborted before its turn


class RowEvent(StrEnum):
    ORDERED = "ordered"
    EVIDENCE_ASKED = "evidence asked"
    REFUSED = "refused"
    ABORTED = "aborted"


ROW_MOVES: dict[tuple[RowState, RowEvent], RowState] = {
    (RowState.WAITING, RowEvent.ORDERED): RowState.EXCHANGED,
    (RowState.WAITING, RowEvent.EVIDENCE_ASKED): RowState.PRE_FLIGHT,
    (RowState.WAITING, RowEvent.REFUSED): RowState.FAILED,
    (RowState.WAITING, RowEvent.ABORTED): RowState.CANCELLED,
    (RowState.PRE_FLIGHT, RowEvent.ORDERED): RowState.EXCHANGED,
    (RowState.PRE_FLIGHT, RowEvent.REFUSED): RowState.FAILED,
    (RowState.PRE_FLIGHT, RowEvent.ABORTED): RowState.CANCELLED,
}


def advance(state: State, event: Event) -> State | None:
    """The state after the event, None when the event changes nothing."""
    return MOVES.get((state, event))


def states_before(event: Event) -> list[State]:
    """The states from which the event leads on."""
    return [state for state, possible in MOVES if possible is event]


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of the file. line: where it stands, from 1; of JSON its place in the list."""

    line: int
    entry: str
    standby: str
    reason: str = ""
    fault: str = ""

    @property
    def codes(self) -> tuple[str, str]:
        return self.entry, self.standby


class Named(Protocol):
    """A row. partners: of its codes, of an entry its designated standby, of a standby the entries it stands by for."""

    @property
    def codes(self) -> tuple[str, str]: ...
    @property
    def partners(self) -> Sequence[str]: ...


Candidate = TypeVar("Candidate", bound=Named)


def apart(rows: Iterable[Candidate]) -> list[Candidate]:
    """Those that may be exchanged at the same time: never both of an entry and its standby, and no code twice.

    Of rows that are in each other's way the first one goes, so their order is that of the file.
    """
    named: set[str] = set()
    chosen = []
    for row in rows:
        if named.isdisjoint((*row.codes, *row.partners)):
            chosen.append(row)
        named.update(row.codes)
    return chosen
