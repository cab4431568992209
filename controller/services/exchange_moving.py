"""A case goes on: one event, checked against the tables of domain/exchange.py, with everything that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.domain.access import Caller
from controller.domain.calendar import Calendar
from controller.domain.exchange import Event, State
from controller.domain.exchange_deadlines import ChangeRule
from controller.store.pool import Database
from controller.store.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Given:
    """What comes with an event; "" and None for what does not. adapter: serial of the replacement.

    shipment: the carrier's number. address: where it goes instead (R3.5). at: when it happened, if not now.
    reason: for decisions that need one. note: anything else worth keeping; it goes into the journal.
    """

    adapter: str = ""
    driver: str = ""
    reason: str = ""
    note: str = ""
    shipment: str = ""
    address: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """already: the event had led here before; nothing was done again."""

    from_state: State
    to_state: State
    already: bool = False


async def advance(
    db: Database,
    vault: Secrets,
    exchange: int,
    event: Event,
    given: Given,
    calendar: Calendar,
    *,
    caller: Caller,
    now: datetime,
    expect: State | None = None,
    rule: ChangeRule = ChangeRule.BEFORE_ARRIVAL,
) -> Moved:
    """Let the event happen, once: the same again on the state that it led to changes nothing.

    expect: the state that the caller believes it is in. rule: when a dispatched case's registration changes.
    Raises NotFound, Forbidden (whose event it is), Invalid (what is not given), Conflict (out of order, or the state of
    things forbids it; the sentence says what it waits for).
    """
    raise NotImplementedError
