"""An inventory file: what its rows may say by themselves. Pure. What they may say beside a registry: enrolment.py.

One row is one adapter, on a code (kind entry or standby) or in stock (no code). Every wrong cell is reported, not the
first one; a file with one wrong row changes nothing.
"""

from __future__ import annotations

import csv
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TextIO

from controller.domain.firmware import version_key
from controller.domain.table_file import Faults, csv_rows, header_is_right, tellable

MAX_CONFIG = 1 << 20

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_DISTRIBUTION_ID = re.compile(r"[0-9A-F]{4}(-[0-9A-F]{4}){7}\Z")
_HOST_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}( .*)?\Z")
_KEY = re.compile(r"[!-~]{1,64}\Z")  # arms-protocol 2: keys are at most 64 characters
_PORT = re.compile(r"[0-9]{1,5}\Z")
_USERNAME = re.compile(r"[!-~]{1,64}\Z")
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # what no text column keeps; JSON can spell both
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # would drive the terminal that shows it
_LONGEST = {"contract_name": 200, "code_name": 200, "description": 2000, "hardware_revision": 64, "reseller": 200}


@dataclass(frozen=True, slots=True)
class Row:
    """One adapter as the file describes it; a field is a column. "" means: not said. line: where it stands."""

    line: int
    serial: str
    series: str
    model: str
    distribution_id: str
    contract: str = ""
    contract_name: str = ""
    code: str = ""
    kind: str = ""
    code_name: str = ""
    description: str = ""
    hardware_revision: str = ""
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


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Row) if f.name != "line")
REQUIRED = ("serial", "series", "model", "distribution_id")


@dataclass(slots=True)
class Reading(Faults):
    """What was read: rows, and every fault."""

    rows: list[Row] = field(default_factory=list)
    _wrong_lines: set[int] = field(default_factory=set)

    @property
    def right(self) -> list[Row]:
        """The rows in which nothing was wrong so far."""
        return [row for row in self.rows if row.line not in self._wrong_lines] if self._wrong_lines else self.rows

    def fault(self, line: int, column: str, sentence: str, **params: object) -> None:
        self._wrong_lines.add(line)
        Faults.fault(self, line, column, sentence, **params)


def read_csv(file: TextIO, models: Mapping[str, tuple[str, ...]], tick: Callable[[int], None]) -> Reading:
    """Read a CSV inventory. models: the declared models of each series. tick: called with the rows read so far."""
    reading = Reading()
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, [])
        if header_is_right(reading, header, COLUMNS, REQUIRED):
            _collect(reading, csv_rows(reading, reader, header), models, tick)
    except csv.Error as error:
        reading.fault(reader.line_num, "", "This line is not CSV: {why}.", why=error)
    except UnicodeDecodeError as error:
        reading.fault(reader.line_num + 1, "", "The file is not UTF-8 ({why}).", why=error.reason)
    return reading


def read_json(file: TextIO, models: Mapping[str, tuple[str, ...]], tick: Callable[[int], None]) -> Reading:
    """Read a JSON inventory: a list of objects with the column names; line is the object's position, from 1."""
    reading = Reading()
    try:
        items = json.load(file)
    except (ValueError, RecursionError) as error:
        reading.fault(getattr(error, "lineno", 1), "", "The file is not JSON: {why}.", why=error)
        return reading
    if not isinstance(items, list):
        reading.fault(1, "", "A list of objects is wanted.")
        return reading
    _collect(reading, _json_cells(reading, items), models, tick)
    return reading


def _json_cells(reading: Reading, items: list[Any]) -> Iterator[tuple[int, dict[str, str]]]:
    """Any: whatever the file holds; what is not an object of texts and numbers is a fault."""
    for line, item in enumerate(items, 1):
        if not isinstance(item, dict):
            reading.fault(line, "", "An object is wanted here.")
            continue
        wrong = [n for n, v in item.items() if not isinstance(v, str | int | None) or isinstance(v, bool)]
        for name in wrong:
            reading.fault(line, tellable(name), "A text is wanted here.")
        for name in sorted(set(item) - set(COLUMNS)):
            reading.fault(line, tellable(name), "There is no such column; the columns are {columns}.", columns=COLUMNS)
        if not wrong:
            yield line, {name: "" if value is None else str(value) for name, value in item.items() if name in COLUMNS}


def _collect(
    reading: Reading,
    cells: Iterable[tuple[int, dict[str, str]]],
    models: Mapping[str, tuple[str, ...]],
    tick: Callable[[int], None],
) -> None:
    seen: dict[str, dict[str, int]] = {"serial": {}, "distribution_id": {}, "code": {}}
    contracts: dict[str, str] = {}
    for count, (line, values) in enumerate(cells, 1):
        if unkept := [name for name, value in values.items() if _NO_TEXT.search(value)]:
            for name in unkept:
                reading.fault(line, name, "A text without NUL and without halves of characters is wanted here.")
            continue
        # A config keeps its blanks and line ends to the byte; everywhere else they are slips of the hand.
        row = Row(
            line, **{**dict.fromkeys(REQUIRED, ""), **{n: v if n == "config" else v.strip() for n, v in values.items()}}
        )
        _check_cells(reading, row, models)
        _check_code(reading, row)
        _check_twice(reading, row, seen, contracts)
        reading.rows.append(row)
        if count % 1000 == 0:
            tick(count)
    tick(len(reading.rows))


