"""Evidence leaves the controller: a campaign's or a task's transcripts with who, why, when, and a hash of each.

As a zip (a file per transcript, manifest.json, SHA256SUMS), as JSON, CSV or plain text. All are streamed: memory does
not grow with the campaign. What a reader may not read (R2.2) is not in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from controller.domain.access import Caller
from controller.domain.errors import NotFound
from controller.series.redaction import Redaction
from controller.services import export_formats
from controller.services.evidence_access import readable, withheld
from controller.services.export_formats import Format, Item
from controller.services.transcripts import note_read, with_contents
from controller.store import shares, transcripts
from controller.store.pool import Database, Row

__all__ = ["Format", "Subject", "export", "written"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is exported: exactly one of the two, by id."""

    campaign: int | None = None
    task: int | None = None

    def __str__(self) -> str:
        return f"campaign {self.campaign}" if self.task is None else f"task {self.task}"


async def export(
    db: Database, subject: Subject, kind: Format, *, caller: Caller, now: datetime
) -> AsyncIterator[bytes]:
    """The file in chunks. That it was read is recorded before the first one.

    Raises, with the first chunk, NotFound (no such one, or another contract's), Forbidden (R2.2).
    """
    head = await of(db, subject, caller)
    await note_read(
        db, caller, how="export", now=now, task=subject.task, campaign=subject.campaign, detail={"format": kind}
    )
    async for chunk in written(db, subject, kind, head, reader=caller, now=now):
        yield chunk


async def of(db: Database, subject: Subject, reader: Caller) -> Row:
    """What is known of the campaign, the task's or itself. Raises NotFound, Forbidden when none of it is readable."""
    async with db.connection() as connection:
        head = await shares.subject(connection, campaign=subject.campaign, task=subject.task)
        tasks = await shares.tasks_of(
            connection, campaign=subject.campaign, task=subject.task, contract=reader.contract
        )
        what, number = ("campaign", subject.campaign) if subject.task is None else ("task", subject.task)
        if head is None or not tasks:
            raise NotFound("No {what} {name}.", next_step="Check the name.", what=what, name=number)
        if not await readable(connection, reader, tasks):
            raise withheld(what, number or 0)
    return head


async def written(
    db: Database,
    subject: Subject,
    kind: Format,
    head: Row,
    *,
    reader: Caller,
    now: datetime,
    redaction: Redaction | None = None,
) -> AsyncIterator[bytes]:
    """The file in chunks; nothing is checked or recorded. redaction: takes out who and where."""
    title = _title(subject, head, reader, now, redaction)
    async for chunk in export_formats.WRITERS[kind](title, _items(db, subject, reader, redaction)):
        yield chunk


def _title(subject: Subject, head: Row, reader: Caller, now: datetime, redaction: Redaction | None) -> dict[str, Any]:
    """Any: JSON values."""
    lines = head["lines"]
    if redaction:  # a line may name an address
        lines = [redaction.applied(line.encode(), {}).decode() for line in lines]
    title = {
        "subject": str(subject),
        "lines": lines,
        "asked_at": head["created_at"].isoformat(),
        "exported_at": now.isoformat(),
        "redacted": redaction is not None,
    }
    if redaction is None:
        own = {name: head[name] for name in ("account", "reason", "investigation")}
        title |= own | {"exported_by": reader.account}
    return title


async def _items(db: Database, subject: Subject, reader: Caller, redaction: Redaction | None) -> AsyncIterator[Item]:
    async for rows in transcripts.in_order(db, campaign=subject.campaign, task=subject.task, contract=reader.contract):
        async with db.connection() as connection:
            allowed = await readable(connection, reader, list({row["task"]: row for row in rows}.values()))
        mine = [row for row in rows if row["task"] in allowed]
        for _, of_task in groupby(mine, key=lambda row: row["task"]):
            items = [
                _item(row, content.body, content.intact) async for row, content in with_contents(db, list(of_task))
            ]
            for item in await asyncio.to_thread(_redacted, items, redaction) if redaction else items:
                yield item  # in a thread: a mebibyte takes most of a second


def _item(row: Row, body: bytes, intact: bool) -> Item:
    about = {name: row[name] for name in _ABOUT}
    return Item(about | {"started_at": row["started_at"].isoformat(), "intact": intact}, body)


_ABOUT = (
    "task",
    "position",
    "campaign",
    "contract",
    "code",
    "adapter",
    "series",
    "model",
    "firmware",
    "line",
    "command",
    "duration_s",
    "failure",
    "detail",
    "truncated",
    "masked",
)


def _redacted(items: Sequence[Item], redaction: Redaction) -> list[Item]:
    """Those of one task, so that a name that one line prints is known in the others."""
    about = items[0].about if items else {}
    known = {str(about.get(name, "")): name for name in ("contract", "code", "adapter")}
    names = redaction.names([(item.about["command"], item.body) for item in items], known)
    return [
        replace(item, about=_about(item.about, redaction, names), body=redaction.applied(item.body, names))
        for item in items
    ]


def _about(about: Mapping[str, Any], redaction: Redaction, names: Mapping[str, str]) -> dict[str, Any]:
    def said(value: str) -> str:
        return redaction.applied(value.encode(), names).decode(errors="replace")

    texts = {name: said(about[name]) for name in ("contract", "code", "adapter", "line", "detail")}
    return dict(about) | texts
