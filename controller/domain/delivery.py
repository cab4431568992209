"""When a replacement arrives: the 4th business day after the day of receipt, "3 days in between" (R3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from controller.domain.calendar import Calendar
from controller.domain.reception import Channel, Topic, received_on

BUSINESS_DAYS = 4


@dataclass(frozen=True, slots=True)
class Counted:
    """One day on the way. counts: it is a business day. why: it is not; None when it is."""

    day: date
    counts: bool
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """received_on: the day that the report counts for. days: each from the day after it up to `arrives`."""

    received_on: date
    arrives: date
    days: tuple[Counted, ...]


def delivery(
    received: datetime,
    channel: Channel,
    calendar: Calendar,
    *,
    topic: Topic = Topic.HOW_TO,
    language: str = "en",
) -> Delivery:
    """The estimate for a report that came at `received` on that channel.

    language: of the reasons, en or ja. Raises Invalid (no such combination of topic and channel, a year not known).
    """
    return from_day(received_on(received, channel, calendar, topic), calendar, language)


def from_day(day: date, calendar: Calendar, language: str = "en") -> Delivery:
    """The estimate counted from a day, received or dispatched. Raises Invalid for a year not known."""
    arrives = calendar.after(day, BUSINESS_DAYS)
    between = (day + timedelta(n) for n in range(1, (arrives - day).days + 1))
    reasons = ((each, calendar.closed(each, language)) for each in between)
    return Delivery(day, arrives, tuple(Counted(each, why is None, why) for each, why in reasons))
