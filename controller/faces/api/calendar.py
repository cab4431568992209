"""Business days, reception hours, delivery estimates, and the company's holidays (R1.3, R3.4)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated

from pydantic import Field

from controller.domain.calendar import LAST, day_of, within
from controller.domain.delivery import delivery
from controller.domain.reception import HOURS, Channel, Hours, Topic, next_opening, receives
from controller.faces.api.context import ADMINISTRATOR, PEOPLE, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route
from controller.faces.http.payload import Answer, Moment, Payload
from controller.services import calendar as service
from controller.store import calendar as store

SHOWN = timedelta(days=30)
"""So many days follow the first one when no end is given."""


class Day(Answer):
    day: date
    business_day: bool
    why: str | None
    """Why it is none: Saturday, Sunday, the holiday's name."""


async def show_days(
    call: Call,
    paging: Paging[date],
    context: Context,
    since: Annotated[date | None, Query("first day; today without it")] = None,
    until: Annotated[date | None, Query("last day; 30 days later without it")] = None,
) -> Page[Day]:
    """Days in Japan, one by one."""
    calendar = await service.current(context.db)
    first = within(since or day_of(context.clock()))
    last = within(until) if until else min(first + SHOWN, LAST)
    if paging.after is not None:
        first = max(first, within(paging.after) + timedelta(1))
    days = [first + timedelta(n) for n in range(min((last - first).days + 1, paging.rows))]

    def view(day: date) -> Day:
        why = calendar.closed(day, call.language)
        return Day(day=day, business_day=why is None, why=why)

    return Page[Day].of(days, paging, lambda day: day, view)


class CountedDay(Answer):
    day: date
    counts: bool
    why: str | None
    """Why it does not count."""


class DeliveryEstimate(Answer):
    received: datetime
    channel: Channel
    topic: Topic
    received_on: date
    """The day for which the report counts: that of its receipt within the reception hours."""
    arrives: date
    """The 4th business day after it (R3.4)."""
    days: list[CountedDay]
    """Each day after it, up to the day of arrival."""


async def estimate_delivery(
    call: Call,
    context: Context,
    received: Annotated[Moment | None, Query("when the report came; now without it")] = None,
    channel: Annotated[Channel, Query("how it came")] = Channel.PHONE,
    topic: Annotated[Topic, Query("whose reception hours hold")] = Topic.HOW_TO,
) -> DeliveryEstimate:
    """When the replacement for a fault reported at that time arrives."""
    calendar = await service.current(context.db)
    at = received or context.clock()
    estimate = delivery(at, channel, calendar, topic=topic, language=call.language)
    days = [CountedDay(day=each.day, counts=each.counts, why=each.why) for each in estimate.days]
    return DeliveryEstimate(
        received=at,
        channel=channel,
        topic=topic,
        received_on=estimate.received_on,
        arrives=estimate.arrives,
        days=days,
    )


class OpenHours(Answer):
    opens: time
    closes: time | None
    """null: midnight."""
    weekdays: bool
    """On business days only."""


class DeskHours(Answer):
    topic: Topic
    channel: Channel
    reception: OpenHours
    """When it is taken in."""
    handling: OpenHours
    """When somebody works on it."""
    open: bool
    """It is taken in now."""
    next_opening: datetime
    """The first moment from now on at which it is taken in."""


def _hours(hours: Hours) -> OpenHours:
    return OpenHours(opens=hours.opens, closes=hours.closes, weekdays=hours.weekdays)


async def list_hours(
    call: Call,
    context: Context,
    at: Annotated[Moment | None, Query("instead of now")] = None,
) -> list[DeskHours]:
    """Every topic and channel that there is (R1.3)."""
    calendar = await service.current(context.db)
    now = at or context.clock()
    return [
        DeskHours(
            topic=topic,
            channel=channel,
            reception=_hours(desk.reception),
            handling=_hours(desk.handling),
            open=receives(topic, channel, now, calendar),
            next_opening=next_opening(topic, channel, now, calendar),
        )
        for (topic, channel), desk in HOURS.items()
    ]


class Holiday(Answer):
    day: str
    """12-29: every year. 2027-05-01: once, and before what holds every year."""
    name: str
    works: bool
    """A business day although weekday or public holiday say otherwise."""
    account: str
    """Who changed it last."""
    changed_at: datetime


async def list_holidays(call: Call, paging: Paging[str], context: Context) -> Page[Holiday]:
    """The company's own days, by day. Public holidays are not among them."""
    rows = await store.page(context.db, after=paging.after, limit=paging.rows)
    return Page[Holiday].of(rows, paging, lambda row: row["day"], Holiday.from_row)


class HolidayContent(Payload):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    works: bool = False
    """true: a business day although weekday or public holiday say otherwise."""


OwnDay = Annotated[str, Path("12-29 for every year, 2027-05-01 for one"), Field(max_length=10)]


async def keep_holiday(call: Call, day: OwnDay, body: HolidayContent, context: Context) -> None:
    """Keep a day of the company's own, instead of what was kept for it."""
    now = context.clock()
    await service.keep(context.db, day, body.name, works=body.works, caller=call.caller, now=now)


async def drop_holiday(call: Call, day: OwnDay, context: Context) -> None:
    """Weekday and public holidays hold again."""
    await service.forget(context.db, day, caller=call.caller, now=context.clock())


_TAGS = ("calendar",)

ROUTES = (
    Route("GET", "/calendar", show_days, roles=PEOPLE, summary="Business days", tags=_TAGS),
    Route("GET", "/calendar/delivery", estimate_delivery, roles=PEOPLE, summary="Delivery estimate", tags=_TAGS),
    Route("GET", "/calendar/hours", list_hours, roles=PEOPLE, summary="Reception hours", tags=_TAGS),
    Route("GET", "/calendar/holidays", list_holidays, roles=PEOPLE, summary="The company's days", tags=_TAGS),
    Route("PUT", "/calendar/holidays/{day}", keep_holiday, roles=ADMINISTRATOR, summary="Keep a day", tags=_TAGS),
    Route("DELETE", "/calendar/holidays/{day}", drop_holiday, roles=ADMINISTRATOR, summary="Drop a day", tags=_TAGS),
)
