"""Status collection: a set of lines over a selection of adapters, asked for by people, carried out by workers (R2.3).

Here is the asking and its refusals. The doing is in services/work.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.domain.access import Caller
from controller.domain.errors import Fault, Invalid, NotFound
from controller.series import CommandClass, Via, by_name
from controller.store import audit, tasks
from controller.store.pool import Database, Row

MAX_LINES = 10


@dataclass(frozen=True, slots=True)
class Selection:
    """Which adapters. codes: these codes; else every entry, narrowed by contract and series where given."""

    codes: tuple[str, ...] = ()
    contract: str | None = None
    series: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A campaign that was taken on. skipped: codes of the selection that hold no adapter."""

    campaign: int
    tasks: int
    skipped: tuple[str, ...]


async def ask(
    db: Database,
    lines: Sequence[str],
    selection: Selection,
    reason: str,
    *,
    via: Via | None = None,
    caller: Caller,
    now: datetime,
) -> Asked:
    """Make one task per selected adapter; workers run them at once.

    lines: 1 to 10, each a declared *status* command of every selected series. An operator reaches only the own
    contract's adapters. via: the transport for all, None for what fits each.
    Anything else is refused before a connection is opened, and the refusal is recorded.
    Raises Invalid with every fault, NotFound.
    """
    subject = ", ".join(lines)[:200]
    try:
        targets = await _targets(db, selection, caller)
        _check_lines(lines, {target["series"] for target in targets if target["serial"]})
    except (Invalid, NotFound) as error:
        detail = {"lines": [line[:200] for line in lines[:MAX_LINES]], "why": str(error), "reason": reason}
        await audit.refused(db, caller, "run", subject, now=now, contract=caller.contract, detail=detail)
        raise
    present = [target for target in targets if target["serial"]]
    campaign = await tasks.create_campaign(db, lines, present, reason, via=via, caller=caller, now=now)
    skipped = tuple(target["code"] for target in targets if not target["serial"])
    return Asked(campaign, len(present), skipped)


async def _targets(db: Database, selection: Selection, caller: Caller) -> list[Row]:
    contract = selection.contract or caller.contract
    if contract and not caller.sees(contract):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="contract", name=contract)
    codes = list(dict.fromkeys(selection.codes)) or None
    found = await tasks.selected(db, codes=codes, contract=contract, series=selection.series)
    missing = sorted(set(codes or ()) - {row["code"] for row in found})
    if missing:
        raise NotFound(
            "No code {codes} in the selection.", next_step="hikitsugi code ls lists the codes.", codes=missing
        )
    if not any(row["serial"] for row in found):
        raise Invalid(
            "The selection holds no adapter.", next_step="hikitsugi code ls shows which codes hold one.", faults=()
        )
    if len(found) > tasks.MAX_TASKS:
        raise Invalid(
            "The selection has more than {most} adapters.",
            next_step="Narrow it by contract or series and run it in parts.",
            most=tasks.MAX_TASKS,
        )
    return found


def _check_lines(lines: Sequence[str], series: set[str]) -> None:
    faults = [
        fault
        for position, line in enumerate(lines)
        for name in sorted(series)
        if (fault := _fault(f"lines.{position}", line, name))
    ]
    if faults:
        raise Invalid(
            "Nothing was sent: not every line is a status command of every selected series.",
            next_step="hikitsugi series show SERIES lists the commands; narrow the selection or leave the line out.",
            faults=faults,
        )


def _fault(field: str, line: str, series: str) -> Fault | None:
    command = by_name(series).find(line)
    if command is None:
        return Fault(field, "{line} is not a command that series {series} declares.", _named(line, series))
    if command.command_class is not CommandClass.STATUS:
        params = _named(line, series) | {"class": command.command_class.value}
        return Fault(field, "{line} is a {class} command of series {series}; only status commands may be run.", params)
    return None


def _named(line: str, series: str) -> dict[str, object]:
    return {"line": repr(line[:80]), "series": series}
