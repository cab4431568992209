"""Units that serve nobody: where each is, its moves, and what a replacement is chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.domain.stock import Stock
from controller.store.pool import Connection, Database, Row

MOST_CANDIDATES = 500  # far more than a person reads; those of the same model come first

_UNIT = """
    SELECT a.serial, a.series, a.model, a.hardware_revision, a.ownership, a.reseller, a.locked_out_at,
           a.locked_by_exchange, a.stock, r.code, c.contract, coalesce(k.firmware, '') AS firmware,
           CASE WHEN r.code IS NOT NULL AND a.stock = 'in-stock' THEN r.since
                ELSE coalesce(a.stock_since, a.created_at) END AS since
    FROM {source} a
    LEFT JOIN registration r ON r.adapter = a.serial LEFT JOIN code c ON c.code = r.code
    LEFT JOIN contact k ON k.adapter = a.serial"""

_ONE = _UNIT.format(source="adapter") + " WHERE a.serial = $1"

# The case that a unit moves with: the one it was sent out for, or the one that waits for it to come back.
_CASE = """
    SELECT id, kind, state FROM exchange
    WHERE ended_at IS NULL AND kind <> 'swap' AND {side} = $1 ORDER BY id DESC LIMIT 1"""


async def lock(tx: Connection, serial: str) -> Row | None:
    """The unit, which no other may move or register until the transaction ends; None when unknown.

    Two statements: what has changed while the lock was waited for is seen by the second.
    """
    await tx.fetchrow("SELECT serial FROM adapter WHERE serial = $1 FOR NO KEY UPDATE", serial)
    return await tx.fetchrow(_ONE, serial)


async def one(connection: Connection, serial: str) -> Row | None:
    """The unit, wherever it is; None when unknown."""
    return await connection.fetchrow(_ONE, serial)


async def open_case(tx: Connection, serial: str, *, replacement: bool) -> Row | None:
    """id, kind and state of the open case whose faulty unit, or whose replacement, this is; None for none."""
    return await tx.fetchrow(_CASE.format(side="new_adapter" if replacement else "old_adapter"), serial)


@dataclass(frozen=True, slots=True)
class Moved:
    """What is written of a move. exchange: the case it belongs to, None when a person moved it."""

    serial: str
    of: Stock
    to: Stock
    exchange: int | None
    account: str
    note: str = ""


_MOVE = """
    WITH moved AS (
        UPDATE adapter SET stock = $3, stock_since = $4,
            locked_out_at = CASE WHEN $3 = 'in-stock' AND locked_by_exchange IS NOT NULL THEN NULL
                                 ELSE locked_out_at END,
            locked_by_exchange = CASE WHEN $3 <> 'in-stock' THEN locked_by_exchange END
        WHERE serial = $1 AND stock = $2 RETURNING serial
    ), noted AS (
        INSERT INTO stock_ledger (at, adapter, from_stock, to_stock, exchange, account, note)
        SELECT $4, serial, $2, $3, $5, $6, $7 FROM moved
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT $4, 'stock.moved', serial,
               jsonb_build_object('adapter', serial, 'from', $2::text, 'to', $3::text, 'exchange', $5::bigint)
        FROM moved
    )
    SELECT serial FROM moved"""


async def move(tx: Connection, moved: Moved, now: datetime) -> bool:
    """Compare-and-set, with ledger and outbox; False when the unit is not in the state `moved.of`.

    A unit that an exchange put out is let in again when it comes into stock (R3.7 ends here).
    """
    values = (moved.serial, moved.of, moved.to, now, moved.exchange, moved.account, moved.note)
    return await tx.fetchval(_MOVE, *values) is not None


_FORGET_PLACE = """
    WITH own AS (DELETE FROM credential WHERE adapter = $1), opened AS (DELETE FROM credential_login WHERE adapter = $1)
    UPDATE adapter SET ssh_address = NULL WHERE serial = $1"""


async def forget_place(tx: Connection, serial: str) -> None:
    """Where the unit stood, and the credentials that it was given there: they are the former contract's. What the
    inventory says of it stays."""
    await tx.execute(_FORGET_PLACE, serial)


async def last_moved_for(tx: Connection, serial: str) -> int | None:
    """The exchange that the unit's newest move belongs to; None when it never moved, or a person moved it."""
    query = "SELECT exchange FROM stock_ledger WHERE adapter = $1 ORDER BY id DESC LIMIT 1"
    exchange: int | None = await tx.fetchval(query, serial)
    return exchange


