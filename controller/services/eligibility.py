"""Which adapters of a selection know the lines that are to be run there. Pure: rows in, rows and reasons out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller.domain.errors import Fault, Invalid
from controller.domain.firmware import version_key
from controller.domain.sentence import Sentence, sentence
from controller.series import Command, by_name
from controller.services.selections import Skip
from controller.services.undeclared import undeclared
from controller.store.pool import Row


@dataclass(frozen=True, slots=True)
class Fitting:
    """targets: the adapters that know every line. skips: the others."""

    targets: Sequence[Row]
    skips: tuple[Skip, ...]


def fit(lines: Sequence[str], targets: Sequence[Row], *, named: bool) -> Fitting:
    """Keep the adapters whose series, model and firmware have every line.

    named: the codes were named one by one; then a line that the series of one of them does not declare refuses all,
    as does a line that no series of the selection declares, and one that would ask questions back.
    Raises Invalid with a fault for each line and series.
    """
    series = sorted({target["series"] for target in targets})
    known = {name: [by_name(name).find(line) for line in lines] for name in series}
    faults = list(_faults(lines, known, named))
    if faults:
        raise Invalid(
            "Nothing was sent: not every line is a command of every selected series.",
            next_step="hikitsugi series show SERIES lists the commands; narrow the selection or leave the line out.",
            faults=faults,
        )
    whys = {target["code"]: _why_not(lines, known[target["series"]], target) for target in targets}
    skips = tuple(Skip(t["code"], t["serial"], why) for t in targets if (why := whys[t["code"]]))
    return Fitting([target for target in targets if not whys[target["code"]]], skips)


def _faults(lines: Sequence[str], known: dict[str, list[Command | None]], named: bool) -> Iterator[Fault]:
    fits_somebody = any(all(_runs(command) for command in commands) for commands in known.values())
    for position, line in enumerate(lines):
        for series, commands in known.items():
            command = commands[position]
            declared = any(other[position] for other in known.values())
            params = {"line": repr(line[:80]), "series": series}
            if command and command.interactive:
                sentence_ = "{line} asks questions on series {series}, so it cannot be run unattended."
                yield Fault(f"lines.{position}", sentence_, params)
            elif command is None and (named or not declared or not fits_somebody):
                yield undeclared(position, line, series)


def _runs(command: Command | None) -> bool:
    return command is not None and not command.interactive


def _why_not(lines: Sequence[str], commands: Sequence[Command | None], target: Row) -> Sentence | None:
    for line, command in zip(lines, commands, strict=True):
        if command is None:
            return sentence("Series {series} does not have {line}.", series=target["series"], line=line)
        if command.models and target["model"] not in command.models:
            return sentence("Model {model} does not have {line}.", model=target["model"], line=line)
        if _older(target["firmware"], command.since):
            return sentence(
                "{line} came with firmware {since}; the adapter runs {firmware}.",
                line=line,
                since=command.since,
                firmware=target["firmware"],
            )
    return None


def _older(firmware: str, since: str) -> bool:
    """Firmware of which nobody knows how old it is, is tried."""
    try:
        return bool(since) and version_key(firmware) < version_key(since)
    except ValueError:
        return False
