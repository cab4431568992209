"""Business days: weekends, public holidays, the company's own days; and the days of a return."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.calendar import DEFAULT, Calendar, CompanyDay, company_day, day_of, midnight, return_due
from controller.domain.errors import JST, Invalid

# As the Cabinet Office announced them.
PUBLISHED = {
    2026: "01-01 01-12 02-11 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-20 08-11 09-21 09-22 09-23 10-12 11-03 11-23",
    2027: "01-01 01-11 02-11 02-23 03-21 03-22 04-29 05-03 05-04 05-05 07-19 08-11 09-20 09-23 10-11 11-03 11-23",
}


@pytest.mark.parametrize("year", PUBLISHED)
def test_the_public_holidays_are_those_that_were_announced(year: int) -> None:
    """R1.3: weekdays exclude public holidays."""
    calendar = Calendar()
    days = [date(year, 1, 1) + timedelta(n) for n in range(365)]

    closed = {day for day in days if calendar.closed(day)}

    announced = {date.fromisoformat(f"{year}-{day}") for day in PUBLISHED[year].split()}
    assert closed == announced | {day for day in days if day.weekday() >= 5}


@pytest.mark.parametrize(
    ("day", "english", "japanese"),
    [
        ("2027-03-20", "Saturday", "土曜日"),
        ("2027-03-21", "Sunday", "日曜日"),
        ("2027-03-22", "Substitute Holiday", "振替休日"),
        ("2026-09-22", "National Holiday", "国民の休日"),
        ("2026-12-29", "year-end and new year", "年末年始"),
        ("2027-01-01", "New Year's Day", "元日"),
        ("2026-12-28", None, None),
        ("2027-01-04", None, None),
        ("2028-02-29", None, None),
    ],
)
def test_a_closed_day_says_why_in_the_readers_language(day: str, english: str | None, japanese: str | None) -> None:
    """R1.3, with the company's holidays of a new installation."""
    assert DEFAULT.closed(date.fromisoformat(day)) == english
    assert DEFAULT.closed(date.fromisoformat(day), "ja") == japanese


def test_what_holds_once_goes_before_what_holds_every_year() -> None:
    """R1.3: company holidays are data."""
    calendar = Calendar((CompanyDay("12-30", "year's end"), CompanyDay("2026-12-30", "stocktaking", works=True)))

    assert calendar.closed(date(2026, 12, 30)) is None
    assert calendar.closed(date(2027, 12, 30)) == "year's end"


def test_the_company_may_work_on_a_saturday_and_on_a_public_holiday() -> None:
    """R1.3: editable, in both directions."""
    calendar = Calendar((CompanyDay("2026-06-06", "moved", works=True), CompanyDay("11-03", "moved", works=True)))

    assert calendar.closed(date(2026, 6, 6)) is None
    assert calendar.closed(date(2026, 11, 3)) is None
    assert calendar.after(date(2026, 6, 5), 1) == date(2026, 6, 6)


def test_a_holiday_on_29_february_comes_in_leap_years_only() -> None:
    calendar = Calendar((company_day("02-29", "leap day"),))

    assert calendar.closed(date(2028, 2, 29)) == "leap day"
    assert calendar.closed(date(2027, 3, 1)) is None


@pytest.mark.parametrize("day", [date(1999, 12, 31), date(2100, 1, 1), date(9999, 12, 31), date(1, 1, 1)])
def test_a_year_whose_holidays_nobody_knows_is_refused(day: date) -> None:
    with pytest.raises(Invalid, match="2000 to 2099"):
        DEFAULT.closed(day)


def test_counting_beyond_the_last_year_is_refused() -> None:
    with pytest.raises(Invalid, match="2100-01-01"):
        DEFAULT.after(date(2099, 12, 28), 1)


def test_a_calendar_that_is_never_open_says_so() -> None:
    year = [date(2000, 1, 1) + timedelta(n) for n in range(366)]
    calendar = Calendar(tuple(CompanyDay(f"{day:%m-%d}", "closed") for day in year))

    with pytest.raises(Invalid, match="no business day in the year after 2026-06-01"):
        calendar.after(date(2026, 6, 1), 1)


@given(st.dates(date(2000, 1, 1), date(2098, 12, 1)), st.integers(1, 30))
def test_the_nth_business_day_has_n_business_days_up_to_it(day: date, n: int) -> None:
    """R3.4 counts them."""
    reached = DEFAULT.after(day, n)

    passed = [day + timedelta(k) for k in range(1, (reached - day).days + 1)]
    assert DEFAULT.closed(reached) is None
    assert sum(DEFAULT.closed(each) is None for each in passed) == n


@pytest.mark.parametrize(
    "day", ["12-32", "02-30", "13-01", "2027-02-29", "1999-01-01", "2100-01-01", "1-1", "", "x" * 99]
)
def test_a_day_that_cannot_be_is_refused(day: str) -> None:
    with pytest.raises(Invalid) as refused:
        company_day(day, "a name")

    assert [fault.field for fault in refused.value.faults] == ["day"]


@pytest.mark.parametrize("name", ["", " ", "a ", "x" * 101, "line\nline", "\x1b[2J"])
def test_a_name_that_nobody_can_read_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        company_day("05-01", name)

    assert [fault.field for fault in refused.value.faults] == ["name"]


def test_the_day_is_that_of_japan() -> None:
    assert day_of(datetime(2026, 12, 31, 14, 59, 59, tzinfo=UTC)) == date(2026, 12, 31)
    assert day_of(datetime(2026, 12, 31, 15, 0, tzinfo=UTC)) == date(2027, 1, 1)
    assert midnight(date(2027, 1, 1)) == datetime(2026, 12, 31, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_time_are_refused_like_any_other_year(at: datetime) -> None:
    with pytest.raises(Invalid, match="2000 to 2099"):
        day_of(at)


def test_a_time_without_a_zone_is_on_no_day() -> None:
    with pytest.raises(ValueError, match="zone"):
        day_of(datetime(2026, 12, 31))  # noqa: DTZ001 (that is the point)


@pytest.mark.parametrize(
    ("at", "last_day"),
    [
        (datetime(2026, 6, 1, 0, 0, tzinfo=JST), "2026-07-01"),
        (datetime(2026, 6, 1, 23, 59, tzinfo=JST), "2026-07-01"),
        (datetime(2026, 5, 31, 15, 0, tzinfo=UTC), "2026-07-01"),
        (datetime(2027, 1, 31, 12, 0, tzinfo=JST), "2027-03-02"),
        (datetime(2028, 1, 31, 12, 0, tzinfo=JST), "2028-03-01"),
        (datetime(2026, 12, 15, 12, 0, tzinfo=JST), "2027-01-14"),
    ],
)
def test_a_return_is_due_at_the_end_of_the_30th_day_closed_days_included(at: datetime, last_day: str) -> None:
    """R3.9."""
    due = return_due(at)

    assert f"{due.astimezone(JST):%Y-%m-%d %H:%M:%S}" == f"{last_day} 23:59:59"
    assert due.tzinfo is UTC
