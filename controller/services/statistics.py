"""Exchanges by model and firmware over time: which hardware is taken out, how often, and whether that went well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Set
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, timedelta
from enum import StrEnum

from controller.domain.access import Caller
from controller.domain.errors import JST, Fault, Invalid
from controller.store import statistics
from controller.store.pool import Database, Row

MOST_PERIODS = 400
MOST_ROWS = 20_000
COLUMNS = ("period", "model", "firmware", "kind", "count", "faults", "confirmed", "lapsed", "declined")


class Step(StrEnum):
    """How long a period is, by JST's calendar."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class By(StrEnum):
    """What exchanges are told apart by."""

    MODEL = "model"
    FIRMWARE = "firmware"
    KIND = "kind"


_USUALLY = {Step.DAY: timedelta(days=30), Step.MONTH: timedelta(days=365), Step.YEAR: timedelta(days=5 * 365)}


@dataclass(frozen=True, slots=True)
class Question:
    """since, until: whole periods of JST; since is the first moment of the first one, until lies in the last one."""

    since: datetime
    until: datetime
    step: Step
    by: frozenset[By]
    contract: str | None

    def periods(self) -> Iterator[date]:
        """The first day of each period, oldest first."""
        day = self.since.astimezone(JST).date()
        while _at(day) < self.until:
            yield day
            day = _next(day, self.step)


def question(
    *,
    since: datetime | None,
    until: datetime | None,
    step: Step,
    by: Set[By],
    contract: str | None,
    caller: Caller,
    now: datetime,
) -> Question:
    """since, until: None for the usual time before now (30 days, 12 months, 5 years). Raises Invalid."""
    last = until or now
    first = since or last - _USUALLY[step]
    if first >= last:
        raise Invalid(
            "The time asked for is empty.", faults=[Fault("until", "This must lie behind since.", {}, "query")]
        )
    asked = Question(_at(_first(first, step)), last, step, frozenset(by), caller.within(contract))
    if (last - first) / _SHORTEST[step] > MOST_PERIODS:
        raise Invalid(
            "That is more than {most} periods.",
            next_step="Ask for a shorter time or a longer step.",
            faults=[Fault("since", "This is too early for this step.", {}, "query")],
            most=MOST_PERIODS,
        )
    return asked


_SHORTEST = {Step.DAY: timedelta(days=1), Step.MONTH: timedelta(days=28), Step.YEAR: timedelta(days=365)}


def _at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=JST)


def _first(moment: datetime, step: Step) -> date:
    day = moment.astimezone(JST).date()
    return {Step.DAY: day, Step.MONTH: day.replace(day=1), Step.YEAR: day.replace(month=1, day=1)}[step]


def _next(day: date, step: Step) -> date:
    match step:
        case Step.DAY:
            return day + timedelta(days=1)
        case Step.MONTH:
            return date(day.year + day.month // 12, day.month % 12 + 1, 1)
        case Step.YEAR:
            return date(day.year + 1, 1, 1) if day.year < MAXYEAR else date.max


async def counted(db: Database, asked: Question) -> list[Row]:
    """Rows of COLUMNS, oldest first; a period without exchanges has none. Raises Invalid for more than MOST_ROWS."""
    rows = await statistics.exchanges(
        db,
        contract=asked.contract,
        since=asked.since,
        until=asked.until,
        step=asked.step.value,
        by={one.value for one in asked.by},
        most=MOST_ROWS + 1,
    )
    if len(rows) > MOST_ROWS:
        raise Invalid(
            "That would be more than {most} rows.",
            next_step="Ask for a shorter time, a longer step, or tell fewer things apart.",
            most=MOST_ROWS,
        )
    return rows


async def each(rows: list[Row]) -> AsyncIterator[dict[str, object]]:
    """For a file: the period as ISO date."""
    for row in rows:
        yield {name: row[name] for name in COLUMNS} | {"period": row["period"].isoformat()}
