"""When the desk receives what, on which channel, and when it handles it (R1.3), as one table.

A combination that the table does not have does not exist. Hours are [opening, closing) in Japan: 19:00:00 is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from controller.domain.calendar import LAST, Calendar, day_of, midnight, within
from controller.domain.errors import JST, Invalid


class Topic(StrEnum):
    FAILURE = "failure"  # サービスの障害
    HOW_TO = "how-to"  # サービスの利用方法; faults of adapters are reported under it (R1.5)
    ON_SITE = "on-site"  # 駆けつけ交換, needs the Ultra Send-back option (R3.15)
    CONTRACT = "contract"  # 契約や手続き


class Channel(StrEnum):
    PHONE = "phone"
    WEB = "web"
    MAIL = "e-mail"


@dataclass(frozen=True, slots=True)
class Hours:
    """From opens to before closes, in Japan; closes None: until midnight. weekdays: business days only."""

    opens: time = time(0)
    closes: time | None = None
    weekdays: bool = False

    @property
    def always(self) -> bool:
        return self == Hours()


@dataclass(frozen=True, slots=True)
class Desk:
    """reception: when it is taken in. handling: when somebody works on it."""

    reception: Hours
    handling: Hours


ALWAYS: Final = Hours()
DAYTIME: Final = Hours(time(9), time(19))
OFFICE: Final = Hours(time(9), time(17, 30), weekdays=True)

HOURS: Final[Mapping[tuple[Topic, Channel], Desk]] = {
    (Topic.FAILURE, Channel.PHONE): Desk(ALWAYS, ALWAYS),
    (Topic.HOW_TO, Channel.WEB): Desk(ALWAYS, DAYTIME),
    (Topic.HOW_TO, Channel.MAIL): Desk(ALWAYS, DAYTIME),
    (Topic.HOW_TO, Channel.PHONE): Desk(DAYTIME, DAYTIME),
    (Topic.ON_SITE, Channel.PHONE): Desk(ALWAYS, ALWAYS),
    (Topic.CONTRACT, Channel.WEB): Desk(ALWAYS, OFFICE),
    (Topic.CONTRACT, Channel.MAIL): Desk(ALWAYS, OFFICE),
    (Topic.CONTRACT, Channel.PHONE): Desk(OFFICE, OFFICE),
}


def desk(topic: Topic, channel: Channel) -> Desk:
    """The hours of the combination. Raises Invalid when it does not exist; the sentence names what to do instead."""
    found = HOURS.get((topic, channel))
    if found is None:
        ways = [other.value for about, other in HOURS if about is topic]
        raise Invalid(
            "The desk does not take this by {channel}: {topic}.",
            next_step="It takes it by: {ways}.",
            topic=topic,
            channel=channel,
            ways=ways,
        )
    return found


def receives(topic: Topic, channel: Channel, at: datetime, calendar: Calendar) -> bool:
    """True when what comes at this moment is received. Raises Invalid (no such combination, a year not known)."""
    return is_open(desk(topic, channel).reception, at, calendar)


def is_open(hours: Hours, at: datetime, calendar: Calendar) -> bool:
    """True when the hours hold at this moment. Raises Invalid for a year not known."""
    day = day_of(at)
    if hours.weekdays and calendar.closed(day) is not None:
        return False
    clock = at.astimezone(JST).time()
    return hours.opens <= clock and (hours.closes is None or clock < hours.closes)


def next_opening(topic: Topic, channel: Channel, at: datetime, calendar: Calendar) -> datetime:
    """The first moment from `at` on, in UTC, at which it is received: `at` itself when it is open.

    Raises Invalid (no such combination, a year not known, no business day in a whole year).
    """
    hours = desk(topic, channel).reception
    return opening(hours, at, calendar)


def opening(hours: Hours, at: datetime, calendar: Calendar) -> datetime:
    """The first moment from `at` on, in UTC, at which the hours hold. Raises Invalid."""
    if is_open(hours, at, calendar):
        return at.astimezone(UTC)
    today = day_of(at)
    first = _opens(hours, today)
    if at < first and not (hours.weekdays and calendar.closed(today) is not None):
        return first
    return _opens(hours, _day_after(hours, today, calendar))


def _opens(hours: Hours, day: date) -> datetime:
    return midnight(day) + timedelta(hours=hours.opens.hour, minutes=hours.opens.minute)


def _day_after(hours: Hours, day: date, calendar: Calendar) -> date:
    if hours.weekdays:
        return calendar.after(day, 1)
    return within(day + timedelta(1)) if day < LAST else within(date(LAST.year + 1, 1, 1))


def received_on(at: datetime, channel: Channel, calendar: Calendar, topic: Topic = Topic.HOW_TO) -> date:
    """The day in Japan for which a report counts: that of its receipt within the reception hours (R3.4).

    A phone call at 20:00 counts for the next day; a form at 03:00 on a Sunday for that Sunday. Faults of adapters come
    under how-to (R1.5), an on-site exchange is a topic of its own. Raises as `next_opening`.
    """
    return day_of(next_opening(topic, channel, at, calendar))
