"""An update is moved, with its journal, audit row and news; where it ends in vain, nobody goes on trying.

The code's target becomes what its adapter is known to run then; none, to leave it as it comes, where that is not sure
(domain/update_progress).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from controller.domain.access import CONTROLLER, Caller
from controller.domain.firmware_update import CANCELLABLE, Event, Failure, State, advance
from controller.domain.sentence import Sentence
from controller.domain.update_progress import Verdict
from controller.domain.why import Why, kept
from controller.store import firmware_update_moves as moves
from controller.store.pool import Connection, Row

log = structlog.get_logger()


async def cancelled(
    tx: Connection, rows: Sequence[Row], failure: Failure, why: Sentence | Why | None, *, caller: Caller, now: datetime
) -> list[int]:
    """Cancel those of these locked updates that may still be; which. Others flash, or have ended."""
    found = [row for row in rows if row["state"] in CANCELLABLE]
    runs = await _run(tx, [row for row in found if row["state"] != State.SCHEDULED])
    said = kept(why) if isinstance(why, Sentence) else why
    await moves.cancel(tx, found, runs, failure, said, caller=caller, now=now)
    return [row["id"] for row in found]


async def overtaken(tx: Connection, row: Row, why: Sentence, *, caller: Caller, now: datetime) -> None:
    """End a locked, open update that leaves the target alone: it is another one's by now."""
    state = State(row["state"])
    await moves.move(
        *(tx, row, Event.OVERTAKE, state, State.CANCELLED),
        caller=caller,
        now=now,
        failure=Failure.OVERTAKEN,
        why=kept(why),
    )


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


async def _run(tx: Connection, rows: Sequence[Row]) -> dict[int, str | None]:
    """What their adapters run for certain: while an image goes out nobody can say how much of it is there by now."""
    ordered = [row["id"] for row in rows if row["state"] == State.ORDERED]
    said = await moves.said_since(tx, ordered) if ordered else {}
    certain = {row["id"]: said.get(row["id"]) or row["from_version"] or None for row in rows if row["id"] in ordered}
    return {row["id"]: certain.get(row["id"]) for row in rows}
