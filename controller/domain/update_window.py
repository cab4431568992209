"""When an update may begin: not before, not after, and a window of each day in a time zone. Pure.

A window is meant in the wall-clock time of its zone, so it follows summer time: it begins at that time of that day
whichever offset holds then. One that summer time leaves no room for is skipped that day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from controller.domain.sentence import Sentence, sentence

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOK_AHEAD = 15  # days: each weekday comes twice, and one of the two may be skipped


@dataclass(frozen=True, slots=True)
class Daily:
    """From `opens` until just before `closes`, in the zone. closes <= opens: it ends on the day after it has begun.

    days: the weekdays on which it begins, of DAYS; empty: every day. zone: IANA name. `faults` says what is wrong.
    """

    opens: time
    closes: time
    days: frozenset[str] = frozenset()
    zone: str = "Asia/Tokyo"

    def faults(self) -> dict[str, Sentence]:
        """What is wrong, a sentence by field; nothing when all is well."""
        wrong: dict[str, Sentence] = {}
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            wrong["zone"] = sentence("{zone} is no time zone; write it like Asia/Tokyo.", zone=repr(self.zone[:40]))
        if unknown := self.days - set(DAYS):
            wrong["days"] = sentence("Days are {days}; not {unknown}.", days=DAYS, unknown=sorted(unknown)[:7])
        if self.opens == self.closes:
            wrong["closes"] = sentence("A window has to end at another time than it begins.")
        return wrong

    def spans(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The stretches, UTC, that end after `since`, in order; two weeks of them."""
        first = since.astimezone(ZoneInfo(self.zone)).date() - timedelta(days=1)
        for offset in range(_LOOK_AHEAD + 1):
            day = first + timedelta(days=offset)
            if self.days and DAYS[day.weekday()] not in self.days:
                continue
            begins = self._at(day, self.opens)
            ends = self._at(day + timedelta(days=self.closes <= self.opens), self.closes)
            if begins < ends and ends > since:
                yield begins, ends

    def _at(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, ZoneInfo(self.zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """not_before, not_after: UTC, None for no bound; daily: None for any time of the day."""

    not_before: datetime | None = None
    not_after: datetime | None = None
    daily: Daily | None = None

    def next_opening(self, now: datetime) -> datetime | None:
        """`now` when it may begin now, else the first moment when it may; None when there is none any more."""
        since = max(now, self.not_before) if self.not_before else now
        if self.daily:
            span = next(self.daily.spans(since), None)
            if span is None:
                return None
            since = max(since, span[0])
        return None if self.not_after and since >= self.not_after else since

    def is_open(self, now: datetime) -> bool:
        """May it begin now?"""
        return self.next_opening(now) == now


ANY_TIME = Schedule()
