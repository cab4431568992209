"""Readings: what is made of an output so that it can be compared and searched. Its digest, its typed fields.

Digests are made by the clock soon after a campaign has printed; fields, which cost four times as much, when somebody
first asks for them. In a thread, a few at a time, so that neither the event loop nor the memory notices. Thrown away
without loss: the output is what is kept as evidence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic_core import PydanticSerializationError, to_json

from controller.domain.comparison import digest, text_of
from controller.series import Command, by_name
from controller.series.noise import alike
from controller.store import readings
from controller.store.pool import Database, Row
from controller.store.readings import Key, Made
from controller.store.transcripts import unpacked

log = structlog.get_logger()

VERSION = 2
"""Of the rules that make a reading (noise, parsers). Raise it when they change, and every reading is made anew."""

TURN_S = 1.5
"""How long one turn of the clock may take."""

_AT_ONCE = 500  # outputs in memory at a time
_BYTES_AT_ONCE = 4 << 20
_MOST = 200_000  # of one campaign in one go: 20,000 adapters × 10 lines
_FRESH = timedelta(minutes=10)
_RECENT = timedelta(minutes=1)  # of a campaign under way, what has ended since is looked at; the rest when it is over
_MAX_FIELDS = 8 << 20  # bytes of JSON; an output has 1 MiB at most


@dataclass(frozen=True, slots=True)
class Reading:
    """digest: equal for outputs that say the same but for noise and identity. fields: None where the command has no
    parser, or where fault says why there are none."""

    digest: bytes
    fields: Any  # JSON: each command has its own shape
    fault: str


async def of(db: Database, keys: Sequence[Key]) -> dict[Key, Reading]:
    """The readings of these outputs, with fields; what is missing is made first. Outputs that are not kept are left
    out."""
    found = await _known(db, keys)
    lacking = [key for key in dict.fromkeys(keys) if key not in found]
    if lacking:
        sizes = await readings.sizes(db, [key[0] for key in lacking])
        await _make(db, [(key, sizes[key[0]]) for key in lacking if key[0] in sizes], parse=True)
        found |= await _known(db, lacking)
    return {key: found[key] for key in keys if key in found}


async def of_campaign(
    db: Database, campaign: int, *, since: datetime | None = None, until: float = float("inf")
) -> bool:
    """Make the digests that a campaign's outputs lack. since: only of tasks that have ended then or later.

    until: stop then (time.monotonic); False when some are left."""
    rows = await readings.missing(db, campaign, VERSION, _MOST, since=since)
    return await _make(db, [(_key(row), row["size"]) for row in rows], parse=False, until=until)


async def turn(db: Database, now: datetime) -> None:
    """Make digests for campaigns that are under way or have just ended, for a second or two. One controller at a
    time; called every few seconds."""
    until = time.monotonic() + TURN_S
    async with db.transaction() as tx:
        for campaign in await readings.to_read(tx, now, _FRESH, VERSION):
            since = now - _RECENT if campaign["live"] else None
            if not await of_campaign(db, campaign["id"], since=since, until=until):
                return
            if not campaign["live"]:
                await readings.note(tx, campaign["id"], VERSION)


async def _known(db: Database, keys: Sequence[Key]) -> dict[Key, Reading]:
    rows = await readings.known(db, keys, VERSION)
    return {_key(row): Reading(row["digest"], row["fields"], row["fault"]) for row in rows}


async def _make(db: Database, wanted: Sequence[tuple[Key, int]], *, parse: bool, until: float = float("inf")) -> bool:
    for keys in _portions(wanted):
        if time.monotonic() > until:
            return False
        rows = await readings.outputs(db, [key[0] for key in keys])
        await readings.put(db, await asyncio.to_thread(_made, keys, rows, parse), VERSION, parsed=parse)
    return True


def _portions(wanted: Sequence[tuple[Key, int]]) -> Iterator[list[Key]]:
    """Few enough, and small enough together, to be in memory at once."""
    portion: list[Key] = []
    size = 0
    for key, more in wanted:
        if portion and (len(portion) == _AT_ONCE or size + more > _BYTES_AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append(key)
        size += more
    if portion:
        yield portion


def _made(keys: Sequence[Key], rows: Mapping[bytes, Row], parse: bool) -> list[Made]:
    return [_one(key, unpacked(rows[key[0]]), parse) for key in keys if key[0] in rows]


def _one(key: Key, body: bytes, parse: bool) -> Made:
    _, name, command = key
    series, text = by_name(name), text_of(body)
    fields, fault = _fields(series.named(command), text) if parse else (None, "")
    return Made(key, digest(alike(series.noise, command, text)), fields, fault)


def _fields(command: Command | None, text: str) -> tuple[str | None, str]:
    """What the parser makes of it, as JSON, or why it makes nothing."""
    if command is None or command.parse is None:
        return None, ""
    try:
        fields = parsed(command, text)
    except ValueError as error:
        return None, str(error)[:500]
    except Exception:  # a parser's mistake must not cost the other outputs their readings
        log.exception("a parser failed", command=command.name)
        return None, "Internal error in the parser of this command; the log has the rest."
    return fields, ""


def parsed(command: Command, text: str) -> str:
    """The parser's fields as JSON. Raises ValueError when the text is not what the command is known to print."""
    assert command.parse is not None
    try:
        fields = to_json(command.parse(text), inf_nan_mode="null").decode()
    except PydanticSerializationError as error:
        raise ValueError(f"The fields cannot be written as JSON: {error}") from error
    if len(fields) > _MAX_FIELDS:
        raise ValueError(f"The fields are too many to be kept: {len(fields)} bytes as JSON.")
    return fields


def _key(row: Row) -> Key:
    return row["sha256"], row["series"], row["command"]
