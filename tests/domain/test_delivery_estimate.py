"""The 4th business day after the day of receipt (R3.4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.calendar import DEFAULT, Calendar, CompanyDay, day_of
from controller.domain.delivery import BUSINESS_DAYS, delivery, from_day
from controller.domain.errors import JST, Invalid
from controller.domain.reception import Channel, Topic

PHONE, WEB, MAIL = Channel.PHONE, Channel.WEB, Channel.MAIL

TABLE = [
    # the seven weekdays, no holidays involved: the table of R3.4
    ("2026-06-01T12:00", PHONE, "2026-06-05"),  # Mon → Fri
    ("2026-06-02T12:00", PHONE, "2026-06-08"),  # Tue → next Mon
    ("2026-06-03T12:00", PHONE, "2026-06-09"),  # Wed → next Tue
    ("2026-06-04T12:00", PHONE, "2026-06-10"),  # Thu → next Wed
    ("2026-06-05T12:00", PHONE, "2026-06-11"),  # Fri → next Thu
    ("2026-06-06T12:00", PHONE, "2026-06-11"),  # Sat → next Thu
    ("2026-06-07T12:00", PHONE, "2026-06-11"),  # Sun → next Thu
    # before and after hours
    ("2026-06-01T08:59:59", PHONE, "2026-06-05"),
    ("2026-06-01T09:00", PHONE, "2026-06-05"),
    ("2026-06-01T18:59:59", PHONE, "2026-06-05"),
    ("2026-06-01T19:00", PHONE, "2026-06-08"),  # counts for Tuesday
    ("2026-06-04T23:59", PHONE, "2026-06-11"),  # ... for Friday
    ("2026-06-05T19:00", PHONE, "2026-06-11"),  # ... for Saturday: nothing lost
    ("2026-06-07T19:00", PHONE, "2026-06-12"),  # ... for Monday
    ("2026-06-01T23:59:59", WEB, "2026-06-05"),  # a form is received at night
    ("2026-06-02T00:00", MAIL, "2026-06-08"),
    ("2026-06-07T23:59:59", WEB, "2026-06-11"),
    # year-end: 29 Dec-3 Jan are the company's
    ("2026-12-22T12:00", PHONE, "2026-12-28"),
    ("2026-12-25T12:00", PHONE, "2027-01-06"),
    ("2026-12-28T12:00", PHONE, "2027-01-07"),
    ("2026-12-28T19:00", PHONE, "2027-01-07"),
    ("2026-12-31T23:59", WEB, "2027-01-07"),
    ("2027-01-03T12:00", PHONE, "2027-01-07"),
    ("2027-01-03T19:00", PHONE, "2027-01-08"),
    ("2027-01-07T12:00", PHONE, "2027-01-14"),  # Coming of Age Day
    # golden week
    ("2026-04-30T12:00", PHONE, "2026-05-11"),
    ("2027-04-27T12:00", PHONE, "2027-05-07"),
    ("2027-04-28T12:00", PHONE, "2027-05-10"),
    ("2027-05-05T12:00", PHONE, "2027-05-11"),
    ("2019-04-26T12:00", PHONE, "2019-05-10"),  # ten days, of the new emperor
    # silver week: 22 Sep 2026 lies between two holidays
    ("2026-09-17T12:00", PHONE, "2026-09-28"),
    ("2026-09-18T12:00", PHONE, "2026-09-29"),
    # substitute holidays
    ("2027-03-19T12:00", PHONE, "2027-03-26"),
    ("2027-03-22T12:00", PHONE, "2027-03-26"),
    ("2026-05-01T12:00", PHONE, "2026-05-12"),
    # leap years and others
    ("2028-02-28T12:00", PHONE, "2028-03-03"),
    ("2028-02-29T12:00", PHONE, "2028-03-06"),
    ("2027-02-28T12:00", PHONE, "2027-03-04"),
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JST)


@pytest.mark.parametrize(("received", "channel", "arrives"), TABLE)
def test_a_replacement_arrives_on_the_fourth_business_day(received: str, channel: Channel, arrives: str) -> None:
    """R3.4."""
    assert delivery(at(received), channel, DEFAULT).arrives == date.fromisoformat(arrives)


def test_the_days_on_the_way_are_counted_one_by_one() -> None:
    """R3.4: not counting Saturdays, Sundays, public holidays and company year-end holidays."""
    estimate = delivery(at("2026-12-28T12:00"), PHONE, DEFAULT)

    assert estimate.received_on == date(2026, 12, 28)
    assert [(f"{each.day:%m-%d}", each.why) for each in estimate.days] == [
        ("12-29", "year-end and new year"),
        ("12-30", "year-end and new year"),
        ("12-31", "year-end and new year"),
        ("01-01", "New Year's Day"),
        ("01-02", "Saturday"),
        ("01-03", "Sunday"),
        ("01-04", None),
        ("01-05", None),
        ("01-06", None),
        ("01-07", None),
    ]
    assert all(each.counts == (each.why is None) for each in estimate.days)


def test_the_day_of_receipt_is_that_of_japan() -> None:
    """R3.4."""
    assert delivery(datetime(2026, 6, 1, 14, 59, tzinfo=UTC), WEB, DEFAULT).arrives == date(2026, 6, 5)
    assert delivery(datetime(2026, 6, 1, 15, 0, tzinfo=UTC), WEB, DEFAULT).arrives == date(2026, 6, 8)


def test_what_is_reported_for_an_on_site_exchange_counts_at_night() -> None:
    """R3.15: by phone, 24 h, every day."""
    night = at("2026-06-01T23:00")

    assert delivery(night, PHONE, DEFAULT, topic=Topic.ON_SITE).received_on == date(2026, 6, 1)
    assert delivery(night, PHONE, DEFAULT).received_on == date(2026, 6, 2)


def test_an_estimate_that_would_leave_the_calendar_is_refused() -> None:
    with pytest.raises(Invalid, match="2000 to 2099"):
        delivery(at("2099-12-28T12:00"), PHONE, DEFAULT)


MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2098, 1, 1)).map(lambda at: at.replace(tzinfo=JST))  # noqa: DTZ001
COMPANY = st.lists(
    st.builds(
        lambda day, works, yearly: CompanyDay(f"{day:%m-%d}" if yearly else day.isoformat(), "own", works),
        st.dates(date(2026, 1, 1), date(2027, 12, 31)),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
    unique_by=lambda own: own.day,
)
NEAR = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1)).map(lambda at: at.replace(tzinfo=JST))  # noqa: DTZ001


@given(NEAR, st.sampled_from(Channel), COMPANY)
def test_it_never_arrives_on_a_closed_day(received: datetime, channel: Channel, company: list[CompanyDay]) -> None:
    """R3.4, whatever the company's days are."""
    calendar = Calendar(tuple(company))

    estimate = delivery(received, channel, calendar)

    assert calendar.closed(estimate.arrives) is None
    assert estimate.days[-1].day == estimate.arrives
    assert sum(each.counts for each in estimate.days) == BUSINESS_DAYS
    assert estimate.received_on >= day_of(received)


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(30)), st.sampled_from(Channel))
def test_a_later_receipt_never_arrives_earlier(received: datetime, later: timedelta, channel: Channel) -> None:
    """R3.4, over a century."""
    first, second = (delivery(when, channel, DEFAULT) for when in (received, received + later))

    assert first.arrives <= second.arrives


@given(st.dates(date(2001, 1, 1), date(2098, 1, 1)))
def test_the_next_day_is_never_better(day: date) -> None:
    """R3.4, day by day: also what is dispatched later never arrives earlier."""
    following = date.fromordinal(day.toordinal() + 1)

    assert from_day(day, DEFAULT).arrives <= from_day(following, DEFAULT).arrives
