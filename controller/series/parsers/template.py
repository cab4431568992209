"""A textfsm template whose values are the fields of a dataclass."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from io import StringIO
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from controller.domain.sentence import sentence
from controller.series.unparsable import Unparsable, quoted, unexpected

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from textfsm import TextFSM

Row = TypeVar("Row")
Read = Callable[[Any], object]
"""Turns what a value matched (text, or a list of texts for a `List` value) into the field. Raises ValueError."""

MOST_CHARACTERS = 4096
"""Of one line. A config line has at most 2046 (devices.md §1); it also bounds what a pattern can cost."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""Control characters but the tab, and halves of characters."""


class Template(Generic[Row]):
    """Compiled at first use; parses one text at a time, so it may be used from several threads.

    what: the command, for sentences. row: the dataclass; a value that matched nothing takes the field's default.
    text: the template. Its values are named after the fields; blank lines of the output never reach it, nor blanks at
    the end of a line, nor CR. reads: how to read the fields that pydantic cannot make from text by itself.
    silent: printing nothing at all is a valid answer: an empty table that has no heading.
    """

    def __init__(self, what: str, row: type[Row], text: str, *, silent: bool = False, **reads: Read) -> None:
        self.what = what
        self._row = row
        self._text = text.lstrip("\n")
        self._silent = silent
        self._reads = reads
        self._lock = Lock()

    def rows(self, text: str) -> list[Row]:
        """Every record of the text, in its order. Raises Unparsable."""
        found = [self._typed(values, line) for values, line in self._records(text)]
        if not found and not self._silent and not text.strip():
            raise Unparsable(sentence("{what}: nothing was printed.", what=self.what))
        return found

    def row(self, text: str) -> Row:
        """The one record of the text. Raises Unparsable, also when there is none or another one."""
        found = self.rows(text)
        if len(found) != 1:
            raise Unparsable(
                sentence("{what}: one record was expected, {count} were found.", what=self.what, count=len(found))
            )
        return found[0]

    def _records(self, text: str) -> list[tuple[dict[str, Any], int]]:
        """What the template recorded, with the line at which each record was complete."""
        with self._lock:
            machine = self._machine
            machine.Reset()
            ends: list[int] = []
            for number, line in lines(self.what, text):
                ends += [number] * (self._step(machine, number, line) - len(ends))
            result = machine.ParseText("", eof=True)
            ends += [text.count("\n") + 1] * (len(result) - len(ends))
            return [
                (dict(zip(machine.header, record, strict=True)), end) for record, end in zip(result, ends, strict=True)
            ]

    def _step(self, machine: TextFSM, number: int, line: str) -> int:
        """Feeds one line; returns how many records there are now."""
        from textfsm import TextFSMError

        try:
            return len(machine.ParseText(line, eof=False))
        except TextFSMError as error:
            raise unexpected(self.what, number, line) from error

    def _typed(self, values: dict[str, Any], line: int) -> Row:
        try:
            given = {name: self._read(name, value) for name, value in values.items() if value not in ("", [])}
            return self._adapter.validate_python(given)
        except ValueError as error:
            raise Unparsable(
                sentence(
                    "{what}: the record that ends at line {line} cannot be read: {reason}",
                    what=self.what,
                    line=line,
                    reason=_reason(error),
                ),
                line,
            ) from error

    def _read(self, name: str, value: Any) -> object:  # Any: text, or the list of texts of a List value
        return self._reads[name](value) if name in self._reads else value

    @cached_property
    def _machine(self) -> TextFSM:
        from textfsm import TextFSM  # here: a command line that parses nothing should not wait for it

        return TextFSM(StringIO(self._text))

    @cached_property
    def _adapter(self) -> TypeAdapter[Row]:
        from pydantic import TypeAdapter

        return TypeAdapter(self._row)


def _reason(error: ValueError) -> str:
    """What pydantic or a reader says, without what they repeat of the input."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return quoted(str(error))
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False))


def lines(what: str, text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1, without CR and blanks at their end.

    Raises Unparsable for a line that is too long, or that has what no table has and no database takes.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if not (stripped := line.rstrip()):
            continue
        if len(stripped) > MOST_CHARACTERS or _CONTROL.search(stripped):
            raise unexpected(what, number, stripped)
        yield number, stripped
