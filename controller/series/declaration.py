"""What a series declares about itself: its models, its shell, and every command it may be sent, with its class.

Data and pure functions only. One file per series fills these types in; nothing else in the product asks `if series ==`.
Not here: who may run what (services), and how a line travels (transports).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MAX_LINE = 2046
"""Characters the device's line editor takes (reference/devices.md §1, seil3; assumed for the other series)."""

_LINE = re.compile(r"[A-Za-z0-9_.:/@,=+%-]+(?: [A-Za-z0-9_.:/@,=+%-]+)*")
"""Words of harmless ASCII, single blanks between them: no quotes, separators, control characters or line breaks."""


class CommandClass(StrEnum):
    """How much harm a command can do; the roles that may run it follow from this (R2.3, R2.4)."""

    STATUS = "status"
    CLEAR = "clear"
    DIAGNOSTIC = "diagnostic"
    MANAGEMENT = "management"


class Source(StrEnum):
    """Where a fact about a device comes from, as tagged in reference/devices.md."""

    FOUND = "found"
    INFERRED = "inferred"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: a word that `accepts` says yes to, after `keyword` when there is one (`count 3`)."""

    name: str
    accepts: Callable[[str], bool]
    keyword: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a series.

    name: the fixed words, as typed. arguments: what may follow, in order; optional ones last.
    since: the first firmware that has it ("" = not known). models: those that have it (() = the whole series).
    parse: text to typed fields, where a parser exists.
    """

    name: str
    command_class: CommandClass
    source: Source
    arguments: tuple[Argument, ...] = ()
    since: str = ""
    models: tuple[str, ...] = ()
    parse: Callable[[str], Any] | None = None  # Any: each command's model is its own


@dataclass(frozen=True, slots=True)
class Series:
    """One device family."""

    name: str
    title: str
    models: tuple[str, ...]
    config_language: str
    commands: tuple[Command, ...]

    def find(self, line: str) -> Command | None:
        """The command that this line is, exactly as declared and with valid arguments; None for anything else."""
        if len(line) > MAX_LINE or not _LINE.fullmatch(line):
            return None
        return next((command for command in self.commands if command.name == line), None)
