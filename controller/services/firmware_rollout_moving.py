"""One event of a rollout: its move, and what becomes of the updates that have not begun. For people and the clock."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from controller.domain import firmware_update
from controller.domain.access import Caller
from controller.domain.firmware_rollout import Event, State, advance
from controller.domain.sentence import sentence
from controller.domain.why import Why
from controller.services import firmware_updates
from controller.store import firmware_rollout_items as items
from controller.store import firmware_rollouts as store
from controller.store.pool import Connection, Row

_CALLED_OFF: dict[Event, Collection[firmware_update.State]] = {
    Event.PAUSED: {firmware_update.State.SCHEDULED},
    **dict.fromkeys(
        (
            *(Event.ABORTED, Event.TOO_MANY_FAILED, Event.GATE_MISSED),
            *(Event.WITHDRAWN, Event.NOT_PERMITTED, Event.MISTAKE),
        ),
        firmware_update.CANCELLABLE,
    ),
}
"""Updates that an event cancels: after a pause those under way go on, after a stop those that flash."""


async def moved(
    tx: Connection,
    row: Row,
    event: Event,
    why: Why | None = None,
    *,
    caller: Caller,
    now: datetime,
    detail: dict[str, Any] | None = None,
) -> State | None:
    """Move one that is locked; its new state, or None when the event changes nothing. Any: JSON values.

    What is called off has its turn again when the rollout is resumed; of an aborted one it is cancelled for good.
    """
    to = advance(State(row["state"]), event)
    if to is None:
        return None
    if event in _CALLED_OFF:
        states = [state.value for state in _CALLED_OFF[event]]
        await call_off(tx, row["id"], await items.open_updates(tx, row["id"], states), caller=caller, now=now)
    if event is Event.ABORTED:
        await items.cancel_waiting(tx, row["id"], now)
    await store.move(tx, row, to, why, caller=caller, now=now, detail=detail)
    return to


async def call_off(tx: Connection, rollout: int, updates: list[int], *, caller: Caller, now: datetime) -> int:
    """Cancel these updates as far as that can still be done; their items wait again. How many."""
    if not updates:
        return 0
    why = sentence("Rollout {rollout} called it off.", rollout=rollout)
    await firmware_updates.cancel_within(tx, updates, why, caller=caller, now=now)
    return await items.called_off(tx, rollout, updates)
