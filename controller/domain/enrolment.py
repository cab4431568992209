"""An inventory beside a registry: what its rows contradict. Pure.

An import adds and corrects. It never moves a registration, replaces a config or makes a unit something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.domain.inventory import Reading, Row
from controller.domain.stock import Stock


@dataclass(frozen=True, slots=True)
class Present:
    """What the registry holds of one adapter that the file names. code: where it is registered now, or None."""

    series: str
    model: str
    distribution_id: str
    ssh_host_key: str
    code: str | None
    stock: Stock = Stock.IN_STOCK


@dataclass(frozen=True, slots=True)
class PresentCode:
    """What the registry holds of one code that the file names. config: its startup config, None for none."""

    contract: str
    kind: str
    adapter: str | None
    config: bytes | None


def compare(
    reading: Reading,
    rows: Iterable[Row],
    adapters: Mapping[str, Present],
    codes: Mapping[str, PresentCode],
    owners: Mapping[str, str],
) -> None:
    """Add to `reading` what contradicts the registry. An import adds and corrects; it never moves a registration or
    replaces a config.

    rows: those that are right by themselves. owners: serial by distribution id, for those the file names.
    """
    for row in rows:
        _against_adapter(reading, row, adapters.get(row.serial), owners.get(row.distribution_id))
        if row.code:
            _against_code(reading, row, codes.get(row.code), adapters.get(row.serial))


def _against_adapter(reading: Reading, row: Row, present: Present | None, owner: str | None) -> None:
    fault = reading.fault
    if owner is not None and owner != row.serial:
        fault(row.line, "distribution_id", "This distribution id belongs to adapter {owner}.", owner=owner)
    if present is None:
        for name in ("ls_sa_key", "ssh_password"):
            if not getattr(row, name):
                fault(row.line, name, "A new adapter needs this.")
        return
    for name in ("series", "model", "distribution_id"):
        if getattr(row, name) != getattr(present, name):
            fault(
                row.line,
                name,
                "Adapter {serial} is registered with {value}; what a unit is never changes.",
                serial=row.serial,
                value=getattr(present, name),
            )
    if row.ssh_host_key and present.ssh_host_key and row.ssh_host_key != present.ssh_host_key:
        fault(
            row.line,
            "ssh_host_key",
            "Another key is pinned; a changed key is an administrator's decision: hikitsugi adapter pin {serial} KEY.",
            serial=row.serial,
        )


def _against_code(reading: Reading, row: Row, code: PresentCode | None, adapter: Present | None) -> None:
    fault = reading.fault
    if adapter is not None and adapter.code not in (None, row.code):
        fault(
            row.line,
            "code",
            "Adapter {serial} is registered on {code}; registrations change by exchange only.",
            serial=row.serial,
            code=adapter.code,
        )
    elif adapter is not None and adapter.code is None and adapter.stock is not Stock.IN_STOCK:
        fault(
            row.line,
            "serial",
            "Adapter {serial} is {state}; only a unit in stock comes onto a code: hikitsugi stock show {serial}.",
            serial=row.serial,
            state=adapter.stock,
        )
    if code is None:
        return
    for name in ("contract", "kind"):
        if getattr(row, name) != getattr(code, name):
            fault(row.line, name, "Code {code} has {value} here.", code=row.code, value=getattr(code, name))
    if code.adapter not in (None, row.serial):
        fault(
            row.line,
            "serial",
            "Code {code} holds adapter {adapter}; registrations change by exchange only.",
            code=row.code,
            adapter=code.adapter,
        )
    if row.config and code.config is not None and row.config.encode() != code.config:
        fault(
            row.line,
            "config",
            "Code {code} has another startup config; edit it: hikitsugi config edit {code} FILE.",
            code=row.code,
        )
