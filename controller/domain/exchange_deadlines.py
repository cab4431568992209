"""By when the next thing in a case should have happened, and when its registration is changed by rule: policy, as data.

All of it is A (an assumption of ours): the specification knows only R3.4 (when it arrives), R3.6 (between dispatch and
arrival) and R3.9 (30 days). Nothing here stops anybody: what is late is listed and announced, and still may happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from controller.domain.calendar import Calendar, day_of, midnight
from controller.domain.delivery import BUSINESS_DAYS
from controller.domain.exchange import Kind, State
from controller.domain.sentence import Sentence, sentence


class ChangeRule(StrEnum):
    """When the registration of a dispatched case changes (R3.6). A replacement that calls home is not kept waiting:
    except by hand, the registration changes when it does."""

    BEFORE_ARRIVAL = "before-arrival"  # at 00:00 in Japan of the day on which it is to arrive
    AT_DISPATCH = "at-dispatch"
    BY_HAND = "by-hand"  # the desk says when


@dataclass(frozen=True, slots=True)
class Hours:
    """So many hours, night and day: on-site exchange is handled round the clock (R1.3)."""

    n: int


@dataclass(frozen=True, slots=True)
class BusinessDays:
    """Until midnight, in Japan, of the nth business day after."""

    n: int


WITHIN: Final[dict[tuple[Kind, State], Hours | BusinessDays]] = {
    (Kind.SEND_BACK, State.REPORTED): BusinessDays(1),
    (Kind.SEND_BACK, State.RECOGNISED): BusinessDays(1),
    (Kind.SEND_BACK, State.RETURNED): BusinessDays(3),
    (Kind.ON_SITE, State.REQUESTED): Hours(4),
    (Kind.ON_SITE, State.RECOGNISED): Hours(4),
    (Kind.ON_SITE, State.DRIVER_ASSIGNED): Hours(4),
    (Kind.ON_SITE, State.REGISTRATION_CHANGED): Hours(8),
    (Kind.ON_SITE, State.BOOT_CONFIRMED): Hours(8),
    (Kind.ON_SITE, State.COLLECTED): BusinessDays(3),
    (Kind.RETURN, State.RECEIVED): BusinessDays(1),
    (Kind.RETURN, State.REGISTERED): BusinessDays(3),
}
"""From the moment the state was entered. The others go by the days of delivery and return, see `due`."""


def due(
    kind: Kind,
    state: State,
    now: datetime,
    calendar: Calendar,
    *,
    arrives_on: date | None = None,
    change_at: datetime | None = None,
    return_due_at: datetime | None = None,
) -> datetime | None:
    """By when, in UTC, the next thing should happen to a case that enters the state now; None: nothing is awaited.

    arrives_on: the delivery estimate; change_at: when the registration changes by rule; return_due_at: R3.9.
    Raises Invalid for a year that the calendar does not know.
    """
    match WITHIN.get((kind, state)), state:
        case Hours(n), _:
            return now + timedelta(hours=n)
        case BusinessDays(n), _:
            return _end(calendar.after(day_of(now), n))
        case None, State.DISPATCHED if change_at or arrives_on:
            return change_at or midnight(arrives_on or day_of(now))
        case None, State.REGISTRATION_CHANGED if arrives_on:
            return max(_end(arrives_on), now)
        case None, State.DELIVERED | State.OVERDUE | State.WAITING:
            return return_due_at
        case _:
            return None


def arrives(received_on: date, dispatched: datetime, calendar: Calendar) -> date:
    """The 4th business day after the day of receipt (R3.4), or after that of the dispatch when it came later."""
    return calendar.after(max(received_on, day_of(dispatched)), BUSINESS_DAYS)


def change_at(rule: ChangeRule, kind: Kind, now: datetime, arrives_on: date | None) -> datetime | None:
    """When the clock changes the registration of what is dispatched now; None: when somebody says so.

    A driver's visit has no day of arrival: before it, the desk says when the response starts (R3.16).
    """
    match rule:
        case ChangeRule.AT_DISPATCH:
            return now
        case ChangeRule.BEFORE_ARRIVAL if arrives_on is not None and kind is not Kind.ON_SITE:
            return max(midnight(arrives_on), now)
        case _:
            return None


def announced(
    rule: ChangeRule, arrives_on: date | None, change_at: datetime | None, **about: object
) -> tuple[Sentence, ...]:
    """When a replacement that is dispatched arrives (R3.4), and when the registration changes (R3.6), in words.

    about: adapter, code, exchange.
    """
    arrival = (sentence("{adapter} arrives on {day}.", day=arrives_on, **about),) if arrives_on else ()
    if rule is ChangeRule.AT_DISPATCH:
        return (*arrival, sentence("The registration of {code} changes to it at once.", **about))
    if change_at is not None:
        change = sentence(
            "The registration of {code} changes to it at {at}, or when it calls home, if that is earlier.",
            at=change_at,
            **about,
        )
        return (*arrival, change)
    change = sentence(
        "The registration of {code} changes to it when the desk says so: "
        "hikitsugi exchange advance {exchange} change-registration."
        if rule is ChangeRule.BY_HAND
        else "The registration of {code} changes to it when it calls home, or when the desk says so: "
        "hikitsugi exchange advance {exchange} change-registration.",
        **about,
    )
    return (*arrival, change)


def _end(day: date) -> datetime:
    return midnight(day + timedelta(1)) - timedelta(seconds=1)