def _check_cells(reading: Reading, row: Row, models: Mapping[str, tuple[str, ...]]) -> None:
    fault = reading.fault
    if not _SERIAL.match(row.serial):
        fault(
            row.line,
            "serial",
            "A serial is 1 to 64 letters, digits, dots, dashes; it says {value}.",
            value=repr(row.serial[:80]),
        )
    if row.series not in models:
        fault(
            row.line,
            "series",
            "There is no series {value}; the series are {known}.",
            value=repr(row.series[:40]),
            known=tuple(models),
        )
    elif row.model not in models[row.series]:
        fault(
            row.line,
            "model",
            "Series {series} has no model {value}; it has {known}.",
            series=row.series,
            value=repr(row.model[:40]),
            known=models[row.series],
        )
    if not _DISTRIBUTION_ID.match(row.distribution_id):
        fault(
            row.line,
            "distribution_id",
            "Eight groups of four upper-case hexadecimal digits are wanted: 0001-0000-0000-000F-02E0-4DFF-FE10-0128.",
        )
    for name in ("ls_sa_key", "ssh_password"):
        value = getattr(row, name)
        if value and not _KEY.match(value) and (name == "ls_sa_key" or len(value) > 128 or not value.isprintable()):
            fault(row.line, name, "Up to 64 visible ASCII characters are wanted.")
    if row.ssh_host_key and not _HOST_KEY.match(row.ssh_host_key):
        fault(row.line, "ssh_host_key", "A public key as in authorized_keys is wanted: ssh-ed25519 AAAA…")
    if row.ssh_address and not is_address(row.ssh_address):
        fault(
            row.line,
            "ssh_address",
            "A numeric IPv4 or IPv6 address is wanted, not {value}.",
            value=repr(row.ssh_address[:60]),
        )
    if row.ssh_username and not _USERNAME.match(row.ssh_username):
        fault(row.line, "ssh_username", "Up to 64 visible ASCII characters are wanted.")
    for name, most in _LONGEST.items():
        value = getattr(row, name)
        if len(value) > most or _CONTROL.search(re.sub(r"[\t\r\n]", "", value) if name == "description" else value):
            fault(row.line, name, "Up to {most} characters without control characters are wanted.", most=most)
    if row.ssh_port and not (_PORT.match(row.ssh_port) and 1 <= int(row.ssh_port) <= 65535):
        fault(row.line, "ssh_port", "A port from 1 to 65535 is wanted, not {value}.", value=repr(row.ssh_port[:20]))
    if row.ownership not in ("", "rented", "purchased"):
        fault(row.line, "ownership", "rented or purchased is wanted, not {value}.", value=repr(row.ownership[:40]))
    if (row.ownership == "purchased") != bool(row.reseller):
        fault(row.line, "reseller", "A purchased adapter names its reseller, a rented one has none (R3.1).")


def _check_code(reading: Reading, row: Row) -> None:
    fault = reading.fault
    if row.kind in ("", "stock"):
        for name in ("code", "contract", "config", "firmware"):
            if getattr(row, name):
                fault(
                    row.line,
                    name,
                    "An adapter in stock has no {what}; say entry or standby in column kind.",
                    what=name,
                )
        return
    if row.kind not in ("entry", "standby"):
        fault(row.line, "kind", "entry, standby or stock is wanted, not {value}.", value=repr(row.kind[:40]))
    for name in ("code", "contract"):
        if not _NAME.match(getattr(row, name)):
            fault(
                row.line,
                name,
                "1 to 32 letters, digits, dots, dashes are wanted, not {value}.",
                value=repr(getattr(row, name)[:60]),
            )
    if row.firmware:
        try:
            version_key(row.firmware)
        except ValueError as error:
            fault(row.line, "firmware", "{why}.", why=error)
    if len(row.config.encode()) > MAX_CONFIG:
        fault(row.line, "config", "A config has at most {most} bytes.", most=MAX_CONFIG)


def _check_twice(reading: Reading, row: Row, seen: dict[str, dict[str, int]], contracts: dict[str, str]) -> None:
    for name, lines in seen.items():
        value = getattr(row, name)
        if not value:
            continue
        first = lines.setdefault(value, row.line)
        if first != row.line:
            reading.fault(row.line, name, "{value} stands in line {first} already.", value=value[:64], first=first)
    if row.contract and row.contract_name:
        named = contracts.setdefault(row.contract, row.contract_name)
        if named != row.contract_name:
            reading.fault(
                row.line,
                "contract_name",
                "Contract {contract} is called {named} further up.",
                contract=row.contract[:32],
                named=named[:80],
            )


def is_address(text: str) -> bool:
    """A numeric IPv4 or IPv6 address, without a zone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
