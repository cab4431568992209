"""The inventory file as the fleet uses it: who to emulate, with which secrets and addresses. CSV or JSON, both ways.

The controller imports the same file. It is checked there; here only what an emulated adapter cannot do without is.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from agent.catalogue import BY_NAME, Model, shipped_version
from protocol.errors import PeerMistake
from protocol.ids import DistributionId

csv.field_size_limit(1 << 21)  # a config is one cell, and may have 1 MiB


class BadInventory(Exception):
    """The file cannot be used; one sentence per reason, each with its line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One adapter, as the file describes it. Every column is text; "" means that the file does not say.

    kind: entry, standby or stock (no code). config: the code's startup config, which the adapter itself gets by a
    pull, or applies by itself in a fleet without a location server.
    """

    contract: str = ""
    contract_name: str = ""
    code: str = ""
    kind: str = "stock"
    code_name: str = ""
    description: str = ""
    serial: str = ""
    series: str = ""
    model: str = ""
    hardware_revision: str = ""
    distribution_id: str = ""
    ls_sa_key: str = field(default="", repr=False)
    ssh_username: str = ""
    ssh_password: str = field(default="", repr=False)
    ssh_host_key: str = ""
    ssh_address: str = ""
    ssh_port: str = ""
    ownership: str = ""
    reseller: str = ""
    firmware: str = ""
    config: str = field(default="", repr=False)

    @property
    def built_as(self) -> Model:
        return BY_NAME[self.model]

    @property
    def first_version(self) -> str:
        """The firmware it leaves the box with: the file's, else its line's newest but one."""
        return self.firmware or shipped_version(self.series)


COLUMNS: tuple[str, ...] = tuple(each.name for each in fields(Row))
_NEEDED = ("serial", "model", "distribution_id")


def read(path: Path) -> list[Row]:
    """Read a CSV file, or a JSON one if its name ends so. Raises BadInventory, or OSError when it cannot be read."""
    try:
        if path.suffix == ".json":
            cells = _json_cells(path)
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                cells = list(_csv_cells(csv.DictReader(file, strict=True)))
    except (csv.Error, ValueError) as error:
        raise BadInventory(f"{path} cannot be read: {error}.") from error
    rows, faults = _checked(cells)
    if faults:
        raise BadInventory("\n".join([f"{path} cannot be emulated:", *faults[:20]]))
    return rows


def write(rows: Iterable[Row], path: Path) -> int:
    """Write the rows, as JSON if the name ends in .json, else as CSV; returns how many. Overwrites."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".json":
            records = [record(row) for row in rows]
            json.dump(records, file, ensure_ascii=False, indent=1)
            return len(records)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for count, row in enumerate(rows, 1):  # noqa: B007 (the count is the answer)
            writer.writerow([getattr(row, name) for name in COLUMNS])
    return count


def record(row: Row) -> dict[str, str]:
    """The row as column: value."""
    return {name: getattr(row, name) for name in COLUMNS}


def _csv_cells(reader: csv.DictReader[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for values in reader:
        yield reader.line_num, values


def _json_cells(path: Path) -> list[tuple[int, Mapping[str, Any]]]:
    items = json.loads(path.read_text("utf-8-sig"))
    if not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
        raise ValueError("a list of objects is wanted")
    return list(enumerate(items, 1))


def _checked(cells: Iterable[tuple[int, Mapping[str, Any]]]) -> tuple[list[Row], list[str]]:
    """Any: whatever the file holds; it becomes text here."""
    rows: list[Row] = []
    faults: list[str] = []
    serials: set[str] = set()
    for line, values in cells:
        row = Row(**{name: str(values[name]) for name in COLUMNS if values.get(name) is not None})
        if reason := _fault(row, serials):
            faults.append(f"  line {line}: {reason}")
        else:
            serials.add(row.serial)
            rows.append(row)
    return rows, faults


def _fault(row: Row, serials: set[str]) -> str:
    if missing := [name for name in _NEEDED if not getattr(row, name)]:
        return f"{missing[0]} is missing."
    if row.serial in serials:
        return f"serial {row.serial} stands there twice."
    if row.model not in BY_NAME or BY_NAME[row.model].series != row.series:
        return f"there is no model {row.model!r} in series {row.series!r}; the models are {', '.join(BY_NAME)}."
    if row.ssh_port and not (row.ssh_port.isdecimal() and 1 <= int(row.ssh_port) <= 65535):
        return f"ssh_port {row.ssh_port!r} is not a port from 1 to 65535."
    try:
        DistributionId.parse(row.distribution_id)
    except PeerMistake as mistake:
        return f"{mistake.detail}."
    return ""
