"""Which days are business days: Japanese public holidays, weekends, and the company's own holidays (R1.3, R3.4, R3.9).

Days are days in Japan. The company's holidays are data that people edit; `DEFAULT` is what a new installation has.
The years are bounded, since nobody knows the public holidays of others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, cached_property
from typing import Final

from controller.domain.errors import JST, Fault, Invalid

FIRST, LAST = date(2000, 1, 1), date(2099, 12, 31)
RETURN_DAYS = 30
"""R3.9: the faulty adapter is returned within so many days; the day on which they start is not one of them."""
_SEARCHED_DAYS = 366
"""A calendar that is closed for longer than this is a mistake, and says so instead of being searched for ever."""

_DAY = re.compile(r"(?:[0-9]{4}-)?[0-9]{2}-[0-9]{2}")
_JAPANESE: Final = {"Saturday": "土曜日", "Sunday": "日曜日", "year-end and new year": "年末年始"}
_LIBRARY: Final = {"en": "en_US", "ja": "ja"}


@dataclass(frozen=True, slots=True)
class CompanyDay:
    """A day of the company's own. day: "MM-DD" every year, or "YYYY-MM-DD" once, which goes before the other.

    works: a business day although weekday or public holiday say otherwise; else a holiday.
    """

    day: str
    name: str
    works: bool = False


def company_day(day: str, name: str, *, works: bool = False) -> CompanyDay:
    """What a person typed, checked. Raises Invalid with a fault for each thing that is wrong."""
    faults = []
    if not _exists(day):
        example = {"value": repr(day[:20])}
        faults.append(Fault("day", "{value} is no day; write 12-29 for every year, 2027-05-01 for one.", example))
    if not (1 <= len(name) <= 100 and name.isprintable() and name.strip() == name):
        faults.append(Fault("name", "A name has 1 to 100 printable characters, no blank at either end."))
    if faults:
        raise Invalid(
            "The calendar was not changed.", next_step="Correct what is named and send it again.", faults=faults
        )
    return CompanyDay(day, name, works)


def _exists(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        day = date.fromisoformat(text if len(text) == 10 else f"2000-{text}")  # a leap year: 02-29 comes, now and then
    except ValueError:
        return False
    return FIRST <= day <= LAST


@dataclass(frozen=True)
class Calendar:
    """Business days. company: each `day` at most once."""

    company: tuple[CompanyDay, ...] = ()

    @cached_property
    def _company(self) -> Mapping[str, CompanyDay]:
        return {own.day: own for own in self.company}

    def closed(self, day: date, language: str = "en") -> str | None:
        """Why it is no business day (Saturday, Sunday, the holiday's name); None when it is one.

        language: en or ja; a name that the company gave is not translated. Raises Invalid for a year not known.
        """
        within(day)
        iso = day.isoformat()
        own = self._company.get(iso) or self._company.get(iso[5:])
        if own is not None and own.works:
            return None
        if day.weekday() >= 5:
            return _in(language, "Saturday" if day.weekday() == 5 else "Sunday")
        public = _public_holidays(day.year, language).get(day)
        return public or (_in(language, own.name) if own is not None else None)

    def after(self, day: date, n: int) -> date:
        """The nth business day after the day, which itself does not count; n: 1 or more.

        Raises Invalid for a year not known, and when a whole year has no business day.
        """
        for _ in range(n):
            day = self._next(day)
        return day

    def _next(self, day: date) -> date:
        for days in range(1, _SEARCHED_DAYS + 1):
            later = day + timedelta(days)
            if self.closed(later) is None:
                return later
        raise Invalid(
            "There is no business day in the year after {day}.",
            next_step="Check the company's holidays: hikitsugi calendar holiday ls.",
            day=day,
        )


DEFAULT: Final = Calendar(
    tuple(CompanyDay(day, "year-end and new year") for day in ("12-29", "12-30", "12-31", "01-01", "01-02", "01-03"))
)
"""What migration 0019 puts into the database (R1.3)."""


def _in(language: str, name: str) -> str:
    return _JAPANESE.get(name, name) if language == "ja" else name


@cache
def _public_holidays(year: int, language: str) -> Mapping[date, str]:
    from holidays.countries.japan import Japan  # 0.1 s, for who asks only

    return dict(Japan(years=year, language=_LIBRARY[language]).items())


def within(day: date) -> date:
    """The day, if its year's holidays are known. Raises Invalid."""
    if not FIRST <= day <= LAST:
        raise Invalid(
            "The calendar knows the years {first} to {last}; {day} is not in them.",
            next_step="Give a day of these years.",
            first=FIRST.year,
            last=LAST.year,
            day=day,
        )
    return day


def day_of(at: datetime) -> date:
    """The day in Japan at that time. Raises Invalid for a year not known, ValueError without a zone."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone is on no day")
    if not FIRST.year - 1 <= at.year <= LAST.year + 1:  # at the ends of the scale no zone can be added
        return within(at.date())
    return within(at.astimezone(JST).date())


def midnight(day: date) -> datetime:
    """00:00 in Japan of that day, in UTC."""
    return datetime.combine(day, time(), JST).astimezone(UTC)


def return_due(at: datetime) -> datetime:
    """The last second, in UTC, of the 30th day in Japan after the day of `at` (R3.9).

    The database reckons so itself, by its function of the same name (migration 0020); a test holds the two together.
    """
    return midnight(day_of(at) + timedelta(RETURN_DAYS + 1)) - timedelta(seconds=1)
