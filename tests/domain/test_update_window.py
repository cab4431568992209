"""When an update may begin, in the wall-clock time of a zone, summer time and all (R4.2: when is the operator's)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from controller.domain.update_window import DAYS, Daily, Schedule

NIGHT = Daily(time(1), time(4))
BERLIN = "Europe/Berlin"
ZONES = st.sampled_from(["Asia/Tokyo", BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC"])
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
NOWS = st.integers(0, 2 * 365 * 86_400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
WINDOWS = st.builds(Daily, TIMES, TIMES, st.frozensets(st.sampled_from(DAYS)), ZONES).filter(lambda w: not w.faults())
SCHEDULES = st.builds(Schedule, st.none() | NOWS, st.none() | NOWS, st.none() | WINDOWS)


def jst(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+09:00")


def test_a_night_window_of_japan() -> None:
    schedule = Schedule(daily=NIGHT)
    assert schedule.next_opening(jst("2026-11-22T12:00")) == jst("2026-11-23T01:00")
    assert schedule.is_open(jst("2026-11-23T01:00"))
    assert schedule.is_open(jst("2026-11-23T03:59"))
    assert not schedule.is_open(jst("2026-11-23T04:00"))


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    schedule = Schedule(daily=Daily(time(23), time(2), frozenset({"sun"})))
    assert schedule.is_open(jst("2026-11-23T01:30")), "Monday, still of Sunday's window"
    assert schedule.next_opening(jst("2026-11-23T02:00")) == jst("2026-11-29T23:00")


def test_bounds_and_windows_hold_together() -> None:
    schedule = Schedule(jst("2026-11-24T02:00"), jst("2026-11-25T00:00"), NIGHT)
    assert schedule.next_opening(jst("2026-11-22T12:00")) == jst("2026-11-24T02:00")
    assert schedule.next_opening(jst("2026-11-24T04:00")) is None


def test_a_window_that_summer_time_leaves_no_room_for_is_skipped_that_day() -> None:
    """On 28 March 2027 the clocks of Berlin go from 02:00 to 03:00."""
    schedule = Schedule(daily=Daily(time(2, 45), time(3, 15), zone=BERLIN))
    berlin = ZoneInfo(BERLIN)
    assert schedule.next_opening(datetime(2027, 3, 27, 12, tzinfo=berlin)) == datetime(
        2027, 3, 29, 2, 45, tzinfo=berlin
    )


def test_what_is_no_window_says_so() -> None:
    assert set(Daily(time(1), time(1), frozenset({"someday"}), "Mars/Olympus").faults()) == {"closes", "days", "zone"}


@given(SCHEDULES, NOWS)
def test_the_next_opening_is_open_and_nothing_before_it_is(schedule: Schedule, now: datetime) -> None:
    opening = schedule.next_opening(now)
    if opening is None:
        return
    assert opening >= now
    assert schedule.is_open(opening)
    assert schedule.not_before is None or opening >= schedule.not_before
    assert schedule.not_after is None or opening < schedule.not_after
    between = now + (opening - now) / 2
    assert between == opening or not schedule.is_open(between)


@given(WINDOWS, NOWS)
def test_a_window_opens_on_its_days_only_and_ends_within_a_day(window: Daily, now: datetime) -> None:
    for begins, ends in window.spans(now):
        local = begins.astimezone(ZoneInfo(window.zone))
        assert not window.days or DAYS[local.weekday()] in window.days
        assert timedelta(0) < ends - begins <= timedelta(hours=26)
