"""What each command prints: one Jinja template per file, agent/recordings/<series>/<words_of_the_command>.txt.j2.

Adding a status command is adding a file. Its first line may say which words may follow the command, and which models
have it (all, if it does not say):

    {# arguments: address [count packets] | models: SEIL/X1, SEIL/B1 #}

A name is a word that must be there, in brackets one that may; `count packets` is the word "count" and a number;
`running/backup` one of these words. The template sees them as args.address, args.packets, args.which ("" if absent),
beside `device`, a view.View. Names of two kinds are checked: `address` (numeric) and `packets` (1 to 100).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FOLDER = Path(__file__).parent.parent / "recordings"
SUFFIX = ".txt.j2"

_HEADER = re.compile(r"\{#-? arguments:(?P<arguments>[^|#]*)(?:\| models:(?P<models>[^|#]*))?#\}")
_ARGUMENT = re.compile(r"\[(?P<optional>[^]]+)\]|(?P<needed>[^\s\[\]]+)")


class Misused(Exception):
    """The words after the command do not fit it; the text is for the device's error line."""


@dataclass(frozen=True, slots=True)
class Argument:
    """keyword: the word that must stand before the value. choices: the words it may be, () for any."""

    name: str
    keyword: str
    choices: tuple[str, ...]
    optional: bool

    @property
    def width(self) -> int:
        return 2 if self.keyword else 1

    def accepts(self, word: str) -> bool:
        if self.choices:
            return word in self.choices
        if self.name == "packets":
            return word.isdecimal() and 1 <= int(word[:6]) <= 100
        return self.name != "address" or _is_address(word)


@dataclass(frozen=True, slots=True)
class Recording:
    """One command. words: its name. template: its text, file name and all, loaded when it is first printed."""

    series: str
    words: tuple[str, ...]
    arguments: tuple[Argument, ...]
    models: frozenset[str]

    @property
    def template(self) -> Template:
        return _environment().get_template(f"{self.series}/{'_'.join(self.words)}{SUFFIX}")

    def arguments_from(self, words: list[str]) -> dict[str, str]:
        """The values by name, "" for what is absent. Raises Misused."""
        values = dict.fromkeys((argument.name for argument in self.arguments), "")
        rest = words
        for argument in self.arguments:
            width = argument.width
            there = len(rest) >= width and (not argument.keyword or rest[0] == argument.keyword)
            if there and argument.accepts(rest[width - 1]):
                values[argument.name] = rest[width - 1]
                rest = rest[width:]
            elif not argument.optional:
                raise Misused(
                    f"invalid parameter: {rest[0]}" if rest else f"incomplete command: {argument.name} is missing"
                )
        if rest:
            raise Misused(f"invalid parameter: {rest[0]}")
        return values


@cache
def of_series(series: str) -> dict[tuple[str, ...], Recording]:
    """Every recording of the series by the words of its command. Raises ValueError for a header that cannot be read."""
    recordings = (_read(series, path) for path in sorted((FOLDER / series).glob(f"*{SUFFIX}")))
    return {recording.words: recording for recording in recordings if recording.words[0]}


def find(series: str, model: str, words: list[str]) -> tuple[Recording, list[str]] | None:
    """The recording with the longest name that these words begin with, and the words after it."""
    known = of_series(series)
    for length in range(len(words), 0, -1):
        recording = known.get(tuple(words[:length]))
        if recording and (not recording.models or model in recording.models):
            return recording, words[length:]
    return None


def error(series: str, reason: str) -> str:
    """The one line that a command earns when it cannot be done."""
    return _environment().get_template(f"{series}/_error{SUFFIX}").render(reason=reason)


def _read(series: str, path: Path) -> Recording:
    with path.open(encoding="utf-8") as file:
        header = _HEADER.match(file.readline())
    arguments = header["arguments"] if header else ""
    models = (header["models"] or "") if header else ""
    found = ((match["optional"], match["needed"]) for match in _ARGUMENT.finditer(arguments))
    return Recording(
        series,
        words=tuple(path.name.removesuffix(SUFFIX).split("_")),
        arguments=tuple(_argument(optional or needed, bool(optional)) for optional, needed in found),
        models=frozenset(model.strip() for model in models.split(",") if model.strip()),
    )


def _argument(text: str, optional: bool) -> Argument:
    keyword, _, name = text.strip().rpartition(" ")
    choices = tuple(name.split("/")) if "/" in name else ()
    return Argument("which" if choices else name, keyword, choices, optional)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 (text for a terminal; there is nothing to escape for)
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,  # the files do not change while a fleet runs; looking costs a system call each time
    )
    environment.filters |= {"hms": _hms, "spoken": _spoken, "statements_of": _statements_of}
    return environment


def _hms(duration: timedelta | int) -> str:
    """ "01:22:33"; hours go on past 24."""
    seconds = duration if isinstance(duration, int) else int(duration.total_seconds())
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _spoken(duration: timedelta) -> str:
    """ "36 minutes", "2 hours, 5 minutes", "3 days, 2 hours"; the form beyond minutes is assumed."""
    days, minutes = duration.days, duration.seconds // 60
    if days:
        return f"{days} days, {minutes // 60} hours"
    return f"{minutes // 60} hours, {minutes % 60} minutes" if minutes >= 60 else f"{minutes} minutes"


def _statements_of(config: str, function: str) -> str:
    """The lines that begin with this word; all of them, to the byte, without one."""
    if not function:
        return config
    return "".join(line for line in config.splitlines(keepends=True) if line.split(" ", 1)[0] == function)


def _is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True
