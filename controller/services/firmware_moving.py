"""An update is moved, with its journal, audit row and news; where it ends in vain, nobody goes on trying.

The code's target becomes what its adapter is known to run then; none, to leave it as it comes, where that is not sure
(domain/update_progress).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from controller.domain.access import CONTROLLER, Caller
from controller.domain.firmware_update import Event, Failure, State, advance
from controller.domain.sentence import Sentence
from controller.domain.update_progress import Verdict
from controller.domain.why import Why, kept
from controller.store import firmware_update_moves as moves
from controller.store.pool import Connection, Row

log = structlog.get_logger()


async def cancelled(
    tx: Connection,
    row: Row,
    failure: Failure,
    why: Sentence | Why | None,
    *,
    caller: Caller,
    now: datetime,
    event: Event = Event.CANCEL,
) -> bool:
    """End a locked update that may still be cancelled, or was overtaken; False when it may not (it flashes, or ended).

    One that was overtaken leaves the target alone: it is another one's by now.
    """
    state = State(row["state"])
    to = advance(state, event)
    if to is None:
        return False
    changes: Mapping[str, object] = {}
    if event is Event.CANCEL and state is not State.SCHEDULED:
        changes = await put_back(tx, row, await _runs(tx, row, state))
    said = kept(why) if isinstance(why, Sentence) else why
    data: dict[str, Any] = {"target": changes["target_after"]} if changes else {}  # Any: JSON values
    await moves.move(
        tx, row, event, state, to, caller=caller, now=now, failure=failure, why=said, changes=changes, data=data
    )
    return True


async def moved(
    tx: Connection, row: Row, state: State, verdict: Verdict, now: datetime, changes: Mapping[str, Any] | None = None
) -> None:
    """By the clock, from `state`. changes: columns beside the state (Any: as they take them)."""
    to = advance(state, verdict.event)
    assert to is not None, (state, verdict.event)
    await moves.move(
        tx,
        row,
        verdict.event,
        state,
        to,
        caller=CONTROLLER,
        now=now,
        failure=verdict.failure,
        why=kept(verdict.why) if verdict.why else None,
        changes=changes,
        data={"target": changes["target_after"]} if changes and "target_after" in changes else None,
    )
    log.info("firmware update moved", update=row["id"], code=row["code"], state=to.value, why=str(verdict.why or ""))


async def put_back(tx: Connection, row: Row, version: str | None) -> dict[str, object]:
    """Make it the code's target; what to note of it in the update: nothing where the target is another one's by now."""
    return {"target_after": version} if await moves.put_back_target(tx, row, version) else {}


async def _runs(tx: Connection, row: Row, state: State) -> str | None:
    """What the adapter runs for certain: while the image goes out nobody can say how much of it is there by now."""
    if state is not State.ORDERED:
        return None
    said = await moves.said_since(tx, row)
    return said or row["from_version"] or None
