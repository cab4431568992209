"""Entry/standby exchange: what is allowed, and what will happen (R3.10-R3.14).

Pure: the rows come in, a plan or a refusal comes out. The store applies a plan as one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.domain import taking_over
from controller.domain.errors import Conflict, Invalid
from controller.domain.exchange import Kind, State
from controller.domain.firmware import Image, newest
from controller.domain.sentence import Sentence, sentence


@dataclass(frozen=True, slots=True)
class Unit:
    """The physical adapter as far as an exchange asks. reseller: who sold it, "" when it is rented."""

    serial: str
    series: str
    model: str
    hardware_revision: str
    config_language: str
    firmware: str
    locked_out: bool = False
    reseller: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A code with what it holds. open_exchange: id, time, kind and state of an exchange that still holds the code.

    open_case: id of the case that its adapter has. received: that is a return, and the desk has the unit already.
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
    open_kind: Kind | None = None
    open_state: State | None = None
    open_case: int | None = None
    received: bool = False
    warm: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What the exchange will do. findings: sentences for the operator, in order; warnings: what to think about.

    returns: the old adapter is to be sent back (R3.13).
    """

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
    returns: bool = False


def plan(
    entry: Slot,
    standby: Slot,
    images: tuple[Image, ...],
    *,
    now: datetime,
    deadline: timedelta,
    replaces: int | None,
    fault: str = "",
    preflight: int | None = None,
) -> Plan:
    """The exchange of the two slots' adapters, or a refusal that says why and what to do.

    images: catalogued images of the entry's series, from which the firmware target is chosen (R3.14).
    replaces: id of the open exchange of this entry that the new one ends, None for none.
    fault: of the entry's adapter, "" for none. preflight: id of the exchange that is ordered, None for a new one.
    Raises Invalid (can never be exchanged) or Conflict (not now).
    """
    new, old = _units(entry, standby)
    _same_family(new, old)
    _is_at_hand(standby, new)
    _not_held(entry, standby, replaces, preflight)
    if fault:
        _no_case_of_its_own(entry, old)
    target = newest(images, new.series, new.model, new.hardware_revision)
    version = target.version if target else entry.firmware_target
    tasks = entry.open_tasks + standby.open_tasks
    made = described(
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
        fault=fault,
    )
    return replace(made, warnings=made.warnings + _case_of(standby, new))


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
    fault: str = "",
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
        findings=_findings(entry, standby, new, old, version) + (_return_of(standby, old) if fault else ()),
        warnings=_warnings(standby, new, old, version, open_tasks, was_warm),
        returns=bool(fault) and not old.reseller,
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


def _is_at_hand(standby: Slot, new: Unit) -> None:
    """The faulty unit of a return stays on the standby code until its replacement takes its place (R3.13)."""
    if standby.received:
        raise Conflict(
            "Adapter {serial} on {standby} was sent back: the desk has received it (exchange {exchange}), so nobody "
            "could plug it in.",
            next_step="Have its replacement dispatched to {standby}, or the return withdrawn: "
            "hikitsugi exchange show {exchange} names the commands. Or choose another standby.",
            serial=new.serial,
            standby=standby.code,
            exchange=standby.open_case,
        )


def _not_held(entry: Slot, standby: Slot, replaces: int | None, preflight: int | None) -> None:
    for slot in (entry, standby):
        if slot.open_exchange is not None and slot.open_exchange not in (replaces, preflight):
            raise _held(slot, replaceable=slot.open_exchange == entry.open_exchange)
    if replaces is not None and entry.open_exchange != replaces:
        raise Conflict(
            "Swap {exchange} is not open on entry {entry}, so it cannot be replaced.",
            next_step="Look at the entry's exchanges: hikitsugi exchange ls --entry {entry}.",
            exchange=replaces,
            entry=entry.code,
        )


def _held(slot: Slot, *, replaceable: bool) -> Conflict:
    """replaceable: it is a swap of this entry, so the new order may end it."""
    if slot.open_state is State.PRE_FLIGHT:
        return Conflict(
            "Code {code} has swap {exchange} in pre-flight since {since}: it is ordered in a minute at the latest.",
            next_step="Wait for it (hikitsugi exchange show {exchange}), or withdraw it: "
            "hikitsugi exchange advance {exchange} withdraw.",
            code=slot.code,
            exchange=slot.open_exchange,
            since=slot.open_since,
        )
    if slot.open_kind not in (None, Kind.SWAP):
        return Conflict(
            "Code {code} is held by exchange {exchange} ({kind}), whose replacement is on its way.",
            next_step="Wait for it (hikitsugi exchange show {exchange}), or have it withdrawn.",
            code=slot.code,
            exchange=slot.open_exchange,
            kind=slot.open_kind,
        )
    return Conflict(
        "Code {code} has swap {exchange} open since {since}.",
        next_step="Plug the adapter in to finish it, or end it with this one: --replace {exchange}."
        if replaceable
        else "It is a swap with another entry: let it end first (hikitsugi exchange show {exchange}), "
        "or choose another standby.",
        code=slot.code,
        exchange=slot.open_exchange,
        since=slot.open_since,
    )


def _no_case_of_its_own(entry: Slot, old: Unit) -> None:
    if entry.open_case is not None:
        raise Conflict(
            "Adapter {serial} has case {exchange} open already, so its fault is known.",
            next_step="Exchange it without a fault, or look at the case: hikitsugi exchange show {exchange}.",
            serial=old.serial,
            exchange=entry.open_case,
        )


def _return_of(standby: str, old: Unit) -> tuple[Sentence, ...]:
    """R3.13, R3.9, R3.1."""
    if old.reseller:
        return (
            sentence(
                "{old} was bought from {reseller}, who maintains it; no replacement is sent.",
                old=old.serial,
                reseller=old.reseller,
            ),
        )
    return (
        sentence(
            "{old} is to be sent back within 30 days; when it has arrived, a replacement comes for {standby}.",
            old=old.serial,
            standby=standby,
        ),
    )


def _case_of(standby: Slot, new: Unit) -> tuple[Sentence, ...]:
    """A unit that was reported faulty may come in again (it was the cable), but not by oversight (R3.13)."""
    if standby.open_case is None:
        return ()
    return (
        sentence(
            "{new} was reported faulty: exchange {exchange} waits for it. If it was none, have that exchange "
            "withdrawn; if it is on its way already, do not exchange: nothing would be left to plug in.",
            new=new.serial,
            exchange=standby.open_case,
        ),
    )


def _findings(entry: str, standby: str, new: Unit, old: Unit, version: str | None) -> tuple[Sentence, ...]:
    return (
        taking_over.who_comes_in(entry, old=old.serial, old_model=old.model, new=new.serial, new_model=new.model),
        sentence(
            "{code}: holds {old} from then on; it gets the stand-by answer and its keys end.",
            code=standby,
            old=old.serial,
        ),
        sentence("{code} keeps its config, description and history.", code=entry),
        taking_over.firmware_of(entry, new.model, version),
        sentence("Neither adapter needs to be connected; plugging the new one in is the whole exchange."),
    )


def _warnings(
    standby: str, new: Unit, old: Unit, version: str | None, tasks: int, was_warm: bool
) -> tuple[Sentence, ...]:
    models = {"old_model": old.model, "new": new.serial, "new_model": new.model}
    found = [*taking_over.to_think_about(**models, firmware=new.firmware, version=version)]
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
