"""A file of pairs to exchange: what its rows may say by themselves. Pure. Every fault is told with its line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

from controller.domain.bulk_exchange import MAX_ROWS, Pair
from controller.domain.table_file import Faults, csv_rows, header_is_right, tellable

MAX_BYTES = 4 << 20

REQUIRED = ("entry", "standby")
COLUMNS = (*REQUIRED, "reason", "fault")
REPORTED = (
    *("line", "state", "why", "old_adapter", "new_adapter", "firmware_target", "exchange", "exchange_state"),
    *("after_lines", "notes"),
)
"""Columns that the report of a bulk exchange has besides: left alone, so that rows of a report can be planned again."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST = {"reason": 500, "fault": 2000}


@dataclass(slots=True)
class Reading(Faults):
    """What was read: pairs in the file's order, and every fault."""

    pairs: list[Pair] = field(default_factory=list)


def read_csv(file: TextIO) -> Reading:
    """Columns entry and standby, and if wanted reason and fault; a byte order mark has been taken off."""
    reading = Reading()
    reader = csv.reader(file, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if header_is_right(reading, header, COLUMNS, REQUIRED, also=REPORTED):
            _collect(reading, csv_rows(reading, reader, header, is_row=any))
    except csv.Error as error:
        reading.fault(reader.line_num, "", "This line is not CSV: {why}.", why=error)
    except UnicodeDecodeError as error:
        reading.fault(reader.line_num + 1, "", "The file is not UTF-8 ({why}).", why=error.reason)
    return reading


def read_json(file: TextIO) -> Reading:
    """A list of objects with the same names; line is the object's place, from 1."""
    reading = Reading()
    try:
        items = json.load(file)
    except UnicodeDecodeError as error:
        reading.fault(1, "", "The file is not UTF-8 ({why}).", why=error.reason)
    except (ValueError, RecursionError) as error:
        reading.fault(getattr(error, "lineno", 1), "", "The file is not JSON: {why}.", why=error)
    else:
        if isinstance(items, list):
            _collect(reading, _json_cells(reading, items))
        else:
            reading.fault(1, "", "A list of objects is wanted.")
    return reading


def _json_cells(reading: Reading, items: list[Any]) -> Iterator[tuple[int, dict[str, str]]]:
    """Any: whatever the file holds."""
    for line, item in enumerate(items, 1):
        if not isinstance(item, dict):
            reading.fault(line, "", "An object is wanted here.")
            continue
        for name in sorted(set(item) - {*COLUMNS, *REPORTED}):
            reading.fault(line, tellable(name), "There is no such column; the columns are {columns}.", columns=COLUMNS)
        given = {name: item[name] for name in COLUMNS if item.get(name) is not None}
        wrong = [name for name, value in given.items() if not isinstance(value, str)]
        for name in wrong:
            reading.fault(line, name, "A text is wanted here.")
        if not wrong:
            yield line, given


def _collect(reading: Reading, cells: Iterator[tuple[int, dict[str, str]]]) -> None:
    seen: dict[tuple[str, str], int] = {}
    count = 0
    for count, (line, values) in enumerate(cells, 1):
        if count > MAX_ROWS:
            reading.fault(line, "", "More than {most} rows: exchange the others with another file.", most=MAX_ROWS)
            return
        pair = Pair(line, *(values.get(name, "").strip() for name in COLUMNS))
        if _is_right(reading, pair):
            first = seen.setdefault(pair.codes, line)
            if first != line:
                twice = {"entry": pair.entry, "standby": pair.standby, "first": first}
                reading.fault(line, "entry", "{entry} and {standby} stand in line {first} already.", **twice)
            reading.pairs.append(pair)
    if not count and not reading.faults:
        reading.fault(1, "", "There is no row to exchange.")


def _is_right(reading: Reading, pair: Pair) -> bool:
    before = reading.wrong
    for name in REQUIRED:
        if not _NAME.match(getattr(pair, name)):
            said = repr(getattr(pair, name)[:60])
            reading.fault(pair.line, name, "1 to 32 letters, digits, dots, dashes are wanted, not {value}.", value=said)
    if pair.entry == pair.standby and reading.wrong == before:
        reading.fault(pair.line, "standby", "An adapter is exchanged for another one, not for itself.")
    for name, most in _LONGEST.items():
        if len(getattr(pair, name)) > most or _NO_TEXT.search(getattr(pair, name)):
            reading.fault(pair.line, name, "Up to {most} characters without control characters are wanted.", most=most)
    return reading.wrong == before
