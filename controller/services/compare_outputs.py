"""Two outputs of one command beside each other: what is told of them. Pure but for reading the series' declarations.

Noise is left out (series/noise.py), and between different adapters what tells them apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from controller.domain.comparison import Change, changes, distance, first_difference, is_shaped_like, text_of
from controller.domain.difference import difference
from controller.domain.errors import spoken
from controller.series import Command, Series, by_name
from controller.series.noise import alike, levelled, quiet
from controller.services import readings
from controller.store.pool import Row
from controller.store.transcripts import unpacked

MOST_CHANGES = 500
"""Changed fields told of one comparison."""

_REASON = 200  # characters
_PATHS = 20


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two outputs. alike, printed: so many of so many adapters printed the like; 0 but for the majority."""

    task: int
    adapter: str
    code: str
    firmware: str
    started_at: datetime
    truncated: bool
    alike: int = 0
    printed: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """before: what is compared against. diff: unified, noise left out; "" when nothing else differs.

    changes: what differs in the fields, at most MOST_CHANGES; None when the command has no parser, or when fault says
    why it could not read one of the two.
    """

    position: int
    line: str
    command: str
    before: Side
    after: Side
    diff: str
    changes: tuple[Change, ...] | None
    fault: str


@dataclass(frozen=True, slots=True)
class OddOne:
    """An adapter that printed something else than most of its model did.

    share: of the adapters of the model that printed what most print. alike: how many printed what this one did, itself
    included. distance: lines that differ. reason: the first difference, on one line; before it, whether the command's
    parser cannot read what it printed. changed: paths of changed fields.
    """

    task: int
    code: str
    adapter: str
    series: str
    model: str
    position: int
    line: str
    command: str
    share: float
    alike: int
    distance: int
    reason: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """What the adapters of a model printed for a line. printed: how many did; different: how many different things;
    alike: how many printed the most usual one. There are odd ones only where that is half of them or more.

    unparsable: how many printed what the command's parser cannot read, among the most usual variants
    (comparisons.VARIANTS); fault: why, of the most usual of those, "" for none."""

    series: str
    model: str
    position: int
    line: str
    printed: int
    different: int
    alike: int
    unparsable: int
    fault: str


def compared(before: Row, after: Row, rows: dict[bytes, Row]) -> Comparison:
    """Two rows of `comparisons.sides`, with their outputs. Of two adapters: what tells them apart is left out."""
    peers, command = before["adapter"] != after["adapter"], after["command"]
    pair = (by_name(before["series"]), by_name(after["series"]))
    texts = _texts(rows, before["sha256"], after["sha256"])
    told = [(alike if peers else quiet)(s.noise, command, t).encode() for s, t in zip(pair, texts, strict=True)]
    found, fault = _changes(pair, command, texts, peers=peers)
    diff = difference(told[0], told[1], names=(_name(before), _name(after)))
    if found and not diff:  # a number that the parser counts, such as of sessions: no more than the noise it came from
        found = ()
    return Comparison(after["position"], after["line"], command, _side_of(before), _side_of(after), diff, found, fault)


def _name(row: Row) -> str:
    return f"{row['adapter']} {spoken(row['started_at'])}"


def _texts(rows: dict[bytes, Row], before: bytes, after: bytes) -> tuple[str, str]:
    return text_of(unpacked(rows[before])), text_of(unpacked(rows[after]))


def _changes(
    pair: tuple[Series, Series], command: str, texts: tuple[str, str], *, peers: bool
) -> tuple[tuple[Change, ...] | None, str]:
    """What differs in the fields; where they cannot be read without noise, as they are."""
    declared = [series.named(command) for series in pair]
    if any(one is None or one.parse is None for one in declared):
        return None, ""
    fault = ""
    level = levelled(pair[1].noise, command, texts, peers=peers)
    for bodies in (level, texts) if pair[0] is pair[1] else (texts,):
        try:
            before, after = _fields(declared, bodies)
        except ValueError as error:
            fault = str(error)
        else:
            shown = _as_printed(declared, texts, (before, after))
            return tuple(islice(changes(before, after, peers=peers, shown=shown), MOST_CHANGES)), ""
    return None, fault