async def contract_of_exchange(tx: Connection, exchange: int) -> str | None:
    """Whose exchange it is; None when unknown."""
    contract: str | None = await tx.fetchval("SELECT contract FROM exchange WHERE id = $1", exchange)
    return contract


_WANTED = """
    SELECT x.id AS exchange, x.kind, c.code, c.contract, c.firmware_target, a.serial, a.series, a.model,
           a.hardware_revision, a.ownership, a.reseller,
           (SELECT json_agg(json_build_array(i.version, i.sha256, i.size, i.models, i.hardware_revisions,
                                             i.hardware_lowest))
            FROM firmware_image i WHERE i.series = a.series) AS images
    FROM code c {source} JOIN adapter a ON a.serial = {unit}"""
_OF_EXCHANGE = _WANTED.format(
    source="JOIN exchange x ON x.id = $1 AND x.kind <> 'swap' AND c.code = coalesce(x.entry, x.standby)",
    unit="x.old_adapter",
)
_OF_CODE = (
    _WANTED.format(
        source="JOIN registration r USING (code) LEFT JOIN exchange x ON false",
        unit="r.adapter",
    )
    + " WHERE c.code = $1"
)


async def wanted_by_exchange(connection: Connection, exchange: int) -> Row | None:
    """The unit to be replaced, its code and the firmware of its series; None for a swap or no such exchange.

    images: [version, sha256, size, models, hardware_revisions] each; None for none.
    """
    return await connection.fetchrow(_OF_EXCHANGE, exchange)


async def wanted_on_code(connection: Connection, code: str) -> Row | None:
    """The same for the unit that a code holds now; None when it holds none or there is no such code."""
    return await connection.fetchrow(_OF_CODE, code)


async def candidates(connection: Connection, series: str, model: str, revision: str) -> list[Row]:
    """Units of the series in stock, MOST_CANDIDATES at most: those that are most alike, and have waited longest."""
    query = _UNIT.format(
        source="""(SELECT * FROM adapter WHERE stocked AND stock = 'in-stock' AND series = $1
        ORDER BY locked_out_at IS NULL DESC, ownership = 'rented' DESC, model = $2 DESC, hardware_revision = $3 DESC,
                 coalesce(stock_since, created_at), serial LIMIT $4)"""
    )
    return await connection.fetch(query, series, model, revision, MOST_CANDIDATES)


async def page(
    db: Database, *, state: Stock | None, series: str | None, model: str | None, after: str | None, limit: int
) -> list[Row]:
    """Units that do not simply sit on a code, in order of serial. state, series, model: None for all."""
    page = """(SELECT * FROM adapter WHERE stocked AND ($1::text IS NULL OR stock = $1)
        AND ($2::text IS NULL OR series = $2) AND ($3::text IS NULL OR model = $3)
        AND ($4::text IS NULL OR serial > $4) ORDER BY serial LIMIT $5)"""
    query = _UNIT.format(source=page) + " ORDER BY a.serial"
    async with db.connection() as connection:
        return await connection.fetch(query, state, series, model, after, limit)


async def counts(db: Database, *, series: str | None) -> Sequence[Row]:
    """How many units of each series, model and hardware revision are in each state of stock."""
    query = """SELECT series, model, hardware_revision, stock AS state, count(*) AS units,
            count(*) FILTER (WHERE locked_out_at IS NOT NULL) AS locked_out
        FROM adapter WHERE stocked AND ($1::text IS NULL OR series = $1)
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""
    async with db.connection() as connection:
        return await connection.fetch(query, series)


async def moves(db: Database, serial: str, *, before: int | None, limit: int) -> list[Row]:
    """The unit's moves, newest first. before: id of the last one already seen."""
    query = """SELECT id, at, adapter, from_stock, to_stock, exchange, account, note FROM stock_ledger
        WHERE adapter = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"""
    async with db.connection() as connection:
        return await connection.fetch(query, serial, before, limit)
