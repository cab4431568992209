"""Changes of registrations: any number in one call of the database function that is the only way to make one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from asyncpg import Record, UniqueViolationError

from controller.domain.access import Caller
from controller.domain.exchange import Kind
from controller.store.pool import Connection, Database


@dataclass(frozen=True, slots=True)
class Change:
    """One change. standby: of a swap. exchange: of a swap its pre-flight exchange or None, else the case.

    replaces: id of the entry's open swap that a swap ends. old_adapter, new_adapter: of a replacement; of a swap they
    are what the codes hold. key: sealed RS-SA key of the code's new registration, of a swap that of the standby's (the
    new adapter's comes with it). deadline_at: what is ordered of adapters ends then, and a swap lapses.
    """

    kind: Kind
    code: str
    standby: str | None
    exchange: int | None
    replaces: int | None
    old_adapter: str | None
    new_adapter: str | None
    key: bytes
    passphrase: bytes
    standby_passphrase: bytes | None
    caller: Caller
    reason: str
    fault: str
    now: datetime
    deadline_at: datetime

    @property
    def codes(self) -> tuple[str, ...]:
        """What it changes."""
        return (self.code,) if self.standby is None else (self.code, self.standby)


_CHANGE = """
    SELECT n, kind, code, standby, exchange, at, contract, return_case, reseller, new_adapter, new_model, new_firmware,
           old_adapter, old_model, firmware_target, was_warm, open_tasks
    FROM change_registrations($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18)"""


async def change(connection: Connection, changes: Sequence[Change]) -> list[Record | None]:
    """Make the changes in one statement; a row for each that was made, None for one whose conditions do not hold.

    No two may name one code. Raises UniqueViolationError, and makes none, when one of them met another change or
    exchange that was being written at the same moment.
    """
    rows: list[Record | None] = [None] * len(changes)
    for row in await connection.fetch(_CHANGE, *map(list, zip(*map(_values, changes), strict=True))):
        rows[row["n"] - 1] = row
    return rows


def _values(change: Change) -> tuple[object, ...]:
    caller = change.caller
    return (
        *(change.kind.value, change.code, change.standby, change.exchange, change.replaces),
        *(change.old_adapter, change.new_adapter, change.key, change.passphrase, change.standby_passphrase),
        *(caller.contract, caller.account, caller.role.value, caller.source),
        *(change.reason, change.fault, change.now, change.deadline_at),
    )


_AGAIN = object()
_STATEMENTS = 2
"""Under way at once. Two, so that a change whose registration somebody holds does not hold up all others; not more,
since most of what few changes cost is the statement's own."""


async def make(db: Database, wanted: Change) -> Record | None:
    """One change in a transaction of its own, in one statement with others that are wanted at the same time.

    Its row, or None, and nothing is changed, when its conditions do not hold.
    """
    while True:  # each turn decides about one of those that name the same code
        try:
            row = await db.together(_make_all, wanted, at_once=_STATEMENTS)
        except UniqueViolationError:  # an exchange on one of the codes was being written at the same moment
            return None
        if row is not _AGAIN:
            return cast("Record | None", row)


async def _make_all(connection: Connection, wanted: list[Change]) -> list[object]:
    now = apart(each.codes for each in wanted)
    made = await change(connection, [wanted[n] for n in now])
    answers: list[object] = [_AGAIN] * len(wanted)
    for n, row in zip(now, made, strict=True):
        answers[n] = row
    return answers


async def make_many(db: Database, wanted: Sequence[Change]) -> list[Record | None]:
    """Changes that are `apart`, in one statement; as `make` for each."""
    try:
        async with db.connection() as connection:
            return await change(connection, wanted)
    except UniqueViolationError:
        return [await make(db, each) for each in wanted]


async def make_within(tx: Connection, wanted: Change) -> Record | None:
    """As `make`, inside the caller's transaction."""
    try:
        async with tx.transaction():  # a savepoint: the caller's transaction outlives a refusal
            return (await change(tx, [wanted]))[0]
    except UniqueViolationError:  # the replacement was registered elsewhere at the same moment
        return None


async def make_many_within(tx: Connection, wanted: Sequence[Change]) -> list[Record | None]:
    """As `make_many`, inside the caller's transaction."""
    try:
        async with tx.transaction():
            return await change(tx, wanted)
    except UniqueViolationError:
        return [await make_within(tx, each) for each in wanted]


def apart(codes: Iterable[Iterable[str]]) -> list[int]:
    """Which changes, each given by the codes that it names, may go in one call: not one with a code of an earlier."""
    named: set[str] = set()
    first = []
    for n, each in enumerate(codes):
        if named.isdisjoint(each):
            first.append(n)
        named.update(each)
    return first


_REPLACEMENT = """
    SELECT c.code, c.kind, c.contract, c.firmware_target, r.adapter AS holds, o.series AS old_series,
           o.model AS old_model, p.code AS old_code,
           coalesce(pc.contract = c.contract, true) AS old_is_theirs, n.serial AS new_serial, n.series AS new_series,
           n.model AS new_model, n.hardware_revision AS new_hardware_revision, n.stock AS new_stock, q.code AS new_code,
           n.locked_out_at IS NOT NULL AS new_locked_out, coalesce(k.firmware, '') AS new_firmware,
           x.changed_at, h.id AS held_by, h.kind AS held_by_kind, h.ordered_at AS held_since, g.id AS goes_to,
           (SELECT count(*) FROM task t WHERE t.code = c.code AND t.code <> ''
              AND t.state IN ('waiting', 'running')) AS open_tasks,
           (SELECT json_agg(json_build_array(i.version, i.sha256, i.size, i.models, i.hardware_revisions,
                                             i.hardware_lowest))
              FROM firmware_image i WHERE i.series = n.series AND c.kind = 'entry') AS images
    FROM code c
    LEFT JOIN registration r ON r.code = c.code
    LEFT JOIN adapter o ON o.serial = $2
    LEFT JOIN registration p ON p.adapter = $2
    LEFT JOIN code pc ON pc.code = p.code
    LEFT JOIN adapter n ON n.serial = $3
    LEFT JOIN registration q ON q.adapter = $3
    LEFT JOIN contact k ON k.adapter = $3
    LEFT JOIN exchange x ON x.id = $4
    LEFT JOIN LATERAL (
        SELECT id, kind, ordered_at FROM exchange
        WHERE (entry = c.code OR standby = c.code) AND id <> $4
          AND state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned') LIMIT 1) h ON true
    LEFT JOIN LATERAL (
        SELECT id FROM exchange WHERE new_adapter = $3 AND kind <> 'swap' AND id <> $4
          AND state IN ('dispatched', 'driver-assigned') LIMIT 1) g ON true
    WHERE c.code = $1"""


async def replacement(connection: Connection, code: str, old: str, new: str, exchange: int) -> Record | None:
    """What decides about the replacement of `old` on the code by `new`; None when there is no such code."""
    return await connection.fetchrow(_REPLACEMENT, code, old, new, exchange)
