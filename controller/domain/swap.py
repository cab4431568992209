"""Entry/standby exchange: what is allowed, and what will happen (R3.10-R3.14).

Pure: the rows come in, a plan or a refusal comes out. The store applies a plan as one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.errors import Conflict, Invalid
from controller.domain.firmware import Image, newest
from controller.domain.sentence import Sentence, sentence


@dataclass(frozen=True, slots=True)
class Unit:
    """The physical adapter as far as an exchange asks."""

    serial: str
    series: str
    model: str
    hardware_revision: str
    config_language: str
    firmware: str
    locked_out: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """A code with what it holds. open_exchange: id and time of an exchange that still holds the code.

    warm: its spare is kept connected.
    """

    code: str
    contract: str
    kind: str
    firmware_target: str | None
    unit: Unit | None
    open_tasks: int = 0
    open_exchange: int | None = None
    open_since: datetime | None = None
    warm: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What the exchange will do. findings: sentences for the operator, in order; warnings: what to think about."""

    contract: str
    entry: str
    standby: str
    new_adapter: str
    old_adapter: str
    firmware_target: str | None
    deadline_at: datetime
    replaces: int | None
    findings: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...]


def plan(
    entry: Slot, standby: Slot, images: tuple[Image, ...], *, now: datetime, deadline: timedelta, replaces: int | None
) -> Plan:
    """The exchange of the two slots' adapters, or a refusal that says why and what to do.

    images: catalogued images of the entry's series, from which the firmware target is chosen (R3.14).
    replaces: id of the open exchange of this entry that the new one ends, None for none.
    Raises Invalid (can never be exchanged) or Conflict (not now).
    """
    new, old = _units(entry, standby)
    _same_family(new, old)
    _not_held(entry, standby, replaces)
    target = newest(images, new.series, new.model, new.hardware_revision)
    version = target.version if target else entry.firmware_target
    tasks = entry.open_tasks + standby.open_tasks
    return described(
        entry.contract,
        entry.code,
        standby.code,
        new,
        old,
        version,
        tasks,
        deadline_at=now + deadline,
        replaces=replaces,
        was_warm=standby.warm,
    )


def described(
    contract: str,
    entry: str,
    standby: str,
    new: Unit,
    old: Unit,
    version: str | None,
    open_tasks: int,
    *,
    deadline_at: datetime,
    replaces: int | None,
    was_warm: bool,
) -> Plan:
    """The plan in words, for one that was made here and for one that the database has carried out."""
    return Plan(
        contract=contract,
        entry=entry,
        standby=standby,
        new_adapter=new.serial,
        old_adapter=old.serial,
        firmware_target=version,
        deadline_at=deadline_at,
        replaces=replaces,
        findings=_findings(entry, standby, new, old, version),
        warnings=_warnings(standby, new, old, version, open_tasks, was_warm),
    )


def _units(entry: Slot, standby: Slot) -> tuple[Unit, Unit]:
    for slot, kind in ((entry, "entry"), (standby, "standby")):
        if slot.kind != kind:
            raise Invalid(
                "Code {code} is of kind {kind}, but {wanted} is needed here.",
                next_step="Name the entry first, then the standby: hikitsugi swap ENTRY STANDBY.",
                code=slot.code,
                kind=slot.kind,
                wanted=kind,
            )
    if entry.contract != standby.contract:
        raise Invalid(
            "Entry {entry} and standby {standby} belong to different contracts.",
            next_step="Choose a standby of contract {contract}.",
            entry=entry.code,
            standby=standby.code,
            contract=entry.contract,
        )
    for slot in (entry, standby):
        if slot.unit is None:
            raise Invalid(
                "Code {code} holds no adapter, so there is nothing to exchange.",
                next_step="Register an adapter on it first (hikitsugi inventory import).",
                code=slot.code,
            )
    assert entry.unit is not None and standby.unit is not None
    return standby.unit, entry.unit


def _same_family(new: Unit, old: Unit) -> None:
    if (new.series, new.config_language) != (old.series, old.config_language):
        raise Invalid(
            "Adapter {new} is of series {new_series}, adapter {old} of series {old_series}: "
            "it could not read the entry's config.",
            next_step="Choose a standby whose adapter is of series {old_series}.",
            new=new.serial,
            new_series=new.series,
            old=old.serial,
            old_series=old.series,
        )
    if new.locked_out:
        raise Invalid(
            "Adapter {serial} is locked out and would be turned away.",
            next_step="Choose another standby, or unlock it (hikitsugi adapter unlock {serial}).",
            serial=new.serial,
        )


def _not_held(entry: Slot, standby: Slot, replaces: int | None) -> None:
    for slot in (entry, standby):
        if slot.open_exchange is None or slot.open_exchange == replaces:
            continue
        assert slot.open_since is not None
        raise Conflict(
            "Code {code} has swap {exchange} open since {since}.",
            next_step="Plug the adapter in to finish it, or end it with this one: --replace {exchange}.",
            code=slot.code,
            exchange=slot.open_exchange,
            since=slot.open_since,
        )
    if replaces is not None and entry.open_exchange != replaces:
        raise Conflict(
            "Swap {exchange} is not open on entry {entry}, so it cannot be replaced.",
            next_step="Look at the entry's exchanges: hikitsugi exchange ls --entry {entry}.",
            exchange=replaces,
            entry=entry.code,
        )


def _findings(entry: str, standby: str, new: Unit, old: Unit, version: str | None) -> tuple[Sentence, ...]:
    firmware = (
        sentence("The firmware target of {code} becomes {version}.", code=entry, version=version)
        if version
        else sentence("No firmware image is catalogued for {model}: no target is set.", model=new.model)
    )
    return (
        sentence(
            "{code}: {old} ({old_model}) goes out, {new} ({new_model}) comes in.",
            code=entry,
            old=old.serial,
            old_model=old.model,
            new=new.serial,
            new_model=new.model,
        ),
        sentence(
            "{code}: holds {old} from then on; it gets the stand-by answer and its keys end.",
            code=standby,
            old=old.serial,
        ),
        sentence("{code} keeps its config, description and history.", code=entry),
        firmware,
        sentence("Neither adapter needs to be connected; plugging the new one in is the whole exchange."),
    )


def _warnings(
    standby: str, new: Unit, old: Unit, version: str | None, tasks: int, was_warm: bool
) -> tuple[Sentence, ...]:
    found: list[Sentence] = []
    if new.model != old.model:
        found.append(
            sentence(
                "The models differ ({old_model}, {new_model}): the config may name interfaces that do not exist.",
                old_model=old.model,
                new_model=new.model,
            )
        )
    if version and new.firmware and new.firmware != version:
        found.append(
            sentence(
                "{new} last ran {firmware}; it updates to {version} before it starts service.",
                new=new.serial,
                firmware=new.firmware,
                version=version,
            )
        )
    if tasks:
        found.append(
            sentence(
                "{tasks} open task(s) of the two codes: waiting ones end with a note, running ones finish.", tasks=tasks
            )
        )
    if was_warm:
        found.append(
            sentence(
                "{standby} is kept warm no longer: {old}, which it holds then, has just been taken out of service.",
                standby=standby,
                old=old.serial,
            )
        )
    return tuple(found)