def _fields(declared: Sequence[Command | None], texts: tuple[str, str]) -> tuple[Any, Any]:
    """Any: JSON values. Raises ValueError."""
    before, after = (json.loads(readings.parsed(c, t)) for c, t in zip(declared, texts, strict=True) if c)
    return before, after


def _as_printed(
    declared: Sequence[Command | None], texts: tuple[str, str], levelled: tuple[Any, Any]
) -> tuple[Any, Any] | None:
    """The fields with the values that were printed, where each has its counterpart: what is told must be true, and a
    levelled address is not. Any: JSON values."""
    try:
        printed = _fields(declared, texts)
    except ValueError:
        return None
    return printed if all(map(is_shaped_like, levelled, printed)) else None


def _side_of(row: Row) -> Side:
    share = (row["alike"], row["printed"]) if "alike" in row else (0, 0)
    return Side(row["task"], row["adapter"], row["code"], row["firmware"], row["started_at"], row["truncated"], *share)


def spread(row: Row, faults: Mapping[tuple[int, int], str]) -> Spread:
    """A row of `comparisons.odd`. faults: by task and position, of variants that cannot be read."""
    told = [faults.get((task, row["position"]), "") for task in row["variants"]]
    same = {name: row[name] for name in ("series", "model", "position", "line", "printed", "different", "alike")}
    unparsable = sum(count for fault, count in zip(told, row["shares"], strict=True) if fault)
    return Spread(**same, unparsable=unparsable, fault=next(filter(None, told), ""))


def odd_ones(rows: Sequence[Row], bodies: dict[bytes, Row]) -> list[OddOne]:
    """Rows of `comparisons.odd`, with their outputs. Those that say the same thing are compared once."""
    told: dict[tuple[object, ...], tuple[int, str, tuple[str, ...]]] = {}
    ones = []
    for row in rows:
        if row["sha256"] not in bodies or row["common_sha256"] not in bodies:
            continue  # deleted by its retention since
        key = (row["series"], row["model"], row["position"], row["digest"])
        if key not in told:
            told[key] = _how(
                by_name(row["series"]), row["command"], _texts(bodies, row["common_sha256"], row["sha256"])
            )
        ones.append(_odd_one(row, *told[key]))
    return ones


def _odd_one(row: Row, lines: int, reason: str, changed: tuple[str, ...]) -> OddOne:
    same = {name: row[name] for name in ("task", "code", "adapter", "series", "model", "position", "line", "command")}
    return OddOne(**same, share=row["share"], alike=row["alike_odd"], distance=lines, reason=reason, changed=changed)


def _how(series: Series, command: str, texts: tuple[str, str]) -> tuple[int, str, tuple[str, ...]]:
    before, after = (alike(series.noise, command, text) for text in texts)
    found, _ = _changes((series, series), command, texts, peers=True)
    lines = first_difference(before, after)
    if found:
        first = found[0]
        reason = f"{first.path}: {_shown(first.before)} → {_shown(first.after)}"
    else:
        reason = f"{_shown(lines[0] or None)} → {_shown(lines[1] or None)}"
    if fault := _fault(series.named(command), texts[1]):
        reason = f"not readable ({fault}); {reason}"
    return distance(before, after), reason[:_REASON], tuple(change.path for change in (found or ())[:_PATHS])


def _fault(command: Command | None, text: str) -> str:
    """Why the command's parser cannot read the text; "" when it can, or when there is none."""
    if command is None or command.parse is None:
        return ""
    try:
        readings.parsed(command, text)
    except ValueError as error:
        return str(error)
    return ""


def _shown(value: Any) -> str:  # Any: JSON
    return "-" if value is None else (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:80]
