"""Presets: up to ten lines under a title, with ${variables} that are asked at run time (reference/devices.md §4).

A preset gives nobody more than the lines themselves: what it fills in to is checked like lines typed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from controller.domain.access import Caller, Role, require_contract
from controller.domain.errors import Fault, Forbidden, Invalid, NotFound
from controller.domain.policy import BY_HARM, CommandClass, most_harmful
from controller.series import ALL, Argument, Command, Series
from controller.store import presets
from controller.store.pool import Connection, Database, Row

MAX_LINES = 10

_VARIABLE = re.compile(r"\$\{([a-z][a-z0-9_]{0,31})\}")
_VALUE = re.compile(r"[A-Za-z0-9_.:/-]{1,255}")
"""One harmless word: what a line may consist of (series/declaration.py), without blanks."""
_WORD = rf"(?:{_VALUE.pattern}|\$\{{[a-z][a-z0-9_]{{0,31}}\}})"
_LINE = re.compile(rf"{_WORD}(?: {_WORD})*")


@dataclass(frozen=True, slots=True)
class Preset:
    """kind: the most harmful class that its lines may have. contract: whose it is, None for support staff's."""

    title: str
    kind: CommandClass
    lines: tuple[str, ...]
    contract: str | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The names to be given, in the order of their appearance."""
        return tuple(dict.fromkeys(name for line in self.lines for name in _VARIABLE.findall(line)))


def of_row(row: Row) -> Preset:
    """The preset behind a row of the store."""
    return Preset(row["title"], CommandClass(row["kind"]), tuple(row["lines"]), row["contract"])


def fill(preset: Preset, variables: Mapping[str, str]) -> list[str]:
    """The lines with every variable put in. Whether they may be run where, is for services/policy.py to say.

    Raises Invalid with a fault for each variable that is missing, unknown or not one harmless word, and for each line
    that is then no command of any series, or of a more harmful class than the preset's.
    """
    faults = list(_wrong_values(preset.variables, variables))
    lines = [] if faults else [_VARIABLE.sub(lambda found: variables[found[1]], line) for line in preset.lines]
    faults += [fault for at, line in enumerate(lines) if (fault := _wrong_line(at, line, preset.kind))]
    if faults:
        raise Invalid(
            "Nothing was sent: preset {title} cannot be filled in like this.",
            next_step="hikitsugi preset show TITLE says what it asks for.",
            faults=faults,
            title=preset.title,
        )
    return lines


def _wrong_values(wanted: Sequence[str], given: Mapping[str, str]) -> Iterator[Fault]:
    for name in wanted:
        if name not in given:
            yield Fault(f"variables.{name}", "The preset asks for {name}.", {"name": name})
        elif not _VALUE.fullmatch(given[name]):
            params = {"name": name, "value": repr(given[name][:80])}
            yield Fault(f"variables.{name}", "{value} is not one word of letters, digits and . : / _ -", params)
    for name in sorted(set(given) - set(wanted)):
        yield Fault(f"variables.{name[:32]}", "The preset has no variable {name}.", {"name": repr(name[:80])})


def _wrong_line(at: int, line: str, kind: CommandClass) -> Fault | None:
    found = [command.command_class for series in ALL if (command := _like(series, line))]
    params: dict[str, object] = {"line": repr(line[:80]), "class": kind.value}
    if not found:
        return Fault(f"lines.{at}", "{line} is not a command that a series declares.", params)
    if BY_HARM.index(most_harmful(found)) > BY_HARM.index(kind):
        return Fault(f"lines.{at}", "{line} is of a more harmful class than {class}.", params)
    return None


def _like(series: Series, line: str) -> Command | None:
    """The command that the line is; a variable, which must be a whole word, passes for any argument."""
    words = line.split(" ")
    names = (" ".join(words[:length]) for length in range(len(words), 0, -1))
    command = next((found for name in names if (found := series.named(name))), None)
    if command is None or command.interactive or not _LINE.fullmatch(line):
        return None
    open_ = replace(command, arguments=tuple(_open(argument) for argument in command.arguments))
    return command if open_.takes(words[len(command.name.split(" ")) :]) else None


def _open(argument: Argument) -> Argument:
    return replace(argument, accepts=lambda word: bool(_VARIABLE.fullmatch(word)) or argument.accepts(word))


async def filled(connection: Connection, title: str, variables: Mapping[str, str], *, caller: Caller) -> list[str]:
    """The lines of the caller's preset of that title, filled in. Raises NotFound, Invalid as `fill`."""
    row = await presets.one(connection, caller.contract, title)
    if row is None:
        raise _no_preset(title)
    return fill(of_row(row), variables)


async def save(db: Database, preset: Preset, *, caller: Caller, now: datetime) -> None:
    """Keep the preset instead of the one of the same title.

    Operators keep their contract's, support staff their own, administrators any.
    Raises Invalid (a line that no series declares or that is more harmful than its class), NotFound, Forbidden.
    """
    _own(preset.contract, caller)
    faults = [fault for at, line in enumerate(preset.lines) if (fault := _wrong_line(at, line, preset.kind))]
    if not 1 <= len(preset.lines) <= MAX_LINES:
        faults.append(Fault("lines", "Between 1 and {most} lines.", {"most": MAX_LINES}))
    if faults:
        raise Invalid(
            "The preset was not kept.",
            next_step="hikitsugi series show SERIES lists the commands; ${name} stands for a whole word.",
            faults=faults,
        )
    if not await presets.save(db, preset.contract, preset.title, preset.kind, preset.lines, caller=caller, now=now):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="contract", name=preset.contract)


async def forget(db: Database, contract: str | None, title: str, *, caller: Caller, now: datetime) -> None:
    """Drop a preset. Raises NotFound, Forbidden."""
    _own(contract, caller)
    if not await presets.forget(db, contract, title, caller=caller, now=now):
        raise _no_preset(title)


def _own(contract: str | None, caller: Caller) -> None:
    if contract is not None:
        require_contract(caller, contract, "contract", contract)
    if (caller.role is Role.SUPPORT and contract is not None) or (caller.role is Role.OPERATOR and contract is None):
        raise Forbidden(
            "A contract's presets are its operators', the others are the support staff's.",
            next_step="Keep it without a contract, or have an operator keep it.",
        )


def _no_preset(title: str) -> NotFound:
    return NotFound("No preset {title}.", next_step="hikitsugi preset ls lists them.", title=title)
