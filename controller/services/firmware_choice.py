"""What may become of one code's firmware now: which version, by which steps, what it would have to wait for (R4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from controller.domain.access import Caller, require_contract
from controller.domain.errors import Conflict, Fault, Invalid, NotFound
from controller.domain.firmware import Image, Unit, known_key, path, why_not
from controller.domain.firmware_update import Start
from controller.domain.sentence import Sentence, sentence
from controller.domain.update_window import Daily, Schedule
from controller.store import firmware_updates as store
from controller.store.pool import Connection, Row


@dataclass(frozen=True, slots=True)
class Choice:
    """place: a row of store/firmware_updates.place. steps: the images it goes through, the last one is the chosen one;
    () when the adapter runs it. due_at: when it may begin."""

    place: Row
    steps: tuple[Image, ...]
    due_at: datetime

    @property
    def is_cold(self) -> bool:
        """The adapter is a spare that is told to stand by, so it is given no firmware."""
        return self.place["kind"] == "standby" and not self.place["warm"]

    @property
    def waits(self) -> Sentence | None:
        return waits_for(self.place)


async def placed(connection: Connection, code: str, caller: Caller) -> Row:
    """Where an update of the code would go. Raises NotFound: no such code, or not the caller's."""
    place = await store.place(connection, code)
    if place is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="code", name=code)
    require_contract(caller, place["contract"], "code", code)
    return place


async def chosen(
    connection: Connection,
    code: str,
    version: str,
    schedule: Schedule,
    *,
    downgrade: bool,
    start: Start,
    caller: Caller,
    now: datetime,
) -> Choice:
    """Judge a choice; steps are () for a version that the adapter runs. Raises as services/firmware_updates.order, but
    for what is open already."""
    place = await placed(connection, code, caller)
    _check_place(place, start)
    images = await store.offered(connection, place["series"])
    target = next((image for image in images if image.version == version), None)
    if target is None:
        raise await _not_offered(connection, place["series"], version)
    steps = _steps(place, images, target, downgrade=downgrade)
    return Choice(place, steps, _due(schedule, now))


def _check_place(place: Row, start: Start) -> None:
    if place["adapter"] is None:
        raise Invalid(
            "Code {code} holds no adapter, so no firmware can be chosen for it.",
            next_step="Register an adapter on it first.",
            code=place["code"],
        )
    if place["locked_out"] and start is Start.AT_ONCE:
        raise Conflict(
            "Adapter {serial} is locked out, so it cannot be reached.",
            next_step="Unlock it first: hikitsugi adapter unlock {serial}.",
            serial=place["adapter"],
        )


async def _not_offered(connection: Connection, series: str, version: str) -> NotFound | Conflict:
    release = await store.release(connection, series, version)
    if release is None:
        return NotFound(
            "There is no firmware {version} for series {series}.",
            next_step="hikitsugi firmware ls --series {series} lists what there is.",
            version=version,
            series=series,
        )
    if release["state"] == "withdrawn":
        return Conflict(
            "Firmware {version} of series {series} was withdrawn, so it can no longer be chosen (R4.3): {why}",
            next_step="hikitsugi firmware ls --series {series} lists what there is.",
            version=version,
            series=series,
            why=release["withdrawn_why"],
        )
    if release["damaged_why"] is not None:
        return Conflict(
            "The image of {series} {version} is damaged, so it is offered to nobody.",
            next_step="Import the image again: hikitsugi firmware import.",
            version=version,
            series=series,
        )
    return Conflict(
        "Firmware {version} of series {series} is not signed yet, so it is offered to nobody.",
        next_step="hikitsugi firmware sign publishes its signature.",
        version=version,
        series=series,
    )


def _steps(place: Row, images: list[Image], target: Image, *, downgrade: bool) -> tuple[Image, ...]:
    unit, running = Unit(place["series"], place["model"], place["hardware_revision"]), place["running"]
    reason = why_not(target, unit, running)
    if not target.runs_on(unit):
        raise _does_not_fit(place, target.version, reason)
    at = known_key(target.numbering, running)
    if at is not None and target.key < at and not downgrade:
        raise Conflict(
            "Firmware {version} is older than {running}, which the adapter on {code} runs.",
            next_step="Say that an older one is meant (--downgrade); hikitsugi firmware diff-notes says what is lost.",
            version=target.version,
            running=running,
            code=place["code"],
        )
    steps = path(images, unit, running, target)
    if steps is None:
        raise _does_not_fit(place, target.version, reason)
    return steps


def _does_not_fit(place: Row, version: str, reason: Sentence | None) -> Invalid:
    return Invalid(
        "Firmware {version} does not fit {model} (hardware revision {revision}).",
        next_step="Choose another version: hikitsugi update choices {code} lists what fits.",
        faults=[Fault("version", reason.template, reason.params)] if reason else (),
        version=version,
        model=place["model"],
        revision=place["hardware_revision"] or "-",
        code=place["code"],
    )


def _due(schedule: Schedule, now: datetime) -> datetime:
    if faults := [Fault(f"window.{name}", wrong.template, wrong.params) for name, wrong in _wrong(schedule).items()]:
        raise Invalid(
            "Updates cannot begin in such a window of the day.",
            next_step="Write the window like 01:00-04:00, with a zone like Asia/Tokyo and days like mon,tue.",
            faults=faults,
        )
    due_at = schedule.next_opening(now)
    if due_at is None:
        raise Conflict(
            "There is no time at which the update may begin: no window of it opens before {not_after}.",
            next_step="Give a later --not-after, or another window.",
            not_after=schedule.not_after,
        )
    return due_at


def _wrong(schedule: Schedule) -> Mapping[str, Sentence]:
    return schedule.daily.faults() if schedule.daily else {}


def waits_for(place: Row) -> Sentence | None:
    """What keeps an update from beginning although its time has come; None when nothing does. place: with exchange,
    partner_update, partner, locked_out, code, adapter."""
    if place["exchange"] is not None:
        return sentence("Exchange {exchange} holds code {code}.", exchange=place["exchange"], code=place["code"])
    if place["partner_update"] is not None:
        return sentence(
            "Update {update} of code {partner} is under way, and two of a pair are never updated together.",
            update=place["partner_update"],
            partner=place["partner"],
        )
    if place["locked_out"]:
        return sentence("Adapter {adapter} is locked out.", adapter=place["adapter"])
    return None


def daily_json(daily: Daily | None) -> dict[str, Any] | None:
    """A window as it is kept. Any: JSON values."""
    if daily is None:
        return None
    days = sorted(daily.days)
    return {"opens": f"{daily.opens:%H:%M}", "closes": f"{daily.closes:%H:%M}", "days": days, "zone": daily.zone}


def schedule_of(row: Mapping[str, Any] | Row) -> Schedule:
    """The schedule of an update that is kept. Any: as the database gives its columns."""
    kept, daily = row["daily"], None
    if kept is not None:
        opens, closes = time.fromisoformat(kept["opens"]), time.fromisoformat(kept["closes"])
        daily = Daily(opens, closes, frozenset(kept["days"]), kept["zone"])
    return Schedule(row["not_before"], row["not_after"], daily)
