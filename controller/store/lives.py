"""The life of one unit: all that happened to it, from the tables that each keep their part of it."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from asyncpg import Record

from controller.store.plans import by_index
from controller.store.pool import Database

Position: TypeAlias = tuple[datetime, int, int]
"""Of an event: when, which part it is from (what comes first of one moment), its number there."""

# One SELECT a part, and what {own} in it becomes where only a part of the life is wanted.
# $1: the serial, $2: the contract. A replacement has nothing to do with its case before it is on its way.
_KNOWN = """
    SELECT a.created_at AS at, 0 AS part, 0::bigint AS id, 'known' AS what, '' AS code, NULL::timestamptz AS until,
           NULL::bigint AS exchange, '' AS kind, '' AS side, '' AS before, '' AS after, '' AS account, '' AS note,
           NULL::jsonb AS why
    FROM adapter a WHERE a.serial = $1 {own}"""
_OPENED = """
    SELECT x.ordered_at, 1, x.id, 'opened', coalesce(x.entry, x.standby), NULL, x.id, x.kind, v.side, '', '',
           x.account, concat_ws(' / ', nullif(x.fault, ''), nullif(x.reason, '')), NULL
    FROM (SELECT id, 'old' AS side FROM exchange WHERE old_adapter = $1
          UNION ALL SELECT id, 'new' FROM exchange WHERE new_adapter = $1 AND kind = 'swap') v
    JOIN exchange x ON x.id = v.id {own}"""
_MOVED = """
    SELECT m.at, 2, m.id, 'moved', coalesce(x.entry, x.standby), NULL, x.id, x.kind, v.side, m.from_state, m.to_state,
           m.account, m.note, m.data -> 'why'
    FROM (SELECT id, 'old' AS side, 0 AS from_move FROM exchange WHERE old_adapter = $1
          UNION ALL
          SELECT id, 'new', CASE kind WHEN 'swap' THEN 0 ELSE (
                     SELECT min(d.id) FROM exchange_move d
                     WHERE d.exchange = e.id AND d.to_state IN ('dispatched', 'driver-assigned')) END
          FROM exchange e WHERE new_adapter = $1) v
    JOIN exchange x ON x.id = v.id JOIN exchange_move m ON m.exchange = x.id AND m.id >= v.from_move
    WHERE m.from_state <> m.to_state {own}"""
_REGISTERED = """
    SELECT l.at, 3, l.id, 'registered', l.code,
           (SELECT n.at FROM registration_ledger n WHERE n.code = l.code AND (n.at, n.id) > (l.at, l.id)
            ORDER BY n.at, n.id LIMIT 1), l.exchange, l.cause, '', '', '', l.account, '', NULL
    FROM registration_ledger l WHERE l.adapter = $1 {own}"""
# A unit that serves is on a code, whatever its state of stock says: that code, and side, whether it leaves it (old) or
# has come to it (new).
_STOCK = """
    SELECT s.at, 4, s.id, 'stock', CASE WHEN v.side <> '' THEN coalesce(x.entry, x.standby) ELSE '' END, NULL,
           s.exchange, '', v.side, s.from_stock, s.to_stock, s.account, s.note, NULL
    FROM stock_ledger s LEFT JOIN exchange x ON x.id = s.exchange, LATERAL (SELECT CASE
        WHEN x.old_adapter = s.adapter AND s.at = x.changed_at THEN 'old'
        WHEN x.new_adapter = s.adapter AND s.to_stock = 'in-stock' AND s.at >= x.changed_at THEN 'new'
        ELSE '' END AS side) v
    WHERE s.adapter = $1 {own}"""
_FIRMWARE = """
    SELECT f.at, 5, f.id, 'firmware', '', NULL, NULL, '', '', '', f.version, '', '', NULL
    FROM firmware_seen f WHERE f.adapter = $1 {own}"""
_LOCKED = """
    SELECT t.at, 6, t.id, CASE t.action WHEN 'adapter.lock' THEN 'locked-out' ELSE 'let-in' END, '', NULL, NULL, '',
           '', '', '', t.account, '', NULL
    FROM audit t
    WHERE t.subject = $1 AND t.action IN ('adapter.lock', 'adapter.unlock') AND t.outcome = 'done' {own}"""
# Conditions on one row at a time, which no join can turn round: to the planner a contract is small, and it would read
# all of a large one.
_THEIR_CODE = "(SELECT c.contract FROM code c WHERE c.code = l.code) = $2"
_THEIR_EXCHANGE = "x.contract || '' = $2"
_ON_THEIR_CODE = f"""
    AND EXISTS (SELECT FROM registration_ledger l
                WHERE l.adapter = $1 AND l.at <= f.at AND {_THEIR_CODE} AND NOT EXISTS (
                    SELECT FROM registration_ledger n
                    WHERE n.code = l.code AND (n.at, n.id) > (l.at, l.id) AND n.at <= f.at))"""  # noqa: S608 (constant text)
_PARTS = (
    (_KNOWN, "AND $2::text IS NULL"),
    (_OPENED, f"WHERE {_THEIR_EXCHANGE}"),
    (_MOVED, f"AND {_THEIR_EXCHANGE}"),
    (_REGISTERED, f"AND {_THEIR_CODE}"),
    (_STOCK, f"AND {_THEIR_EXCHANGE}"),
    (_FIRMWARE, _ON_THEIR_CODE),
    (_LOCKED, "AND t.contract = $2"),
)


async def events(
    db: Database, serial: str, *, contract: str | None, after: Position | None, limit: int
) -> list[Record]:
    """What happened to the unit in the order of time, at most `limit` from behind that position on.

    contract: only what happened to it on codes and in exchanges of this contract (an operator sees no more), None for
    all. A unit's whole life is read for each page: it is short, dozens of rows where there are many.

    Columns: at, part, id; what: known, opened, moved, registered, stock, firmware, locked-out, let-in; code; until;
    exchange; kind: of the exchange, or the cause of a registration; side: old or new; before, after: of two states, or
    after alone a firmware version; account; note; why (domain/why.py): of a move that the controller made. A stock move
    of a unit that serves has the code, and side old: it leaves it, new: it has come to it.
    """
    values: list[object] = [serial] if contract is None else [serial, contract]
    parts = " UNION ALL ".join(part.format(own=own if contract is not None else "") for part, own in _PARTS)
    position = ""
    if after is not None:
        values += after
        n = len(values)
        position = f"WHERE (at, part, id) > (${n - 2}::timestamptz, ${n - 1}::integer, ${n}::bigint)"
    query = f"""SELECT * FROM ({parts}) AS life {position}
        ORDER BY at, part, id LIMIT {limit:d}"""  # noqa: S608 (constant text)
    async with by_index(db) as tx:
        return await tx.fetch(query, *values)


async def is_known(db: Database, serial: str, *, contract: str | None) -> bool:
    """True when there is such a unit, and it ever had to do with the contract (None: with anybody)."""
    query, values = "SELECT EXISTS (SELECT FROM adapter WHERE serial = $1)", [serial]
    if contract is not None:
        query = f"""SELECT EXISTS (SELECT FROM registration_ledger l WHERE l.adapter = $1 AND {_THEIR_CODE})
            OR EXISTS (SELECT FROM exchange x WHERE x.old_adapter = $1 AND {_THEIR_EXCHANGE})
            OR EXISTS (SELECT FROM exchange x WHERE x.new_adapter = $1 AND {_THEIR_EXCHANGE})"""  # noqa: S608
        values.append(contract)
    async with db.connection() as connection:
        return bool(await connection.fetchval(query, *values))
