"""What a bulk exchange will do, row by row: judged one after the other, each as the rows before it leave the codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.domain.bulk_exchange import Pair, RowState
from controller.domain.firmware import Image
from controller.domain.sentence import Sentence, sentence
from controller.domain.swap import Plan, Slot, Unit, described, plan
from controller.domain.why import Why

_NEVER = datetime.max.replace(tzinfo=UTC)  # a plan has no deadline before it is carried out


@dataclass(frozen=True, slots=True)
class Code:
    """A code with what it holds, and the images catalogued for its adapter's series."""

    slot: Slot
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Units:
    """What a row will do, as it is kept with it. held_by: exchanges that hold a code now; the row waits for their end.

    told: which of the two adapters are connected, so that they are told at once.
    """

    contract: str
    old_adapter: str
    old_model: str
    new_adapter: str
    new_model: str
    new_firmware: str
    firmware_target: str | None
    open_tasks: int
    was_warm: bool
    reseller: str
    held_by: tuple[int, ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A row of a plan. why: of a refused one. after_lines: earlier rows with a code of it, which it waits for.

    contracts: of its codes, as far as they are known.
    """

    pair: Pair
    units: Units | None = None
    why: Why | None = None
    after_lines: tuple[int, ...] = ()
    contracts: frozenset[str] = frozenset()

    @property
    def state(self) -> RowState:
        return RowState.REFUSED if self.units is None else RowState.WAITING


@dataclass(slots=True)
class Board:
    """The codes as the rows judged so far leave them, of those that more rows than one name."""

    changed: dict[str, Code] = field(default_factory=dict)
    last_line: dict[str, int] = field(default_factory=dict)

    def judge(self, pair: Pair, codes: Mapping[str, Code], *, now: datetime) -> Judged:
        """One row. codes: its two codes as they are in the registry. Raises ControllerError when it is refused."""
        entry, standby = (self.changed.get(name) or codes[name] for name in pair.codes)
        held = tuple(dict.fromkeys(each.slot.open_exchange for each in (entry, standby) if each.slot.open_exchange))
        planned = judge(entry, standby, now=now, fault=pair.fault)
        new, old = standby.slot.unit, entry.slot.unit
        assert new is not None and old is not None
        units = Units(
            contract=entry.slot.contract,
            old_adapter=old.serial,
            old_model=old.model,
            new_adapter=new.serial,
            new_model=new.model,
            new_firmware=new.firmware,
            firmware_target=planned.firmware_target,
            open_tasks=entry.slot.open_tasks + standby.slot.open_tasks,
            was_warm=standby.slot.warm,
            reseller=old.reseller,
            held_by=held,
        )
        after = tuple(sorted({self.last_line[name] for name in pair.codes if name in self.last_line}))
        self._exchanged(pair, entry, standby, planned.firmware_target)
        return Judged(pair, units, after_lines=after, contracts=frozenset({units.contract}))

    def _exchanged(self, pair: Pair, entry: Code, standby: Code, firmware_target: str | None) -> None:
        left, right = entry.slot, standby.slot
        self.changed[pair.entry] = replace(
            entry,
            slot=replace(
                left,
                unit=right.unit,
                open_case=right.open_case,
                received=right.received,
                firmware_target=firmware_target,
                open_tasks=0,
            ),
        )
        self.changed[pair.standby] = replace(
            standby,
            slot=replace(
                right, unit=left.unit, open_case=left.open_case, received=left.received, warm=False, open_tasks=0
            ),
        )
        self.last_line.update(dict.fromkeys(pair.codes, pair.line))

    def forget(self, codes: Iterable[str]) -> None:
        """These come no more."""
        for code in codes:
            self.changed.pop(code, None)
            self.last_line.pop(code, None)


def judge(entry: Code, standby: Code, *, now: datetime, fault: str) -> Plan:
    """Their exchange, whatever holds the codes now: a row waits until they are free. Its deadline means nothing.

    Raises ControllerError with the reason why they cannot be exchanged (R3.10, R3.14).
    """
    free = [replace(each.slot, open_exchange=None) for each in (entry, standby)]
    return plan(free[0], free[1], entry.images, now=now, deadline=timedelta(0), replaces=None, fault=fault)


def units_of(plan: Mapping[str, Any]) -> Units:
    """What asdict made of it, back from JSON. Any: JSON values."""
    lists = {name: tuple(plan[name]) for name in ("held_by", "told")}
    return Units(**{**plan, **lists})


def report(pair: Pair, units: Units, after_lines: Iterable[int]) -> tuple[list[Sentence], list[Sentence]]:
    """What happens with a row; and what it waits for, and what to think about."""
    new = Unit(units.new_adapter, "", units.new_model, "", "", units.new_firmware)
    old = Unit(units.old_adapter, "", units.old_model, "", "", "", reseller=units.reseller)
    planned = described(
        units.contract,
        pair.entry,
        pair.standby,
        new,
        old,
        units.firmware_target,
        units.open_tasks,
        deadline_at=_NEVER,
        replaces=None,
        was_warm=units.was_warm,
        fault=pair.fault,
    )
    told = [sentence("{adapter} is connected and is told at once.", adapter=adapter) for adapter in units.told]
    return [*planned.findings, *told], [*_waits(units, after_lines), *planned.warnings]


def _waits(units: Units, after_lines: Iterable[int]) -> list[Sentence]:
    waits = [sentence("It waits for line {line}, which names a code of it.", line=line) for line in after_lines]
    return waits + [
        sentence("It waits for exchange {exchange}, which holds a code of it.", exchange=exchange)
        for exchange in units.held_by
    ]
