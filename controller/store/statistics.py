"""Exchanges counted over time, by what was taken out."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime

from controller.store.pool import Database, Row

# What "the replacement was seen in its place" is called differs by kind (domain/exchange.py).
_ARRIVED = """CASE x.kind
    WHEN 'swap' THEN x.confirmed_at IS NOT NULL
    WHEN 'on-site' THEN EXISTS (SELECT FROM exchange_move m WHERE m.exchange = x.id AND m.to_state = 'boot-confirmed')
    WHEN 'return' THEN x.changed_at IS NOT NULL
    ELSE x.delivered_at IS NOT NULL END"""
_GROUPS = {"model": "a.model", "firmware": "x.old_firmware", "kind": "x.kind"}


async def exchanges(
    db: Database,
    *,
    contract: str | None,
    since: datetime,
    until: datetime,
    step: str,
    by: Set[str],
    most: int,
) -> list[Row]:
    """Exchanges opened in [since, until) by period, of the unit that goes out; at most `most` rows, oldest first.

    step: day, month or year of JST. by: of model, firmware, kind; the others are "". Columns: period (date of its first
    day in JST), model, firmware, kind, count, faults (a fault was given), confirmed, lapsed (the replacement was not
    seen in time, nor since), declined.
    """
    columns = ", ".join(f"{column} AS {name}" if name in by else f"'' AS {name}" for name, column in _GROUPS.items())
    mine = "AND x.contract = $5" if contract is not None else ""
    query = f"""
        SELECT date_trunc($3, x.ordered_at AT TIME ZONE 'Asia/Tokyo')::date AS period, {columns}, count(*) AS count,
               count(*) FILTER (WHERE x.fault <> '') AS faults,
               count(*) FILTER (WHERE {_ARRIVED}) AS confirmed,
               count(*) FILTER (WHERE x.state = 'lapsed') AS lapsed,
               count(*) FILTER (WHERE x.state = 'declined') AS declined
        FROM exchange x JOIN adapter a ON a.serial = x.old_adapter
        WHERE x.ordered_at >= $1 AND x.ordered_at < $2 AND x.state NOT IN ('pre-flight', 'withdrawn') {mine}
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT $4"""  # noqa: S608 (constant text)
    values: list[object] = [since, until, step, most]
    if contract is not None:
        values.append(contract)
    async with db.connection() as connection:
        return await connection.fetch(query, *values)
