"""Exchanges of every kind as people see them: opened, looked at, moved on (R3.1-R3.17).

Opening is exchange_opening.py, moving exchange_moving.py, what the clock does exchange_turn.py. A swap is ordered in
swap.py and is a case like the others from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from controller.domain.access import Caller
from controller.domain.calendar import Calendar
from controller.domain.exchange import Actor, Kind, State
from controller.services.exchange_moving import Given, Moved, advance
from controller.services.exchange_opening import Opened, Report, open_case
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets

__all__ = ["Given", "Moved", "Opened", "Report", "advance", "open_case"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What happens next: who must act, what (English, the key of its translation), and by when; None: no time is set.

    overdue: `until` has passed.
    """

    who: Actor
    what: str
    until: datetime | None
    overdue: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases; None: all. contract: of this one. code: entry or standby. adapter: the old or the new one.

    open: something is still expected. overdue: open, and its deadline passed before `now`. due_before: open, and its
    deadline is earlier than this.
    """

    kind: Kind | None = None
    contract: str | None = None
    code: str | None = None
    adapter: str | None = None
    state: State | None = None
    open: bool | None = None
    overdue: bool = False
    due_before: datetime | None = None


async def one(db: Database, exchange: int, caller: Caller) -> Row:
    """All columns of one exchange, and `code`. Raises NotFound."""
    raise NotImplementedError


async def journal(db: Database, exchange: int) -> list[Row]:
    """Its moves, oldest first: at, event, from_state, to_state, account, role, note, data. At most 1,000."""
    raise NotImplementedError


async def reminders(db: Database, exchange: int) -> list[Row]:
    """what, due_at, done_at, in the order of due_at."""
    raise NotImplementedError


async def page(
    db: Database,
    wanted: Filter,
    *,
    caller: Caller,
    now: datetime,
    order: Literal["newest", "deadline"] = "newest",
    after: tuple[datetime | None, int] | None = None,
    limit: int,
) -> list[Row]:
    """Exchanges the caller may see, columns as of `one`. after: (deadline_at, id) of the last one already seen.

    newest: by id, descending; only the id of `after` counts. deadline: open ones by deadline_at, then id; those
    without a deadline are not among them.
    """
    raise NotImplementedError


def waits_for(row: Mapping[str, Any] | Row, now: datetime) -> Waiting | None:
    """What the exchange waits for; None when it has ended. row: with kind, state, deadline_at."""
    raise NotImplementedError


async def preview(
    db: Database, exchange: int, event: str, given: Given, calendar: Calendar, *, caller: Caller, now: datetime
) -> Any:
    """What `advance` would do to the registration, without doing it. Raises what it would raise."""
    raise NotImplementedError


async def turn(db: Database, vault: Secrets, calendar: Calendar, *, now: datetime) -> None:
    """What the clock does; see exchange_turn.py."""
    raise NotImplementedError
