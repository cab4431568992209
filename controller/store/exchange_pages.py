"""Lists of exchanges: filters, two orders, keyset pages. The WHERE clause has only what is asked for, so that the
planner sees which index fits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from controller.domain.exchange import LIVES, STARTS, Kind, State
from controller.store.pool import Database, Row

_FILTERS = {
    "contract": "x.contract = {}",
    "state": "x.state = {}",
    "code": "(x.entry = {0} OR x.standby = {0})",
    "adapter": "(x.old_adapter = {0} OR x.new_adapter = {0})",
    "due_before": "x.ended_at IS NULL AND x.deadline_at < {}",
}
_ROW_BY_ROW = {"contract": "x.contract || '' = {}"}  # beside what leaves few rows; a large one would be walked through
_KINDS = {kind: f"x.kind = '{kind}'" for kind in Kind}  # written out: a partial index is found by what is known
_ENDS = {state: f"x.state = '{state}'" for state in (State.LAPSED, State.SUPERSEDED, State.WITHDRAWN)} | dict.fromkeys(
    (State.PRE_FLIGHT, State.ORDERED, State.PULLED), "x.ended_at IS NULL"
)
"""What is known of a swap in such a state, for the same reason: it is one of the few that went wrong, or still open."""
_NOT_OF_A_SWAP = frozenset(State) - STARTS[Kind.SWAP] - {move.to for move in LIVES[Kind.SWAP].values()}
_OPEN = {True: "x.ended_at IS NULL", False: "x.ended_at IS NOT NULL", None: "true"}


async def page(
    db: Database,
    wanted: Mapping[str, str | datetime | None],
    *,
    kind: Kind | None,
    is_open: bool | None,
    is_stuck: bool,
    by_deadline: bool,
    after: tuple[datetime | None, int] | None,
    limit: int,
) -> list[Row]:
    """Exchanges with all their columns and code. wanted: keys of _FILTERS, None for all.

    by_deadline: open ones with a deadline, the nearest first; else newest first. after: (deadline_at, id) of the last
    one already seen.
    """
    asked = {name: value for name, value in wanted.items() if value is not None}
    filters = _FILTERS | (_ROW_BY_ROW if asked.keys() & {"code", "adapter"} else {})
    clauses = [
        _OPEN[is_open],
        _KINDS[kind] if kind else "true",
        "x.stuck_at IS NOT NULL AND x.ended_at IS NULL" if is_stuck else "true",
        *(filters[name].format(f"${n}") for n, name in enumerate(asked, 1)),
    ]
    if "state" in asked:
        state = State(str(asked["state"]))
        clauses.append("x.kind <> 'swap'" if state in _NOT_OF_A_SWAP else _ENDS.get(state, "true"))
    values: list[object] = list(asked.values())
    if by_deadline:
        clauses.append("x.ended_at IS NULL AND x.deadline_at IS NOT NULL")
        if after is not None and after[0] is not None:
            values += after
            clauses.append(f"(x.deadline_at, x.id) > (${len(values) - 1}, ${len(values)})")
    elif after is not None:
        values.append(after[1])
        clauses.append(f"x.id < ${len(values)}")
    order = "x.deadline_at, x.id" if by_deadline else "x.id DESC"
    query = f"""SELECT x.*, coalesce(x.entry, x.standby) AS code FROM exchange x
        WHERE {" AND ".join(clauses)} ORDER BY {order} LIMIT ${len(values) + 1}"""  # noqa: S608 (constant clauses)
    async with db.connection() as connection:
        return await connection.fetch(query, *values, limit)
