"""Which units may be sent as a replacement: judged one by one, with reasons for people, the best first. Pure.

A replacement must read the code's config (series and config language), be ours to give, be let in, be no older hardware
than what it replaces, and reach the firmware that the code runs (R3.14). All else only changes the order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from controller.domain.firmware import Image, newest, revision_key, version_key
from controller.domain.sentence import Sentence, sentence
from controller.domain.stock import Stock


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be replaced. firmware_target: of the code, None for none. images: the catalogue of the series."""

    series: str
    model: str
    hardware_revision: str
    config_language: str
    firmware_target: str | None = None
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that might be sent. firmware: what it ran when it was last seen, "" for never. since: in its place."""

    serial: str
    series: str
    model: str
    hardware_revision: str
    config_language: str
    stock: Stock = Stock.IN_STOCK
    code: str | None = None
    firmware: str = ""
    ownership: str = "rented"
    reseller: str = ""
    locked_out: bool = False
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """One unit, judged. reasons: why it does not fit, or what speaks for and against it. rank: 1 is the best."""

    candidate: Candidate
    fits: bool
    reasons: tuple[Sentence, ...]
    rank: int


def propose(wanted: Wanted, units: Iterable[Candidate]) -> list[Proposal]:
    """The units, best first; those that do not fit come last."""
    ordered = sorted(units, key=lambda unit: _order(wanted, unit))
    return [judge(wanted, unit, rank) for rank, unit in enumerate(ordered, 1)]


def judge(wanted: Wanted, unit: Candidate, rank: int = 1) -> Proposal:
    """One unit by itself."""
    against = objections(wanted, unit)
    return Proposal(unit, not against, against or _remarks(wanted, unit), rank)


def objections(wanted: Wanted, unit: Candidate) -> tuple[Sentence, ...]:
    """Every reason why the unit cannot be the replacement; none: it can."""
    return (*_not_there(unit), *_not_ours(unit), *_not_compatible(wanted, unit))


def _not_there(unit: Candidate) -> tuple[Sentence, ...]:
    if unit.code is not None:
        return (sentence("{serial} sits on code {code}.", serial=unit.serial, code=unit.code),)
    if unit.stock is not Stock.IN_STOCK:
        return (sentence("{serial} is {state}, not in stock.", serial=unit.serial, state=unit.stock),)
    return ()


def _not_ours(unit: Candidate) -> tuple[Sentence, ...]:
    found: list[Sentence] = []
    if unit.ownership != "rented":
        found.append(
            sentence("{serial} was bought from {reseller} (R3.1).", serial=unit.serial, reseller=unit.reseller)
        )
    if unit.locked_out:
        found.append(sentence("{serial} is locked out and would be turned away.", serial=unit.serial))
    return tuple(found)


def _not_compatible(wanted: Wanted, unit: Candidate) -> tuple[Sentence, ...]:
    if (unit.series, unit.config_language) != (wanted.series, wanted.config_language):
        return (
            sentence(
                "{serial} is of series {series}; the code's config is for series {wanted}.",
                serial=unit.serial,
                series=unit.series,
                wanted=wanted.series,
            ),
        )
    return (*_older_hardware(wanted, unit), *_firmware_out_of_reach(wanted, unit))


def _older_hardware(wanted: Wanted, unit: Candidate) -> tuple[Sentence, ...]:
    """Each model counts its revisions for itself; one that nobody has noted says nothing."""
    if unit.model != wanted.model or not unit.hardware_revision or not wanted.hardware_revision:
        return ()
    if revision_key(unit.hardware_revision) >= revision_key(wanted.hardware_revision):
        return ()
    return (
        sentence(
            "Its hardware revision {revision} is older than {wanted}.",
            revision=unit.hardware_revision,
            wanted=wanted.hardware_revision,
        ),
    )


def _firmware_out_of_reach(wanted: Wanted, unit: Candidate) -> tuple[Sentence, ...]:
    if not wanted.images:
        return ()  # nothing is catalogued for the series: the target stays as it is (R3.14)
    best = newest(wanted.images, unit.series, unit.model, unit.hardware_revision)
    if best is None:
        return (sentence("No firmware in the catalogue fits {model}.", model=unit.model),)
    target = wanted.firmware_target
    if target is None or version_key(best.version) >= version_key(target):
        return ()
    return (
        sentence(
            "The newest firmware that fits it, {newest}, is older than the code's {target}.",
            newest=best.version,
            target=target,
        ),
    )


def _remarks(wanted: Wanted, unit: Candidate) -> tuple[Sentence, ...]:
    return (_of_model(wanted, unit), _of_revision(wanted, unit), _of_firmware(wanted, unit))


def _of_model(wanted: Wanted, unit: Candidate) -> Sentence:
    if unit.model == wanted.model:
        return sentence("The same model, {model}.", model=unit.model)
    return sentence(
        "Another model of the series, {model}: the config may name interfaces that it does not have.", model=unit.model
    )


def _of_revision(wanted: Wanted, unit: Candidate) -> Sentence:
    if not unit.hardware_revision:
        return sentence("Its hardware revision is not known.")
    if (unit.model, unit.hardware_revision) == (wanted.model, wanted.hardware_revision):
        return sentence("The same hardware revision, {revision}.", revision=unit.hardware_revision)
    return sentence("Hardware revision {revision}.", revision=unit.hardware_revision)


def _of_firmware(wanted: Wanted, unit: Candidate) -> Sentence:
    best = newest(wanted.images, unit.series, unit.model, unit.hardware_revision)
    if best is None:
        return sentence("No firmware is catalogued for the series: the code's target stays as it is.")
    if unit.firmware == best.version:
        return sentence("It last ran {version}, the newest for its hardware.", version=best.version)
    return sentence("It updates to {version} before it starts service (R3.14).", version=best.version)


def _order(wanted: Wanted, unit: Candidate) -> tuple[bool, bool, bool, bool, float, str]:
    """Sort key: fits, same model, same revision, no update needed; then who has waited longest, then the serial."""
    best = newest(wanted.images, unit.series, unit.model, unit.hardware_revision)
    return (
        bool(objections(wanted, unit)),
        unit.model != wanted.model,
        unit.hardware_revision != wanted.hardware_revision,
        best is not None and unit.firmware != best.version,
        unit.since.timestamp() if unit.since else 0.0,
        unit.serial,
    )
