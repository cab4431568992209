"""Pages that are stretches of an index, whatever the planner believes of the table.

To it a contract is as large as the average one and names are spread evenly. The largest contract has a hundred thousand
codes, and serials begin with what their series calls itself. A plan made for the one is a disaster for the other: it
reads all of a contract and sorts it, or walks a million rows for the few that fit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from controller.store.pool import Connection, Database

# Without sorts only the index that has the order is left, without the other joins a page's rows are looked up one by
# one, and one plan for all values saves making it for each, which takes longer than the page.
_BY_INDEX = """
    SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off; SET LOCAL enable_bitmapscan = off;
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL plan_cache_mode = force_generic_plan"""


@asynccontextmanager
async def by_index(db: Database) -> AsyncIterator[Connection]:
    """A transaction for such a page. Its ORDER BY names the columns of the index, its LIMIT is a number in the text.

    For whatever is found by a few keys it is right as well, a life put together from many tables for one.
    """
    async with db.transaction() as tx:
        await tx.execute(_BY_INDEX)
        yield tx


def stretch(
    leading: Mapping[str, str | None], key: str, after: str | None, beside: Mapping[str, str | None] | None = None
) -> tuple[str, list[str]]:
    """WHERE … ORDER BY … of a stretch of the index on the leading columns and the key, and its values.

    leading, beside: columns with the value that they must have; None: any, the column is left out. after: the key that
    the page begins behind. The leading values are the two ends of the stretch and not equalities: those the planner
    takes out of the order, which any index on the key then has. beside: what is looked at row by row.
    """
    columns = {column: value for column, value in leading.items() if value is not None}
    order = ", ".join((*columns, key))
    values = [*columns.values()]
    conditions = []
    if columns or after is not None:
        values.append(after or "")  # no name is empty
        conditions.append(f"({order}) > ({_places(len(values))})")
    if columns:
        conditions.append(f"({', '.join(columns)}) <= ({_places(len(columns))})")
    for column, value in (beside or {}).items():
        if value is not None:
            values.append(value)
            conditions.append(f"{column} = ${len(values)}")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"{where} ORDER BY {order}", values


def _places(count: int) -> str:
    return ", ".join(f"${n}" for n in range(1, count + 1))
