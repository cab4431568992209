"""Firmware updates as people ask for them: chosen, previewed, ordered, cancelled, looked at (R4.2, R4.3, R3.14).

What moves an ordered update on is services/firmware_turn.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.domain.access import Caller
from controller.domain.firmware_update import Start, State
from controller.domain.sentence import Sentence
from controller.domain.update_window import ANY_TIME, Schedule
from controller.store.pool import Connection, Database, Row


@dataclass(frozen=True, slots=True)
class Order:
    """One update as it is asked for.

    downgrade: an older version than the adapter runs is meant. start: at once a connected adapter is told to pull.
    replace: an open update of the code that may still be cancelled gives way; else it is refused.
    rollout, wave: whose it is; None: a person's.
    """

    code: str
    version: str
    schedule: Schedule = ANY_TIME
    downgrade: bool = False
    start: Start = Start.AT_ONCE
    replace: bool = False
    rollout: int | None = None
    wave: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ordered:
    """What was, or would be, ordered. update: None in a preview. path: versions it goes through, the last is the one
    asked for. due_at: when it may begin. waits: what else it waits for, None when nothing."""

    update: int | None
    code: str
    contract: str
    adapter: str
    from_version: str
    version: str
    path: tuple[str, ...]
    state: State
    due_at: datetime
    waits: Sentence | None = None


async def order(db: Database, asked: Order, *, caller: Caller, now: datetime) -> Ordered:
    """Order an update in a transaction of its own, and begin it when its time has come.

    Raises NotFound (code, version), Invalid (does not fit the hardware; below what it may be updated from), Conflict
    (no adapter, locked out, a cold spare, runs it already, an older version without `downgrade`, another update is
    open, withdrawn, too late). A refusal is recorded.
    """
    raise NotImplementedError


async def order_within(tx: Connection, asked: Order, *, caller: Caller, now: datetime) -> Ordered:
    """As `order`, in the caller's transaction, and scheduled only: the turn begins it within a second. Several in one
    transaction: in the order of their codes. A refusal is raised and not recorded."""
    raise NotImplementedError


async def preview(db: Database, asked: Order, *, caller: Caller, now: datetime) -> Ordered:
    """What `order` would do. Changes nothing. Raises as `order`."""
    raise NotImplementedError


async def choose(
    db: Database, code: str, version: str | None, *, downgrade: bool, caller: Caller, now: datetime
) -> None:
    """The code's target from now on (R4.2): an update at the next boot, whatever is open gives way. None: as it comes.

    A version that the adapter runs already only becomes the target. Raises as `order`.
    """
    raise NotImplementedError


async def cancel(db: Database, update: int, *, reason: str, caller: Caller, now: datetime) -> Row:
    """Cancel one that is not flashing yet; the code's target becomes what its adapter runs. Returns it as `one` does.

    Raises NotFound, Conflict (it flashes, or has ended).
    """
    raise NotImplementedError


async def cancel_within(tx: Connection, updates: list[int], why: Sentence, *, caller: Caller, now: datetime) -> int:
    """Cancel those of these (a rollout's) that are not flashing yet; how many. For a transaction of the caller's."""
    raise NotImplementedError


async def cancel_all_of(
    tx: Connection, series: str, version: str, why: Sentence, *, caller: Caller, now: datetime
) -> int:
    """The version is withdrawn (R4.3): every open update to or through it that is not flashing yet ends; how many.

    Call it before other rows of `code` are changed in the same transaction.
    """
    raise NotImplementedError


async def one(db: Database, update: int, *, contract: str | None) -> Row | None:
    """One update with its bytes; None when unknown or of another contract than this."""
    raise NotImplementedError


async def page(
    db: Database,
    *,
    contract: str | None,
    code: str | None,
    state: State | None,
    rollout: int | None,
    before: int | None,
    limit: int,
) -> list[Row]:
    """Newest first, as `one`. before: id of the last one already seen."""
    raise NotImplementedError
