"""Who may read what adapters printed: operators their own, administrators all, support staff what R2.2, R2.3 give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from controller.domain.access import Caller, Role
from controller.domain.errors import Forbidden
from controller.store import audit, investigations
from controller.store.pool import Connection, Database, Row

Result: TypeAlias = "Row | Mapping[str, Any]"
"""A row with at least the id and the contract of a task or a push operation (Any: it has more)."""


async def may_read(connection: Connection, caller: Caller, task: Result) -> bool:
    """May the caller read what the adapter printed for this task? task: a row with id and contract.

    Support staff: what ran under an investigation, what one points at (R2.2), and what they asked for themselves.
    """
    return bool(await readable(connection, caller, [task]))


async def readable(connection: Connection, caller: Caller, tasks: Sequence[Result]) -> set[int]:
    """The ids of those of the tasks whose results the caller may read; in one query, for lists."""
    seen = [task["id"] for task in tasks if caller.sees(task["contract"])]
    if caller.role is not Role.SUPPORT:
        return set(seen)
    return await investigations.readable_tasks(connection, seen, caller.account)


async def readable_operations(connection: Connection, caller: Caller, operations: Sequence[Result]) -> set[int]:
    """The same for push operations."""
    seen = [operation["id"] for operation in operations if caller.sees(operation["contract"])]
    if caller.role is not Role.SUPPORT:
        return set(seen)
    return await investigations.readable_operations(connection, seen, caller.account)


async def require_readable(connection: Connection, caller: Caller, task: Result) -> None:
    """Raises Forbidden, naming R2.2, unless `may_read`."""
    if not await may_read(connection, caller, task):
        raise withheld("task", task["id"])


async def note_operation_read(db: Database, caller: Caller, operation: Result, *, now: datetime) -> None:
    """Record that the caller read what a push operation brought back; those who asked for it are not noted again."""
    if operation["account"] == caller.account:
        return
    async with db.connection() as connection:
        detail = {"operation": operation["id"], "kind": operation["kind"]}
        adapter, contract = operation["adapter"], operation["contract"]
        await audit.write(connection, caller, "operation.read", adapter, now=now, contract=contract, detail=detail)


def withheld(what: str, number: int) -> Forbidden:
    """The refusal to show the results of a task or an operation."""
    return Forbidden(
        "The results of {what} {number} are the operator's: support staff read what the operator names in an"
        " investigation (R2.2).",
        next_step="Have the operator name its time of execution, then: hikitsugi investigation point.",
        what=what,
        number=number,
    )
