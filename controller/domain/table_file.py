"""Files of rows that people send, CSV with a header or a list of JSON objects: what is checked of every one. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.domain.errors import Fault

MAX_FAULTS = 1000  # a file in the wrong encoding would otherwise answer with a million sentences

_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(slots=True)
class Faults:
    """What is wrong in a file. wrong: how many faults there are; the first MAX_FAULTS are kept."""

    faults: list[Fault] = field(default_factory=list)
    wrong: int = 0

    def fault(self, line: int, column: str, sentence: str, **params: object) -> None:
        self.wrong += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(column, sentence, params, location="file", line=line))


def header_is_right(
    found: Faults, header: list[str], columns: Sequence[str], required: Collection[str], also: Collection[str] = ()
) -> bool:
    """Tell of columns that are unknown, twice or missing. also: known to us, but of no use here."""
    for name in sorted(set(header) - {*columns, *also}):
        found.fault(1, tellable(name), "There is no such column; the columns are {columns}.", columns=columns)
    for name in sorted({name for name in header if header.count(name) > 1}):
        found.fault(1, tellable(name), "This column is there twice.")
    for name in required:
        if name not in header:
            found.fault(1, name, "This column is missing.")
    return not found.faults


def csv_rows(
    found: Faults, reader: Any, header: list[str], is_row: Callable[[list[str]], bool] = bool
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with the line that each begins in: a quoted cell may have several. is_row: which lines are not passed over.

    Any: csv's reader has no public type. Raises csv.Error and UnicodeDecodeError as the reader does.
    """
    line = reader.line_num + 1
    for cells in reader:
        if is_row(cells) and len(cells) != len(header):
            wrong = {"cells": len(cells), "columns": len(header)}
            found.fault(line, "", "This row has {cells} cells, the header {columns}.", **wrong)
        elif is_row(cells):
            yield line, dict(zip(header, cells, strict=True))
        line = reader.line_num + 1


def tellable(name: str) -> str:
    """A name from outside, short and such that it can be sent back."""
    return _NO_TEXT.sub("?", name[:40])
