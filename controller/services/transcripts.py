"""Transcripts: what adapters printed, made fit to be kept as evidence; who reads it is recorded."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
import zstandard

from controller.domain.access import Caller
from controller.ports import Printed
from controller.series import Series
from controller.store import audit, transcripts
from controller.store.pool import Database, Row
from controller.store.transcripts import Kept

log = structlog.get_logger()

_BYTES_AT_ONCE = 8 << 20

_packer = zstandard.ZstdCompressor(level=3)


def keep(series: Series, printed: Printed) -> Kept:
    """What is stored of a line's output: secrets masked, hashed, packed. Nothing of a secret is left in it.

    2 KB of status output cost about 30 µs, of config about 40.
    """
    body, masked = series.mask(printed.body)
    command = series.find(printed.line)
    return Kept(
        line=printed.line,
        command=command.name if command else printed.line,
        sha256=hashlib.sha256(body).digest(),
        size=len(body),
        packed=_packer.compress(body),
        masked=masked,
        truncated=printed.truncated,
        failure=printed.failure.value if printed.failure else "",
        detail=printed.detail,
        started_at=printed.started_at,
        duration_s=printed.duration_s,
    )


async def note_read(
    db: Database,
    caller: Caller,
    *,
    how: str,
    now: datetime,
    task: int | None = None,
    campaign: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Record that the caller read what adapters printed for this task or this campaign: one row a request and contract.

    how: show, search, export, compare …; detail: more, as JSON values.
    """
    subject = f"task {task}" if task is not None else f"campaign {campaign}"
    async with db.transaction() as tx:
        for contract in await transcripts.contracts_of(tx, task=task, campaign=campaign):
            if caller.sees(contract):
                more = {"how": how} | (detail or {})
                await audit.write(tx, caller, "transcript.read", subject, now=now, contract=contract, detail=more)


async def note_search(
    db: Database, caller: Caller, contracts: set[str], *, detail: dict[str, Any], now: datetime
) -> None:
    """Record that a search has shown the caller what adapters of these contracts printed."""
    async with db.transaction() as tx:
        for contract in sorted(contracts):
            await audit.write(tx, caller, "transcript.read", "search", now=now, contract=contract, detail=detail)


@dataclass(frozen=True, slots=True)
class Content:
    """What a transcript's output is. intact: it still has the hash that it was kept under."""

    body: bytes
    intact: bool


async def with_contents(db: Database, rows: Sequence[Row]) -> AsyncIterator[tuple[Row, Content]]:
    """Rows of transcripts (sha256, size), each with its output, in their order. A few megabytes in memory at a time."""
    for group in _groups(rows):
        found = await transcripts.bodies(db, {row["sha256"] for row in group})
        contents = await asyncio.to_thread(_read, found)
        for row in group:
            if row["sha256"] in contents:  # else retention has just ended it
                yield row, contents[row["sha256"]]


def _groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for row in rows:
        if group and size + row["size"] > _BYTES_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(row)
        size += row["size"]
    if group:
        yield group


def _read(found: Sequence[Row]) -> dict[bytes, Content]:
    contents = {}
    for row in found:
        body = transcripts.unpacked(row)
        intact = hashlib.sha256(body).digest() == row["sha256"]
        if not intact:
            log.error("a kept output does not have its hash any more", sha256=row["sha256"].hex())
        contents[row["sha256"]] = Content(body, intact)
    return contents
