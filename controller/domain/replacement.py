"""A replacement takes a code over: what is allowed, and what will happen (R3.6-R3.8, R3.14).

Pure, as domain/swap.py is for entry/standby exchanges: values in, a plan or a refusal out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.domain import taking_over
from controller.domain.errors import Conflict, ForStaff
from controller.domain.firmware import Image, newest
from controller.domain.sentence import Sentence, sentence


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides. old_code, new_code: where the units sit now, None for nowhere. new_stock: None: no such adapter.

    old_is_theirs: old_code is of the same contract, or None.
    goes_to: id of another case that the new unit is on its way for. held_by: of another exchange that holds the code.
    images: catalogued ones of the new unit's series.
    """

    exchange: int
    code: str
    is_entry: bool
    old_adapter: str
    old_series: str
    old_model: str
    old_code: str | None
    old_is_theirs: bool
    new_adapter: str
    new_series: str
    new_model: str
    new_hardware_revision: str
    new_firmware: str
    new_stock: str | None
    new_code: str | None
    new_locked_out: bool
    goes_to: int | None
    changed_at: datetime | None
    held_by: int | None
    held_since: datetime | None
    firmware_target: str | None
    open_tasks: int
    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the change will do. findings: sentences for people, in order; warnings: what to think about."""

    code: str
    old_adapter: str
    new_adapter: str
    firmware_target: str | None
    findings: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...]


def plan(facts: Facts) -> Plan:
    """The change in words. Raises Conflict that says what is in its way and what to do."""
    _is_still_to_change(facts)
    _comes_from_stock(facts)
    _reads_the_config(facts)
    target = newest(facts.images, facts.new_series, facts.new_model, facts.new_hardware_revision)
    version = target.version if target and facts.is_entry else facts.firmware_target
    return Plan(
        facts.code, facts.old_adapter, facts.new_adapter, version, _findings(facts, version), _warnings(facts, version)
    )


def _is_still_to_change(facts: Facts) -> None:
    if facts.changed_at is not None:
        raise Conflict(
            "The registration of {code} was changed for exchange {exchange} at {at}; that cannot be taken back.",
            next_step="Look at it: hikitsugi exchange show {exchange}.",
            code=facts.code,
            exchange=facts.exchange,
            at=facts.changed_at,
        )
    if facts.old_code != facts.code:
        elsewhere = Conflict(
            "Code {code} no longer holds {old}, which is to be replaced; {old} sits on {place} now."
            if facts.old_code
            else "Code {code} no longer holds {old}, which is to be replaced; {old} sits on no code now.",
            next_step="Withdraw the case (hikitsugi exchange advance {exchange} withdraw) and report the fault again "
            "where the unit is.",
            code=facts.code,
            old=facts.old_adapter,
            place=facts.old_code or "",
            exchange=facts.exchange,
        )
        raise elsewhere if facts.old_is_theirs else ForStaff.of(elsewhere)
    if facts.held_by is not None:
        raise Conflict(
            "Code {code} is held by exchange {other}, open since {since}.",
            next_step="Finish or withdraw that one first: hikitsugi exchange show {other}.",
            code=facts.code,
            other=facts.held_by,
            since=facts.held_since,
        )


def _comes_from_stock(facts: Facts) -> None:
    if facts.new_stock is None:
        raise Conflict(
            "No adapter {serial}.", next_step="hikitsugi stock ls lists what is in stock.", serial=facts.new_adapter
        )
    if facts.new_code is not None:
        raise ForStaff(
            "Adapter {serial} sits on code {code}; a replacement comes from stock.",
            next_step="Choose another one: hikitsugi stock ls.",
            serial=facts.new_adapter,
            code=facts.new_code,
        )
    if facts.new_locked_out:
        raise Conflict(
            "Adapter {serial} is locked out and would be turned away.",
            next_step="Choose another one: hikitsugi stock ls.",
            serial=facts.new_adapter,
        )
    if facts.goes_to is not None:
        raise ForStaff(
            "Adapter {serial} is on its way for exchange {other}.",
            next_step="Choose another one: hikitsugi stock ls.",
            serial=facts.new_adapter,
            other=facts.goes_to,
        )
    if facts.new_stock not in ("in-stock", "in-transit"):
        raise Conflict(
            "Adapter {serial} is {stock}, not in stock.",
            next_step="Choose another one (hikitsugi stock ls), or put it back in stock first.",
            serial=facts.new_adapter,
            stock=facts.new_stock,
        )


def _reads_the_config(facts: Facts) -> None:
    """A series has one config language, so the same series is the same language."""
    if facts.new_series != facts.old_series:
        raise Conflict(
            "Adapter {new} is of series {new_series}, adapter {old} of series {old_series}: "
            "it could not read the code's config.",
            next_step="Choose a replacement of series {old_series}: hikitsugi stock ls.",
            new=facts.new_adapter,
            new_series=facts.new_series,
            old=facts.old_adapter,
            old_series=facts.old_series,
        )


def _findings(facts: Facts, version: str | None) -> tuple[Sentence, ...]:
    units = {"old": facts.old_adapter, "old_model": facts.old_model, "new": facts.new_adapter}
    return (
        taking_over.who_comes_in(facts.code, **units, new_model=facts.new_model),
        sentence("{old} is locked out from then on: everything it asks for is refused.", old=facts.old_adapter),
        sentence("The change cannot be taken back."),
        *((taking_over.firmware_of(facts.code, facts.new_model, version),) if facts.is_entry else ()),
        sentence("Plugging {new} in is the whole exchange.", new=facts.new_adapter),
    )


def _warnings(facts: Facts, version: str | None) -> tuple[Sentence, ...]:
    found = taking_over.to_think_about(
        old_model=facts.old_model,
        new=facts.new_adapter,
        new_model=facts.new_model,
        firmware=facts.new_firmware,
        version=version if facts.is_entry else None,
    )
    if not facts.open_tasks:
        return tuple(found)
    tasks = sentence(
        "{tasks} open task(s) of the code: waiting ones end with a note, running ones finish.", tasks=facts.open_tasks
    )
    return (*found, tasks)
