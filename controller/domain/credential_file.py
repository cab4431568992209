"""A file of credentials, one adapter a row: what its rows may say by themselves. Pure.

Every wrong cell is reported, not the first one; a file with one wrong row changes nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from controller.domain.credential import Credential
from controller.domain.table_file import Faults, csv_rows, header_is_right

COLUMNS = ("serial", "username", "password", "private_key")
MAX_ROWS = 100_000


@dataclass(slots=True)
class CredentialFile(Faults):
    """What was read: the credential of each serial, the line each stands in, and every fault.

    An empty username means: the one that is in use now.
    """

    credentials: dict[str, Credential] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def read(content: bytes) -> CredentialFile:
    """Read CSV with a header of COLUMNS; serial is wanted, and password or private_key."""
    found = CredentialFile()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found.fault(line, "", "The file is not UTF-8 ({why}).", why=error.reason)
        return found
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if _header_is_right(found, header):
            for line, cells in _rows(found, reader, header):
                _take(found, line, cells)
    except csv.Error as error:
        found.fault(reader.line_num, "", "This line is not CSV: {why}.", why=error)
    return found


def _header_is_right(found: CredentialFile, header: list[str]) -> bool:
    header_is_right(found, header, COLUMNS, ("serial",))
    if not {"password", "private_key"} & set(header):
        found.fault(1, "password", "This column is missing.")
    return not found.faults


def _rows(found: CredentialFile, reader: Any, header: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Any: csv's reader has no public type."""
    for line, cells in csv_rows(found, reader, header):
        if len(found.lines) >= MAX_ROWS:
            found.fault(line, "", "A file has at most {most} rows.", most=MAX_ROWS)
            return
        yield line, cells


def _take(found: CredentialFile, line: int, cells: dict[str, str]) -> None:
    serial = cells["serial"].strip()
    first = found.lines.setdefault(serial, line)
    if first != line:
        found.fault(line, "serial", "{value} stands in line {first} already.", value=serial[:64], first=first)
    username = cells.get("username", "").strip()
    credential = Credential.of(username, cells.get("password", ""), cells.get("private_key", ""))
    for fault in credential.faults():
        if fault.field != "username" or username:
            found.fault(line, fault.field, fault.sentence, **fault.params)
    found.credentials[serial] = credential
