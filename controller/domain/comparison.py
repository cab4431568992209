"""Two outputs beside each other: what changed in their texts and in their fields, and how far apart they are.

Pure rules over values; which lines are noise is the series' affair (series/noise.py).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any, TypeAlias

Json: TypeAlias = Any  # what json.loads gives
"""A value made of dicts, lists, text, numbers, true, false and null."""


class Kind(StrEnum):
    """What became of a field."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs. path: "routes[192.0.2.0/24].gateway"; before, after: None where there was or is none."""

    path: str
    kind: Kind
    before: Json
    after: Json


def text_of(body: bytes) -> str:
    r"""What an adapter printed as text for rules and parsers: LF at the end of lines, and what is no UTF-8, or NUL
    (which PostgreSQL cannot keep), written as \xff, so that two different bodies stay different."""
    return body.replace(b"\r\n", b"\n").decode(errors="backslashreplace").replace("\0", r"\x00")


def digest(text: str) -> bytes:
    """SHA-256 of the text."""
    return hashlib.sha256(text.encode()).digest()


def distance(before: str, after: str) -> int:
    """How many lines one has and the other has not, whatever their order; 0: the same lines. Linear in their length."""
    old, new = Counter(before.splitlines()), Counter(after.splitlines())
    return max((old - new).total(), (new - old).total())


def first_difference(before: str, after: str) -> tuple[str, str]:
    """The first line that only `before` has, and the first that only `after` has; "" where there is none."""
    old, new = before.splitlines(), after.splitlines()
    return _first_not_in(old, set(new)), _first_not_in(new, set(old))


def _first_not_in(lines: Sequence[str], others: set[str]) -> str:
    return next((line for line in lines if line not in others), "")


def changes(
    before: Json, after: Json, *, peers: bool = False, path: str = "", shown: tuple[Json, Json] | None = None
) -> Iterator[Change]:
    """The fields that differ, in the order in which they stand.

    Members of a list belong together when one of their fields names them (see `_key`); others are compared as a whole.
    peers: of two different adapters, so that how often the same member stands in a list says nothing. shown: what is
    told instead of the values compared, where those had noise taken out; of the same shape (`is_shaped_like`).
    """
    told = shown or (before, after)
    if isinstance(before, dict) and isinstance(after, dict):
        for name in chain(before, (name for name in after if name not in before)):
            yield from _member((before, after), told, name, f"{path}.{name}" if path else str(name), peers)
    elif isinstance(before, list) and isinstance(after, list):
        key = _key(before, after)
        sides = (before, after)
        yield from _keyed(sides, told, key, path, peers) if key else _unkeyed(sides, told, path, peers)
    elif _canonical(before) != _canonical(after):
        yield Change(path, Kind.CHANGED, *told)


def is_shaped_like(one: Json, other: Json) -> bool:
    """Do both have the same names and as many members everywhere, whatever the values?"""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_shaped_like(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_shaped_like, one, other))
    return not isinstance(one, (dict, list)) and not isinstance(other, (dict, list))


_Sides: TypeAlias = tuple[Json, Json]


def _member(sides: _Sides, told: _Sides, name: str, path: str, peers: bool) -> Iterator[Change]:
    before, after = sides
    if name not in after:
        yield Change(path, Kind.REMOVED, told[0][name], None)
    elif name not in before:
        yield Change(path, Kind.ADDED, None, told[1][name])
    else:
        shown = (told[0][name], told[1][name])
        yield from changes(before[name], after[name], peers=peers, path=path, shown=shown)


def _key(before: Sequence[Json], after: Sequence[Json]) -> str | None:
    """The field that names the members: text that every member has and no two of a list share. Of several, the one with
    the most values in both lists, then the first. None: there is none."""
    members = [*before, *after]
    if not all(isinstance(member, dict) for member in members) or not members:
        return None
    best, most = None, -1
    for name in members[0]:
        values = [[member.get(name) for member in side] for side in (before, after)]
        if not all(isinstance(value, str) for value in chain(*values)):
            continue
        if all(len(set(side)) == len(side) for side in values):
            common = len(set(values[0]) & set(values[1]))
            if common > most:
                best, most = name, common
    return best


def _keyed(sides: _Sides, told: _Sides, key: str, path: str, peers: bool) -> Iterator[Change]:
    old, new = ({member[key]: member for member in side} for side in sides)
    shown = [
        {member[key]: one for member, one in zip(side, ones, strict=True)}
        for side, ones in zip(sides, told, strict=True)
    ]
    for name in chain(old, (name for name in new if name not in old)):
        called = (shown[0].get(name) or shown[1][name])[key]
        yield from _member((old, new), (shown[0], shown[1]), name, f"{path}[{called}]", peers)


def _unkeyed(sides: _Sides, told: _Sides, path: str, peers: bool) -> Iterator[Change]:
    old, new = (_by_content(side, ones, peers) for side, ones in zip(sides, told, strict=True))
    for content, ones in old.items():
        for one in ones[len(new.get(content, ())) :]:
            yield Change(f"{path}[]", Kind.REMOVED, one, None)
    for content, ones in new.items():
        for one in ones[len(old.get(content, ())) :]:
            yield Change(f"{path}[]", Kind.ADDED, None, one)


def _by_content(members: Sequence[Json], told: Sequence[Json], peers: bool) -> dict[str, list[Json]]:
    """What is told of the members, by what is compared; of peers once."""
    found: dict[str, list[Json]] = {}
    for member, one in zip(members, told, strict=True):
        ones = found.setdefault(_canonical(member), [])
        if not (peers and ones):
            ones.append(one)
    return found


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True)
