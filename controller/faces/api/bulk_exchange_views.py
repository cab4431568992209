"""A bulk exchange and its rows as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from controller.domain.bulk_exchange import Pair, RowState, State
from controller.domain.bulk_plan import report, units_of
from controller.faces.api.exchange_views import said
from controller.faces.http.payload import Answer
from controller.store.pool import Row
from controller.words import told


class BulkExchange(Answer):
    """Many swaps from one file. rows: all; the others: so many of them in that state."""

    id: int
    contract: str | None
    """null: its codes are of several contracts."""
    reason: str
    state: State
    why: str
    """Why it was paused, stopped or aborted."""
    at_once: int
    """So many of its exchanges may be open (in pre-flight, ordered or pulled) at a time."""
    stop_after: int | None
    """So many rows that fail stop it."""
    account: str
    """Who planned it."""
    run_by: str | None
    """In whose name it exchanges: who started or resumed it last."""
    failures: int
    """Rows that failed since then."""
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None
    rows: int
    refused: int
    waiting: int
    in_preflight: int
    exchanged: int
    failed: int
    cancelled: int


class BulkExchangeInFull(BulkExchange):
    exchanges: dict[str, int]
    """What has become of its exchanges: so many in each state."""


class BulkRow(Answer):
    """A row of the file, what was planned, and what has become of it."""

    line: int
    entry: str
    standby: str
    reason: str
    fault: str
    state: RowState
    why: str
    """Why it was refused, or has failed."""
    old_adapter: str | None
    """Goes out; null: it was refused when it was planned."""
    new_adapter: str | None
    """Comes in."""
    firmware_target: str | None
    told: list[str]
    """Which of the two were connected when it was planned, so that they are told at once."""
    after_lines: list[int]
    """Earlier rows that name a code of it, which it waits for."""
    findings: list[str]
    """What happens, in words."""
    warnings: list[str]
    exchange: int | None
    exchange_state: str | None


class BulkPlan(Answer):
    """What will happen."""

    bulk: int | None
    """null: dry run, nothing was kept."""
    contract: str | None
    rows: int
    refused: int
    to_exchange: int
    told: int
    """Adapters that are connected now, and are told at once."""
    plan: list[BulkRow]
    """Dry run: every row. Else the refused ones, 1000 at most; GET …/rows has all."""


def in_short(row: Row, language: str) -> BulkExchange:
    """As it stands in a list. row: of store/bulk_exchanges.one."""
    return BulkExchange.from_row(row, why=told(row["why"], language), **_counts(row))


def in_full(row: Row, exchanges: dict[str, int], language: str) -> BulkExchangeInFull:
    """All there is to say about it."""
    why = told(row["why"], language)
    return BulkExchangeInFull.from_row(row, why=why, **_counts(row), exchanges=exchanges)


def _counts(row: Row) -> dict[str, int]:
    counts = row["counts"] or {}
    named = {state.value.replace("pre-flight", "in_preflight"): counts.get(state.value, 0) for state in RowState}
    return {"rows": sum(counts.values()), **named}


def bulk_row(row: Mapping[str, Any] | Row, language: str) -> BulkRow:
    """row: of store/bulk_exchanges.rows, or of a preview. Any: as stored."""
    pair = Pair(row["line"], row["entry"], row["standby"], row["reason"], row["fault"])
    units = units_of(row["plan"]) if row["plan"] else None
    findings, warnings = report(pair, units, row["after_lines"]) if units else ([], [])
    return BulkRow(
        line=pair.line,
        entry=pair.entry,
        standby=pair.standby,
        reason=pair.reason,
        fault=pair.fault,
        state=row["state"],
        why=told(row["why"], language),
        old_adapter=units.old_adapter if units else None,
        new_adapter=units.new_adapter if units else None,
        firmware_target=units.firmware_target if units else None,
        told=list(units.told) if units else [],
        after_lines=row["after_lines"],
        findings=said(findings, language),
        warnings=said(warnings, language),
        exchange=row["exchange"],
        exchange_state=row["exchange_state"],
    )
