"""Software-defect investigations: opened from an operator's report, time-boxed, closed with a finding (R2.1-R2.3).

While one is open it grants support staff exactly R2.3 on its adapters (services/policy.py), and for good the reading of
what was run under it or pointed at in it (R2.2). The desk around it knows one seam: `inquiry`, its own reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.domain.access import Caller, Role
from controller.domain.errors import Forbidden
from controller.store import investigations
from controller.store.pool import Connection

Task = Any
"""A mapping with at least the id and the contract of a task (Any: a database row)."""


async def may_read(connection: Connection, caller: Caller, task: Task) -> bool:
    """May the caller read what the adapter printed for this task? task: a row with id and contract.

    Operators their own contract's, administrators all; support staff what ran under an investigation, what one points
    at (R2.2), and what they asked for themselves.
    """
    return bool(await readable(connection, caller, [task]))


async def readable(connection: Connection, caller: Caller, tasks: Sequence[Task]) -> set[int]:
    """The ids of those of the tasks whose results the caller may read; in one query, for lists."""
    seen = [task["id"] for task in tasks if caller.sees(task["contract"])]
    if caller.role is not Role.SUPPORT:
        return set(seen)
    return await investigations.readable_tasks(connection, seen, caller.account)


async def require_readable(connection: Connection, caller: Caller, task: Task) -> None:
    """Raises Forbidden, naming R2.2, unless `may_read`."""
    if not await may_read(connection, caller, task):
        raise Forbidden(
            "The results of task {task} are the operator's: support staff read those that the operator names in an"
            " investigation (R2.2).",
            next_step="Have the operator name its time of execution, then: hikitsugi investigation point.",
            task=task["id"],
        )
