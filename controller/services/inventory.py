"""Inventory files in and out: all or nothing in, every wrong cell reported; twice the same file changes nothing."""

from __future__ import annotations

import asyncio
import csv
import io
import ipaddress
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal
from uuid import UUID

from controller.domain import inventory as files
from controller.domain.access import Caller
from controller.domain.enrolment import Present, PresentCode, compare
from controller.domain.errors import Invalid
from controller.domain.inventory import COLUMNS, Reading, read_csv, read_json
from controller.domain.stock import Stock
from controller.series import ALL
from controller.store import audit, inventory
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets
from protocol.ids import DistributionId

Format = Literal["csv", "json"]
Progress = Callable[[str, int, int], None]
"""Called with the stage ("read", "compared", "written"), rows done and rows in all (0: not known yet)."""

csv.field_size_limit(1 << 21)  # a config of 1 MiB is a cell


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. rows: in the file; changed: rows written, by kind (all 0: the file was known already)."""

    rows: int
    changed: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Registry:
    adapters: dict[str, Row]
    codes: dict[str, Row]
    contracts: dict[str, str]
    owners: dict[str, str]


async def import_file(
    db: Database,
    vault: Secrets,
    file: BinaryIO,
    kind: Format,
    *,
    caller: Caller,
    now: datetime,
    progress: Progress,
    dry_run: bool = False,
) -> Imported:
    """Import an inventory as one transaction. Raises Invalid with every fault (line, column, reason), Conflict.

    dry_run: read and compare, but write nothing; the counts say what would change.
    """
    reading = await asyncio.to_thread(_read, file, kind, lambda rows: progress("read", rows, 0))
    right = reading.right  # the others cannot be compared, but all that is wrong is told in one run
    registry = await _registry(db, right)
    progress("compared", len(reading.rows), len(reading.rows))
    await asyncio.to_thread(_compare, reading, right, registry)
    if reading.wrong:
        raise _refused(reading)
    changes = await asyncio.to_thread(_changes, vault, reading.rows, registry)
    if changes.total and not dry_run:
        await inventory.apply(db, changes, caller=caller, now=now)
    progress("written", len(reading.rows), len(reading.rows))
    return Imported(len(reading.rows), changes.counts())


def _read(file: BinaryIO, kind: Format, tick: Callable[[int], None]) -> Reading:
    models = {series.name: series.models for series in ALL}
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return (read_csv if kind == "csv" else read_json)(text, models, tick)
    finally:
        text.detach()


def _refused(reading: Reading) -> Invalid:
    return Invalid(
        "The inventory has {count} wrong cell(s); nothing was imported.",
        next_step="Mend the cells named and import the file again."
        if reading.wrong == len(reading.faults)
        else "Mend the cells named, which are the first {told}, and import the file again.",
        count=reading.wrong,
        told=len(reading.faults),
        faults=sorted(reading.faults, key=lambda fault: fault.line or 0),
    )


async def _registry(db: Database, rows: Sequence[files.Row]) -> _Registry:
    ids = [_uuid(row) for row in rows]
    adapters = await inventory.present_adapters(db, [row.serial for row in rows], ids)
    codes = await inventory.present_codes(db, [row.code for row in rows if row.code])
    contracts = await inventory.present_contracts(db, list({row.contract for row in rows if row.contract}))
    return _Registry(
        {row["serial"]: row for row in adapters},
        {row["code"]: row for row in codes},
        contracts,
        {str(DistributionId(row["distribution_id"].int)): row["serial"] for row in adapters},
    )


def _compare(reading: Reading, rows: Sequence[files.Row], registry: _Registry) -> None:
    adapters = {
        serial: Present(
            row["series"],
            row["model"],
            str(DistributionId(row["distribution_id"].int)),
            row["ssh_host_key"],
            row["on_code"],
            Stock(row["stock"]),
        )
        for serial, row in registry.adapters.items()
    }
    codes = {
        name: PresentCode(row["contract"], row["kind"], row["adapter"], row["config"])
        for name, row in registry.codes.items()
    }
    compare(reading, rows, adapters, codes, registry.owners)


def _changes(vault: Secrets, rows: Sequence[files.Row], registry: _Registry) -> inventory.Changes:
    named = {row.contract: row.contract_name for row in rows if row.contract} | {
        row.contract: row.contract_name for row in rows if row.contract and row.contract_name
    }
    contracts = [(c, n) for c, n in named.items() if c not in registry.contracts or (n and n != registry.contracts[c])]
    adapters = [values for row in rows if (values := _adapter(vault, row, registry.adapters.get(row.serial)))]
    on_codes = [row for row in rows if row.code]
    codes = [values for row in on_codes if (values := _code(row, registry.codes.get(row.code)))]
    held = {name for name, code in registry.codes.items() if code["adapter"] is not None}
    configured = {name for name, code in registry.codes.items() if code["config"] is not None}
    return inventory.Changes(
        contracts,
        adapters,
        codes,
        [(row.code, row.serial, *_fresh(vault)) for row in on_codes if row.code not in held],
        [(row.code, row.config.encode()) for row in on_codes if row.config and row.code not in configured],
    )


def _fresh(vault: Secrets) -> tuple[bytes, bytes]:
    key = vault.seal(secrets.token_urlsafe(24), purpose="rs-sa-key")
    return key, vault.seal(secrets.token_urlsafe(24), purpose="heartbeat-passphrase")


def _adapter(vault: Secrets, row: files.Row, present: Row | None) -> tuple[object, ...] | None:
    """The adapter's new values, None when nothing differs. What the row leaves empty stays as it is."""

    def kept(said: str, column: str, default: str = "") -> str:
        return said or (str(present[column]) if present and present[column] is not None else default)

    plain = (
        kept(row.ssh_username, "ssh_username", "admin"),
        kept(row.ssh_host_key, "ssh_host_key"),
        _spelled(kept(row.ssh_address, "address")),
        int(kept(row.ssh_port, "ssh_port", "22")),
        row.ownership or (present["ownership"] if present else "rented"),
        row.reseller or (present["reseller"] if present and not row.ownership else ""),
    )
    revision = kept(row.hardware_revision, "hardware_revision")
    if present is not None:
        was = (
            *(present["ssh_username"], present["ssh_host_key"], _spelled(present["address"] or "")),
            *(present["ssh_port"], present["ownership"], present["reseller"]),
        )
        same_secrets = _same(vault, row.ls_sa_key, present["ls_sa_key"], "ls-sa-key") and _same(
            vault, row.ssh_password, present["ssh_password"], "ssh-password"
        )
        if was == plain and revision == present["hardware_revision"] and same_secrets:
            return None
    ls_key = vault.seal(row.ls_sa_key, purpose="ls-sa-key") if row.ls_sa_key else present and present["ls_sa_key"]
    password = (
        vault.seal(row.ssh_password, purpose="ssh-password")
        if row.ssh_password
        else present and present["ssh_password"]
    )
    username, host_key, address, port, ownership, reseller = plain
    return (
        *(row.serial, row.series, row.model, revision, _uuid(row), ls_key, username),
        *(password, host_key, address, port, ownership, reseller),
    )


