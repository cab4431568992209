"""How a rollout is carried out: its waves, when it goes on or stops by itself, and how each update is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from controller.domain import firmware_rollout as rules
from controller.domain.errors import Fault, Invalid
from controller.domain.firmware_rollout import Newcomers
from controller.domain.firmware_update import Start
from controller.domain.update_window import ANY_TIME, Daily, Schedule
from controller.services.selections import Selection


@dataclass(frozen=True, slots=True)
class Options:
    """How it is carried out.

    canaries: so many codes first, 0 for none. shares: of all, 0 to 1, ascending; what is left is the last wave.
    success: of a wave's ended updates so many must be good. soak: from the end of a wave to its gate. stop: a larger
    share of failures stops it at once. approval: a person begins each wave after the first. at_once: updates open at a
    time. schedule, downgrade, start: of each update, as services/firmware_updates.Order has them.
    """

    canaries: int = rules.CANARY
    shares: Sequence[float] = (0.1, 0.5)
    success: float = rules.SUCCESS
    soak: timedelta = rules.SOAK
    stop: float = rules.STOP
    approval: bool = False
    newcomers: Newcomers = Newcomers.IGNORE
    at_once: int = rules.AT_ONCE
    schedule: Schedule = ANY_TIME
    downgrade: bool = False
    start: Start = Start.AT_ONCE
    reason: str = ""


def check(selection: Selection, series: str, options: Options, now: datetime) -> None:
    """Raises Invalid, with every fault, for what cannot be carried out."""
    faults: list[Fault] = []
    if selection.series not in (None, series):
        faults.append(Fault("series", "The version is of series {series}.", {"series": series}))
    if any(not 0 < share <= 1 for share in options.shares) or list(options.shares) != sorted(set(options.shares)):
        faults.append(Fault("shares", "Shares grow from wave to wave, above 0% and up to 100%."))
    if len(options.shares) >= rules.MAX_WAVES:
        faults.append(Fault("shares", "{most} waves at most.", {"most": rules.MAX_WAVES}))
    if options.newcomers is Newcomers.JOIN and selection.codes:
        faults.append(Fault("newcomers", "Named codes have no newcomers: leave the codes out, or ignore newcomers."))
    if options.schedule.daily:
        faults += [
            Fault(f"daily.{name}", said.template, said.params) for name, said in options.schedule.daily.faults().items()
        ]
    if not faults and options.schedule.next_opening(now) is None:
        faults.append(Fault("not_after", "No update could begin any more by then."))
    if faults:
        raise Invalid("This rollout makes no sense.", next_step="Mend what is named.", faults=faults)


def settings(options: Options) -> dict[str, Any]:
    """Of each update, as `settings_of` reads them. Any: JSON values."""
    schedule = options.schedule
    daily = schedule.daily
    return {
        "not_before": schedule.not_before.isoformat() if schedule.not_before else None,
        "not_after": schedule.not_after.isoformat() if schedule.not_after else None,
        "daily": {
            "opens": daily.opens.isoformat(),
            "closes": daily.closes.isoformat(),
            "days": sorted(daily.days),
            "zone": daily.zone,
        }
        if daily
        else None,
        "downgrade": options.downgrade,
        "start": options.start.value,
    }


def settings_of(given: dict[str, Any]) -> tuple[Schedule, bool, Start]:
    """When each update may begin, whether it may be to an older version, and how it begins. Any: JSON values."""
    daily = given["daily"]
    schedule = Schedule(
        not_before=_moment(given["not_before"]),
        not_after=_moment(given["not_after"]),
        daily=Daily(
            time.fromisoformat(daily["opens"]),
            time.fromisoformat(daily["closes"]),
            frozenset(daily["days"]),
            daily["zone"],
        )
        if daily
        else None,
    )
    return schedule, given["downgrade"], Start(given["start"])


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
