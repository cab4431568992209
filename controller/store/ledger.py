"""The registration ledger: which adapter sat in a code at a time and why, where an adapter was, what its life was.

Each question is put together from the conditions that it has, so that the planner sees no "or not asked for": with
three million rows such a plan, once it is kept for all values, walks the whole table.
"""

from __future__ import annotations

from datetime import datetime

from asyncpg import Record

from controller.store.plans import by_index
from controller.store.pool import Database

_HOLDER = """
    SELECT l.at AS since, l.adapter, l.cause, l.exchange, l.account,
           x.kind, x.state, x.fault, x.reason, x.account AS opened_by, x.old_adapter, x.new_adapter, x.of_exchange,
           (SELECT n.at FROM registration_ledger n WHERE n.code = l.code AND (n.at, n.id) > (l.at, l.id)
            ORDER BY n.at, n.id LIMIT 1) AS until
    FROM (SELECT * FROM registration_ledger WHERE code = $1 AND at <= $2 ORDER BY at DESC, id DESC LIMIT 1) l
    LEFT JOIN exchange x ON x.id = l.exchange"""

# No join: to the planner a contract is small, and for a join it would read all codes of a large one.
_THEIR_CODE = "(SELECT c.contract FROM code c WHERE c.code = l.code)"


async def holder_at(db: Database, code: str, at: datetime) -> Record | None:
    """The ledger row in force for the code at that time, with the exchange that made it so; None before its first
    registration.

    Its adapter is None while the code stood empty; until is None when that lasts.
    """
    async with db.connection() as connection:
        return await connection.fetchrow(_HOLDER, code, at)


async def stays(
    db: Database,
    *,
    adapter: str | None = None,
    code: str | None = None,
    contract: str | None,
    before: int | None,
    limit: int,
) -> list[Record]:
    """Stays of an adapter or in a code, newest first; until is None for the one that lasts.

    adapter, code: exactly one of them. contract: only stays in codes of this contract (an operator sees no other), None
    for all. before: id of the last one already seen.
    """
    subject, name = ("adapter", adapter) if code is None else ("code", code)
    conditions = [f"l.{subject} = $1"]
    values: list[object] = [name]
    if contract is not None:
        conditions.append(f"{_THEIR_CODE} = ${_take(values, contract)}")
    if before is not None:
        seen = "SELECT s.at, s.id FROM registration_ledger s WHERE s.id ="
        conditions.append(f"(l.at, l.id) < ({seen} ${_take(values, before)})")  # the order of the index
    query = f"""SELECT l.id, l.code, l.adapter, l.at AS since, l.cause, l.exchange, l.account,
            (SELECT n.at FROM registration_ledger n WHERE n.code = l.code AND (n.at, n.id) > (l.at, l.id)
             ORDER BY n.at, n.id LIMIT 1) AS until
        FROM registration_ledger l
        WHERE {" AND ".join(conditions)} ORDER BY l.at DESC, l.id DESC LIMIT {limit:d}"""  # noqa: S608 (constant text)
    async with by_index(db) as tx:
        return await tx.fetch(query, *values)


def _take(values: list[object], value: object) -> int:
    values.append(value)
    return len(values)
