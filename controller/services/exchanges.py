"""Exchanges of every kind as people see them: opened, looked at, moved on (R3.1-R3.17).

Opening is exchange_opening.py, moving exchange_moving.py, what the clock does exchange_turn.py. A swap is ordered in
swap.py and is a case like the others from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from controller.domain.access import Caller, require_contract
from controller.domain.errors import NotFound
from controller.domain.exchange import WAITS, Actor, Kind, State
from controller.services.exchange_effects import Given
from controller.services.exchange_moving import Moved, OutOfOrder, Preview, advance, preview
from controller.services.exchange_opening import Expected, Opened, Report, open_case, preview_case
from controller.services.exchange_turn import turn
from controller.store import exchange_cases, exchange_pages
from controller.store.pool import Database, Row

__all__ = [
    "Expected",
    "Given",
    "Moved",
    "Opened",
    "OutOfOrder",
    "Preview",
    "Report",
    "advance",
    "open_case",
    "preview",
    "preview_case",
    "turn",
]

MOST_MOVES = 1_000


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
    """Which exchanges; None: all. contract: of this one. code: entry or standby. adapter: the old or the new one.

    open: something is still expected. overdue: open, and its deadline has passed. due_before: open, and its deadline
    is earlier than this. stuck: open, and the controller could not do what was due; its `why` says what is in the way.
    """

    kind: Kind | None = None
    contract: str | None = None
    code: str | None = None
    adapter: str | None = None
    state: State | None = None
    open: bool | None = None
    overdue: bool = False
    due_before: datetime | None = None
    stuck: bool = False


async def one(db: Database, exchange: int, caller: Caller) -> Row:
    """All columns of one exchange, and `code`. Raises NotFound."""
    async with db.connection() as connection:
        row = await exchange_cases.one(connection, exchange)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="exchange", name=exchange)
    require_contract(caller, row["contract"], "exchange", str(exchange))
    return row


async def journal(db: Database, exchange: int) -> list[Row]:
    """Its moves, oldest first: at, event, from_state, to_state, account, role, note, data. At most MOST_MOVES.

    Whether the caller may see it: ask `one` first.
    """
    return await exchange_cases.journal(db, exchange, limit=MOST_MOVES)


async def reminders(db: Database, exchange: int) -> list[Row]:
    """what, due_at, done_at, in the order of due_at. As `journal`."""
    return await exchange_cases.reminders(db, exchange)


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
    until = [moment for moment in (wanted.due_before, now if wanted.overdue else None) if moment is not None]
    asked = {
        "contract": caller.within(wanted.contract),
        "state": wanted.state,
        "code": wanted.code,
        "adapter": wanted.adapter,
        "due_before": min(until, default=None),
    }
    return await exchange_pages.page(
        *(db, asked),
        kind=wanted.kind,
        is_open=wanted.open,
        is_stuck=wanted.stuck,
        by_deadline=order == "deadline",
        after=after,
        limit=limit,
    )


def waits_for(row: Mapping[str, Any] | Row, now: datetime) -> Waiting | None:
    """What the exchange waits for; None when it has ended. row: with kind, state, deadline_at."""
    wait = WAITS.get((Kind(row["kind"]), State(row["state"])))
    if wait is None:
        return None
    until: datetime | None = row["deadline_at"]
    return Waiting(wait.who, wait.what, until, until is not None and until < now)
