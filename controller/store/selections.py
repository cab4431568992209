"""Which adapters a selection means, and the selections that people keep by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg import Record

from controller.domain.access import Caller
from controller.store import audit
from controller.store.pool import Connection, Database

MAX_TASKS = 20_000
"""Most adapters in one campaign."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What the query asks for; None and False narrow nothing. kinds: for codes that are not named.

    firmware: half-open range of `domain.firmware.number`; adapters whose firmware is not known stay in, so that they
    can be shown as skipped. tags: all of them.
    """

    codes: Sequence[str] | None
    kinds: Sequence[str]
    contract: str | None
    series: str | None
    models: Sequence[str] | None
    firmware: tuple[int, int] | None
    group: str | None
    tags: Sequence[str]
    connection: str | None


_SELECTED = """
    SELECT * FROM (
        SELECT c.code, c.contract, c.kind, a.serial, a.series, a.model, a.locked_out_at,
               coalesce(k.firmware, '') AS firmware,
               CASE WHEN k.firmware ~ '^[0-9]{1,4}[.][0-9]{1,4}$' THEN
                    split_part(k.firmware, '.', 1)::int * 10000 + split_part(k.firmware, '.', 2)::int END AS version,
               coalesce(n.state, 'disconnected') AS connection
        FROM code c LEFT JOIN registration r USING (code) LEFT JOIN adapter a ON a.serial = r.adapter
        LEFT JOIN contact k ON k.adapter = a.serial LEFT JOIN connection n ON n.adapter = a.serial
        WHERE ($1::text[] IS NULL AND c.kind = ANY ($2) OR c.code = ANY ($1))
          AND ($3::text IS NULL OR c.contract = $3) AND ($4::text IS NULL OR a.series = $4)
          AND ($5::text[] IS NULL OR a.model = ANY ($5))
          AND ($6::text IS NULL OR c.group_name = $6) AND ($7::text[] = '{}' OR c.tags @> $7)
          AND ($8::text IS NULL OR a.serial IS NOT NULL AND coalesce(n.state, 'disconnected') = $8)
    ) found
    WHERE $9::int IS NULL OR serial IS NOT NULL AND (version IS NULL OR version >= $9 AND version < $10)
    ORDER BY code LIMIT $11"""


async def selected(connection: Connection, wanted: Filter) -> list[Record]:
    """Codes with the adapter each holds (serial None: empty), by code.

    At most MAX_TASKS + 1 rows, so that the caller can tell that there are too many.
    """
    low, high = wanted.firmware or (None, None)
    return await connection.fetch(
        _SELECTED,
        *(wanted.codes, wanted.kinds, wanted.contract, wanted.series, wanted.models, wanted.group),
        *(list(wanted.tags), wanted.connection, low, high, MAX_TASKS + 1),
    )


_TOLD = 100


async def contracts(connection: Connection, wanted: Filter, limit: int) -> list[Record]:
    """Whose codes these are: contract, count and the first hundred of its codes; at most `limit` contracts, by name."""
    low, high = wanted.firmware or (None, None)
    return await connection.fetch(
        f"""SELECT contract, count(*) AS count, (array_agg(code))[:{_TOLD}] AS codes FROM ({_SELECTED}) selected
            GROUP BY contract ORDER BY contract LIMIT $12""",  # noqa: S608 (constants)
        *(wanted.codes, wanted.kinds, wanted.contract, wanted.series, wanted.models, wanted.group),
        *(list(wanted.tags), wanted.connection, low, high, MAX_TASKS + 1, limit),
    )


_KEPT = "SELECT id, contract, name, definition, account, changed_at FROM selection"


async def page(db: Database, *, contract: str | None, after: str | None, limit: int) -> list[Record]:
    """Kept selections by name: the contract's, or those of staff (None)."""
    query = f"""{_KEPT} WHERE contract IS NOT DISTINCT FROM $1 AND ($2::text IS NULL OR name > $2)
        ORDER BY name LIMIT $3"""
    async with db.connection() as connection:
        return await connection.fetch(query, contract, after, limit)


async def one(connection: Connection, contract: str | None, name: str) -> Record | None:
    """The selection of that name of the contract, or of staff (None)."""
    return await connection.fetchrow(f"{_KEPT} WHERE contract IS NOT DISTINCT FROM $1 AND name = $2", contract, name)


_SAVE = """
    INSERT INTO selection (contract, name, definition, account, changed_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (contract, name) DO UPDATE SET definition = excluded.definition, account = excluded.account,
        changed_at = excluded.changed_at"""


async def save(db: Database, name: str, definition: dict[str, Any], *, caller: Caller, now: datetime) -> None:
    """Keep it under the name, instead of what was kept there. Any: JSON values."""
    async with db.transaction() as tx:
        await tx.execute(_SAVE, caller.contract, name, definition, caller.account, now)
        await audit.write(tx, caller, "selection.save", name, now=now, contract=caller.contract, detail=definition)


async def forget(db: Database, name: str, *, caller: Caller, now: datetime) -> bool:
    """Drop the selection; False when there is none of that name."""
    async with db.transaction() as tx:
        query = "DELETE FROM selection WHERE contract IS NOT DISTINCT FROM $1 AND name = $2 RETURNING id"
        if await tx.fetchval(query, caller.contract, name) is None:
            return False
        await audit.write(tx, caller, "selection.delete", name, now=now, contract=caller.contract)
    return True
