"""A case begins: an operator's report of a faulty adapter, taken in by the desk (R3.1, R3.3, R3.5, R3.15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.domain.access import Caller
from controller.domain.calendar import Calendar
from controller.domain.exchange import Kind, State
from controller.domain.sentence import Sentence
from controller.store.pool import Database


@dataclass(frozen=True, slots=True)
class Report:
    """What the desk took down. code: the entry or standby that the faulty adapter sits on.

    fault: what the customer saw, 1 to 2,000 characters; never a cause (R3.2). channel: phone, web or e-mail (R1.3).
    address: where the replacement goes, "" for the contract's (R3.5). reported_by: account of the contract's operator
    who reported it, "" when nobody wrote it down (R1.2).
    """

    kind: Kind
    code: str
    fault: str
    channel: str
    received_at: datetime
    address: str = ""
    reported_by: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """state: reported or requested; or declined, and why (R3.1)."""

    id: int
    state: State
    why: Sentence | None = None


async def open_case(db: Database, report: Report, calendar: Calendar, *, caller: Caller, now: datetime) -> Opened:
    """Open a send-back or on-site exchange. Collecting evidence begins in the same transaction.

    Raises NotFound, Forbidden (not the desk), Invalid (each thing that is wrong), Conflict (the unit has an open case).
    """
    raise NotImplementedError