def _spelled(address: str) -> str | None:
    """The one spelling of an address that is compared and kept; None for none."""
    return str(ipaddress.ip_address(address)) if address else None


def _same(vault: Secrets, said: str, sealed: bytes, purpose: str) -> bool:
    return not said or vault.open(sealed, purpose=purpose) == said.encode()


def _code(row: files.Row, present: Row | None) -> tuple[object, ...] | None:
    if present is None:
        return row.code, row.contract, row.kind, row.code_name, row.description, row.firmware or None
    new = (
        row.code_name or present["name"],
        row.description or present["description"],
        present["firmware_target"] or row.firmware or None,  # a chosen target is the operator's (R4.2)
    )
    if new == (present["name"], present["description"], present["firmware_target"]):
        return None
    return row.code, row.contract, row.kind, *new


def _uuid(row: files.Row) -> UUID:
    return UUID(row.distribution_id.replace("-", ""))


async def export_file(
    db: Database,
    vault: Secrets,
    kind: Format,
    *,
    contract: str | None,
    with_secrets: bool,
    caller: Caller,
    now: datetime,
) -> AsyncIterator[bytes]:
    """The inventory as chunks of a file that can be imported again.

    with_secrets: keys and passwords in clear (for moving house); the export is then recorded as such.
    """
    async with db.transaction() as tx:
        detail = {"contract": contract, "secrets": with_secrets, "format": kind}
        await audit.write(tx, caller, "inventory.export", "inventory", now=now, contract=contract, detail=detail)
    first = True
    yield (",".join(COLUMNS) + "\r\n").encode() if kind == "csv" else b"["
    async for row in inventory.export(db, contract=contract):
        values = _exported(vault, row, with_secrets)
        if kind == "csv":
            line = io.StringIO()
            csv.writer(line).writerow([values[column] for column in COLUMNS])
            yield line.getvalue().encode()
        else:
            yield (("\n" if first else ",\n") + json.dumps(values, ensure_ascii=False)).encode()
        first = False
    if kind == "json":
        yield b"\n]\n"


def _exported(vault: Secrets, row: Row, with_secrets: bool) -> dict[str, str]:
    values = {column: "" if row[column] is None else row[column] for column in COLUMNS}
    values["distribution_id"] = str(DistributionId(row["distribution_id"].int))
    values["config"] = (row["config"] or b"").decode()
    values["ls_sa_key"] = vault.open(row["ls_sa_key"], purpose="ls-sa-key").decode() if with_secrets else ""
    values["ssh_password"] = vault.open(row["ssh_password"], purpose="ssh-password").decode() if with_secrets else ""
    return {column: str(value) for column, value in values.items()}
