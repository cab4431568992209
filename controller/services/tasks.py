"""One task, taken back or moved by people while it waits, or told to stop; and why a waiting one waits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from controller.domain.access import Caller, Role, require_contract
from controller.domain.errors import Conflict, Fault, Forbidden, Invalid, NotFound
from controller.domain.task import OPEN, State
from controller.store import audit, claims, tasks
from controller.store.pool import Connection, Database, Row


async def cancel(db: Database, task: int, reason: str, *, caller: Caller, now: datetime) -> State:
    """Take a waiting task back (CANCELLED), or tell the one that runs to stop (RUNNING: what was printed is kept; it
    ends as cancelled, or as unknown when something that must not be run twice was sent). Recorded.

    Raises NotFound, Forbidden, Conflict (it has ended).
    """
    async with db.transaction() as tx:
        row = await _mine(tx, task, caller)
        state = State(row["state"])
        if state not in OPEN:
            raise Conflict(
                "Task {task} has ended already: it is {state}.",
                next_step="hikitsugi task show {task} shows its result.",
                task=task,
                state=state,
            )
        why = f"Cancelled by {caller.account}" + (f": {reason}" if reason else ".")
        if state is State.WAITING:
            await tasks.cancel(tx, task, why, now)
            state = State.CANCELLED
        else:
            await tasks.stop(tx, task, row["campaign"], why)
        await _note(tx, row, "task.cancel", {"reason": reason, "was": row["state"]}, caller, now)
    return state


async def move(db: Database, task: int, due_at: datetime, *, caller: Caller, now: datetime) -> None:
    """Give a waiting task another time; one that is over already means now. Recorded.

    Raises NotFound, Forbidden, Conflict (it does not wait), Invalid (not before it expires).
    """
    async with db.transaction() as tx:
        row = await _mine(tx, task, caller)
        if State(row["state"]) is not State.WAITING:
            raise Conflict(
                "Task {task} is {state}; only a waiting one can be moved.",
                next_step="hikitsugi task show {task} says how far it is.",
                task=task,
                state=row["state"],
            )
        if row["expires_at"] is not None and due_at >= row["expires_at"]:
            fault = Fault("due_at", "Not before the task expires, at {expires}.", {"expires": row["expires_at"]})
            raise Invalid("The task would never run.", next_step="Give an earlier time.", faults=[fault])
        await tasks.move(tx, task, max(due_at, now))
        times = {"from": row["due_at"].isoformat(), "to": due_at.isoformat()}
        await _note(tx, row, "task.move", times, caller, now)


async def why_waiting(
    db: Database, rows: Iterable[Row], now: datetime, *, contract_at_once: int = claims.CONTRACT_AT_ONCE
) -> dict[int, str]:
    """What each waiting task among the rows (with id and state) waits for: 'time', 'campaign paused', 'adapter away',
    'adapter busy', 'pair busy' (its entry's or standby's adapter is), 'contract limit', 'campaign limit', 'turn' (a
    worker, or the controller that holds its tunnel)."""
    waiting = [row["id"] for row in rows if row["state"] == State.WAITING.value]
    return await tasks.why_waiting(db, waiting, now, contract_at_once) if waiting else {}


async def _mine(tx: Connection, task: int, caller: Caller) -> Row:
    """The task's row, locked, if the caller may steer it: operators their contract's, support staff what they asked for
    and what runs under an investigation, administrators all."""
    row = await tasks.locked(tx, task)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="task", name=task)
    require_contract(caller, row["contract"], "task", str(task))
    if caller.role is Role.SUPPORT and row["account"] != caller.account and row["investigation"] is None:
        raise Forbidden(
            "Task {task} of {account} is not yours to steer.",
            next_step="Ask {account}, or an administrator.",
            task=task,
            account=row["account"],
        )
    return row


async def _note(tx: Connection, row: Row, action: str, detail: dict[str, Any], caller: Caller, now: datetime) -> None:
    """Any: JSON values."""
    named = {"task": row["id"], "campaign": row["campaign"], "adapter": row["adapter"]}
    await audit.write(tx, caller, action, row["code"], now=now, contract=row["contract"], detail=named | detail)
