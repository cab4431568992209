"""Looking for transcripts: by adapter, code, command, time, by what was printed, by a field that a parser read from it.

One request looks at a bounded number of them, newest first, and says where it stopped: a search through everything is
as many requests as it takes, and none of them hurts the others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from controller.domain.access import Caller
from controller.domain.errors import Fault, Invalid
from controller.series.masking import SECRETS, mask
from controller.services import readings
from controller.services.evidence_access import readable
from controller.services.transcripts import note_search, with_contents
from controller.store import transcripts
from controller.store.pool import Database, Row
from controller.store.transcripts import Position, Wanted

MOST_LOOKED_AT = 20_000
MOST_S: Final = 5.0
_BATCH = 500
_AROUND = 60  # bytes of context on either side of what was found

_FIELD = re.compile(r"([A-Za-z_]\w{0,63}(?:\.[A-Za-z_]\w{0,63}){0,7})=(.{1,200})")


@dataclass(frozen=True, slots=True)
class Found:
    """row: a transcript without its body. excerpt: what was looked for with a little around it, "" without a text."""

    row: Row
    excerpt: str


@dataclass(frozen=True, slots=True)
class Looked:
    """Newest first. after: where to go on; None when all was looked at. More may follow although found is empty."""

    found: list[Found]
    after: Position | None


async def search(
    db: Database,
    wanted: Wanted,
    *,
    text: str = "",
    field: str = "",
    after: Position | None = None,
    limit: int = 50,
    caller: Caller,
    now: datetime,
) -> Looked:
    """Transcripts that the caller may read (R2.2).

    text: anywhere in the output; letters A-Z count like a-z. field: "name=value" or "name.name=value", at any depth of
    the typed fields, such as "firmware=3.42". Both show what was printed, so that they were used is recorded.
    Raises Invalid for a field that has not this form.
    """
    path = _path(field)
    needle = text.lower().encode()
    looked_for = _Search(db, needle, path, {})
    found: list[Found] = []
    until, looked = time.monotonic() + MOST_S, 0
    while True:
        rows = await transcripts.newest(db, wanted, after, _BATCH)
        for one in await looked_for.among(await _allowed(db, caller, rows)):
            found.append(one)
            if len(found) == limit:
                break
        looked += len(rows)
        full = len(found) == limit
        after = _position(found[-1].row if full else rows[-1]) if rows else after
        if full or len(rows) < _BATCH or looked >= MOST_LOOKED_AT or time.monotonic() > until:
            break
    done = len(rows) < _BATCH and not full
    if text or field:
        contracts = {one.row["contract"] for one in found}
        shown, _ = mask(SECRETS, text.encode())  # somebody may look whether a secret is there
        detail = {"how": "search", "text": shown.decode(errors="replace"), "field": field, "found": len(found)}
        await note_search(db, caller, contracts, detail=detail, now=now)
    return Looked(found, None if done else after)


@dataclass(frozen=True, slots=True)
class _Search:
    """excerpts: by hash, what was found in an output, None for nothing: many adapters print the same."""

    db: Database
    needle: bytes
    path: tuple[list[str], str] | None
    excerpts: dict[bytes, str | None]

    async def among(self, rows: Sequence[Row]) -> list[Found]:
        """Those that match, in their order."""
        if self.needle:
            rows = await self._with_text(rows)
        if self.path:
            rows = await self._with_field(rows, *self.path)
        return [Found(row, self.excerpts.get(row["sha256"]) or "") for row in rows]

    async def _with_text(self, rows: Sequence[Row]) -> list[Row]:
        unknown = list({row["sha256"]: row for row in rows if row["sha256"] not in self.excerpts}.values())
        async for row, content in with_contents(self.db, unknown):
            self.excerpts[row["sha256"]] = _excerpt(content.body, self.needle)
        return [row for row in rows if self.excerpts.get(row["sha256"]) is not None]

    async def _with_field(self, rows: Sequence[Row], path: list[str], value: str) -> list[Row]:
        known = await readings.of(self.db, [_key(row) for row in rows])
        return [row for row in rows if (reading := known.get(_key(row))) and _holds(reading.fields, path, value)]


async def _allowed(db: Database, caller: Caller, rows: Sequence[Row]) -> list[Row]:
    tasks = list({row["task"]: row for row in rows}.values())
    async with db.connection() as connection:
        allowed = await readable(connection, caller, tasks)
    return [row for row in rows if row["task"] in allowed]


def _position(row: Row) -> Position:
    return row["started_at"], row["task"], row["position"]


def _key(row: Row) -> tuple[bytes, str, str]:
    return row["sha256"], row["series"], row["command"]


def _path(field: str) -> tuple[list[str], str] | None:
    if not field:
        return None
    form = _FIELD.fullmatch(field)
    if form is None:
        fault = Fault(
            "field", "name=value is wanted, such as firmware=3.42, not {value}.", {"value": field[:80]}, "query"
        )
        raise Invalid("The search cannot be made.", next_step="Correct the field.", faults=[fault])
    return form[1].split("."), form[2]


def _excerpt(body: bytes, needle: bytes) -> str | None:
    at = body.lower().find(needle)
    if at < 0:
        return None
    return body[max(0, at - _AROUND) : at + len(needle) + _AROUND].decode(errors="replace")


def _holds(fields: Any, path: Sequence[str], value: str) -> bool:  # Any: JSON
    """Is there, at any depth, the value at the end of the path?"""
    match fields:
        case dict():
            here = path[0] in fields and _leads(fields[path[0]], path[1:], value)
            return here or any(_holds(inner, path, value) for inner in fields.values())
        case list():
            return any(_holds(inner, path, value) for inner in fields)
        case _:
            return False


def _leads(fields: Any, path: Sequence[str], value: str) -> bool:  # Any: JSON
    match fields:
        case list():
            return any(_leads(inner, path, value) for inner in fields)
        case dict():
            return bool(path) and path[0] in fields and _leads(fields[path[0]], path[1:], value)
        case bool():
            return not path and value.lower() == str(fields).lower()
        case _:
            return not path and value.lower() == ("null" if fields is None else str(fields).lower())
