"""Faulty units that somebody has yet to send back, and those that are late (R3.9)."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from controller.store.pool import Database, Row

Position: TypeAlias = tuple[datetime, int]
"""return_due_at and id of the last row already seen."""

# The first three conditions are those of the index exchange_return_due: it holds open returns only, the oldest first.
_OVERDUE = """
    SELECT x.id, x.kind, x.state, x.contract, o.name AS contract_name, coalesce(x.entry, x.standby) AS code,
           x.old_adapter AS adapter, a.model, x.fault, x.return_due_at, x.of_exchange, x.account
    FROM exchange x JOIN contract o ON o.contract = x.contract JOIN adapter a ON a.serial = x.old_adapter
    WHERE x.return_due_at IS NOT NULL AND x.returned_at IS NULL AND x.ended_at IS NULL AND x.return_due_at <= $1
      {conditions}
    ORDER BY x.return_due_at, x.id LIMIT {limit}"""


async def overdue(
    db: Database, now: datetime, *, contract: str | None, after: Position | None, limit: int
) -> list[Row]:
    """Returns that were due before now, the longest overdue first. contract: None for all."""
    values: list[object] = [now]
    conditions = ""
    if contract is not None:
        values.append(contract)
        conditions += f" AND x.contract = ${len(values)}"
    if after is not None:
        values += after
        conditions += f" AND (x.return_due_at, x.id) > (${len(values) - 1}, ${len(values)})"
    async with db.connection() as connection:
        return await connection.fetch(_OVERDUE.format(conditions=conditions, limit=int(limit)), *values)
