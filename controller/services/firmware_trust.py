"""Signed metadata as people and adapters see it: the overview, and single documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.domain.why import Why
from controller.store import firmware_metadata as store
from controller.store.pool import Connection, Database, Row
from firmware_repo import documents
from firmware_repo.errors import WrongMetadata
from firmware_repo.roles import ROOT, TARGETS, TIMESTAMP, TOP, Holders, alarm_before, file_name

_NAME: Final = re.compile(r"(?:([1-9][0-9]{0,8})\.)?([a-z][a-z0-9]{0,15})\.json")
_FRESH_S: Final = 1.0
_MOST: Final = 64


@dataclass(frozen=True)
class RoleShown:
    """One role's newest document, and who may sign the next. broken_why: of a series that is not offered for it."""

    role: str
    version: int
    file: str
    expires_at: datetime
    alarm_at: datetime
    published_at: datetime
    published_by: str
    keys: list[str]
    threshold: int
    broken_why: Why | None


@dataclass(frozen=True, slots=True)
class Overview:
    """row: of what was established, None before the ceremony."""

    row: Row | None
    roles: tuple[RoleShown, ...]
    unsigned: int
    to_unsign: tuple[str, ...]


async def overview(db: Database) -> Overview:
    """All of one moment."""
    async with db.transaction(readonly=True) as tx:
        row = await store.trust(tx)
        newest = {each["role"]: each for each in await store.current(tx)}
        unsigned, to_unsign = await store.waiting(tx)
    order = {role: place for place, role in enumerate(TOP)}
    roles = sorted(newest, key=lambda role: (order.get(role, len(TOP)), role))
    faults = row["series_why"] if row else {}
    shown = tuple(_shown(newest[role], newest, faults.get(role)) for role in roles)
    return Overview(row, shown, unsigned, tuple(to_unsign))


def _shown(row: Row, newest: dict[str, Row], broken_why: Why | None) -> RoleShown:
    role, expires = row["role"], row["expires_at"]
    of = _holders(newest, role)
    return RoleShown(
        role,
        row["version"],
        file_name(role, row["version"]),
        expires,
        expires - alarm_before(role),
        row["published_at"],
        row["published_by"],
        [key.keyid for key in of.keys] if of else [],
        of.threshold if of else 0,
        broken_why,
    )


def _holders(newest: dict[str, Row], role: str) -> Holders | None:
    try:
        return documents.holders(newest[ROOT if role in TOP else TARGETS]["body"], role)
    except (KeyError, WrongMetadata):  # a series that targets name no longer
        return None


async def read(db: Database, name: str, *, newest: bool = False) -> bytes | None:
    """A document by the name clients ask for it, None when there is none. newest: "root.json" is the newest root."""
    match = _NAME.fullmatch(name)
    if match is None or not (newest or (match[1] is None) == (match[2] == TIMESTAMP)):
        return None
    async with db.connection() as connection:
        return await _body(connection, match[2], int(match[1]) if match[1] else None)


async def _body(connection: Connection, role: str, version: int | None) -> bytes | None:
    row = await store.one(connection, role, version)
    return row["body"] if row else None


class Shelf:
    """Documents in memory, for the adapters that ask for them: until something is published, and at least a second."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._held: dict[str, bytes | None] = {}
        self._serial, self._looked_at = -1, float("-inf")

    async def read(self, name: str, time: float) -> bytes | None:
        """As `read`. time: monotonic seconds."""
        if time - self._looked_at >= _FRESH_S:
            if (serial := await store.serial(self._db)) != self._serial:
                self._held, self._serial = {}, serial
            self._looked_at = time
        if name not in self._held:
            held, body = self._held, await read(self._db, name)
            if len(held) >= _MOST:
                held.clear()
            held[name] = body  # of the state that was asked for: a newer one has a dictionary of its own
            return body
        return self._held[name]
