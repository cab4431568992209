"""When the desk takes in what, as R1.3 has it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.calendar import DEFAULT
from controller.domain.errors import JST, Invalid
from controller.domain.reception import (
    ALWAYS,
    HOURS,
    Channel,
    Desk,
    Hours,
    Topic,
    is_open,
    next_opening,
    received_on,
    receives,
)

PHONE, WEB, MAIL = Channel.PHONE, Channel.WEB, Channel.MAIL
DAY, OFFICE = Hours(time(9), time(19)), Hours(time(9), time(17, 30), weekdays=True)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=JST))  # noqa: DTZ001


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JST)


@pytest.mark.parametrize(
    ("topic", "channel", "reception", "handling"),
    [
        (Topic.FAILURE, PHONE, ALWAYS, ALWAYS),
        (Topic.HOW_TO, WEB, ALWAYS, DAY),
        (Topic.HOW_TO, MAIL, ALWAYS, DAY),
        (Topic.HOW_TO, PHONE, DAY, DAY),
        (Topic.ON_SITE, PHONE, ALWAYS, ALWAYS),
        (Topic.CONTRACT, WEB, ALWAYS, OFFICE),
        (Topic.CONTRACT, MAIL, ALWAYS, OFFICE),
        (Topic.CONTRACT, PHONE, OFFICE, OFFICE),
    ],
)
def test_the_table_is_that_of_the_specification(
    topic: Topic, channel: Channel, reception: Hours, handling: Hours
) -> None:
    """R1.3, row by row."""
    assert HOURS[topic, channel] == Desk(reception, handling)
    assert len(HOURS) == 8


@pytest.mark.parametrize(("topic", "channel"), [(t, c) for t in Topic for c in Channel if (t, c) not in HOURS])
def test_what_is_not_in_the_table_does_not_exist(topic: Topic, channel: Channel) -> None:
    """R1.3: a failure cannot be reported by web form: the form says to phone."""
    with pytest.raises(Invalid) as refused:
        receives(topic, channel, at("2026-06-01T12:00"), DEFAULT)

    assert "It takes it by: phone." in str(refused.value)


@pytest.mark.parametrize(
    ("topic", "channel", "moment", "received"),
    [
        (Topic.HOW_TO, PHONE, "2026-06-01T08:59:59.999999", False),
        (Topic.HOW_TO, PHONE, "2026-06-01T09:00", True),
        (Topic.HOW_TO, PHONE, "2026-06-01T18:59:59.999999", True),
        (Topic.HOW_TO, PHONE, "2026-06-01T19:00", False),
        (Topic.HOW_TO, PHONE, "2027-01-01T12:00", True),  # every day is every day
        (Topic.HOW_TO, WEB, "2027-01-01T03:00", True),
        (Topic.FAILURE, PHONE, "2027-01-01T03:00", True),
        (Topic.ON_SITE, PHONE, "2026-06-07T23:59:59", True),
        (Topic.CONTRACT, PHONE, "2026-06-05T17:29:59", True),
        (Topic.CONTRACT, PHONE, "2026-06-05T17:30", False),
        (Topic.CONTRACT, PHONE, "2026-06-06T12:00", False),  # Saturday
        (Topic.CONTRACT, PHONE, "2027-03-22T12:00", False),  # substitute holiday
        (Topic.CONTRACT, PHONE, "2026-12-29T12:00", False),  # the company's
        (Topic.CONTRACT, WEB, "2026-12-29T12:00", True),
    ],
)
def test_it_is_received_from_opening_until_before_closing(
    topic: Topic, channel: Channel, moment: str, received: bool
) -> None:
    """R1.3."""
    assert receives(topic, channel, at(moment), DEFAULT) is received


@pytest.mark.parametrize(
    ("topic", "channel", "moment", "opening"),
    [
        (Topic.HOW_TO, PHONE, "2026-06-01T12:34", "2026-06-01T12:34"),
        (Topic.HOW_TO, PHONE, "2026-06-01T00:00", "2026-06-01T09:00"),
        (Topic.HOW_TO, PHONE, "2026-12-31T19:00", "2027-01-01T09:00"),
        (Topic.CONTRACT, PHONE, "2026-06-05T08:00", "2026-06-05T09:00"),
        (Topic.CONTRACT, PHONE, "2026-06-05T17:30", "2026-06-08T09:00"),
        (Topic.CONTRACT, PHONE, "2026-06-06T08:00", "2026-06-08T09:00"),
        (Topic.CONTRACT, PHONE, "2026-12-28T18:00", "2027-01-04T09:00"),
    ],
)
def test_who_calls_too_early_or_too_late_is_told_the_next_opening(
    topic: Topic, channel: Channel, moment: str, opening: str
) -> None:
    """R1.3: recorded as a missed contact with the next opening time."""
    assert next_opening(topic, channel, at(moment), DEFAULT) == at(opening)


@given(st.sampled_from(sorted(HOURS)), MOMENTS, st.floats(0, 1, exclude_max=True))
def test_at_the_next_opening_it_is_open_and_nowhere_before(
    combination: tuple[Topic, Channel], moment: datetime, part: float
) -> None:
    """R1.3."""
    opening = next_opening(*combination, moment, DEFAULT)
    between = moment + (opening - moment) * part

    assert opening >= moment
    assert receives(*combination, opening, DEFAULT)
    assert opening - between < timedelta(microseconds=2) or not receives(*combination, between, DEFAULT)


@pytest.mark.parametrize(
    ("channel", "moment", "day"),
    [
        (PHONE, "2026-06-01T08:00", "2026-06-01"),
        (PHONE, "2026-06-01T19:00", "2026-06-02"),
        (PHONE, "2026-06-07T20:00", "2026-06-08"),
        (WEB, "2026-06-01T23:59:59", "2026-06-01"),
        (MAIL, "2026-06-07T03:00", "2026-06-07"),
    ],
)
def test_a_report_counts_for_the_day_only_within_the_reception_hours(channel: Channel, moment: str, day: str) -> None:
    """R3.4, with faults reported as a how-to topic (R1.5)."""
    assert received_on(at(moment), channel, DEFAULT) == date.fromisoformat(day)


def test_an_on_site_exchange_is_received_around_the_clock() -> None:
    """R3.15."""
    assert received_on(at("2026-06-01T23:00"), PHONE, DEFAULT, Topic.ON_SITE) == date(2026, 6, 1)
    with pytest.raises(Invalid):
        received_on(at("2026-06-01T12:00"), WEB, DEFAULT, Topic.ON_SITE)


def test_a_report_after_hours_on_the_last_known_day_is_refused() -> None:
    with pytest.raises(Invalid, match="2000 to 2099"):
        received_on(at("2099-12-31T19:00"), PHONE, DEFAULT)


def test_hours_until_midnight_close_with_the_day() -> None:
    late = Hours(time(20))

    assert is_open(late, at("2026-06-01T23:59:59.999999"), DEFAULT)
    assert not is_open(late, at("2026-06-02T00:00"), DEFAULT)
