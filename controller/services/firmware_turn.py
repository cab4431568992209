"""Firmware updates under way are moved on by what is seen of their adapters, each second; what is due is begun.

Any number of controllers may do it: each move is compared and set. What means what: domain/update_progress.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from controller.domain.access import CONTROLLER
from controller.domain.firmware_update import UNDER_WAY, Event, Patience, Start, State, advance
from controller.domain.update_progress import Seen, Verdict, asks_again, judge, target_after
from controller.services.firmware_beginning import AT_ONCE, begin
from controller.services.firmware_choice import schedule_of
from controller.services.firmware_moving import moved, put_back
from controller.store import audit, operations
from controller.store import firmware_update_moves as moves
from controller.store import firmware_update_turn as store
from controller.store.pool import TROUBLE, Connection, Database, Row, is_away
from protocol.arms.messages import Kind

log = structlog.get_logger()

EVERY_S = 1.0
_GRACE = timedelta(minutes=1)
PATIENCE = Patience()


async def run(
    db: Database,
    clock: Callable[[], datetime],
    patience: Patience = PATIENCE,
    told: Callable[[], None] = lambda: None,
) -> None:
    """Turns until cancelled; a database that is away is tried again. told: called when adapters are told to pull."""
    is_resumed = False
    while True:
        try:
            if not is_resumed:
                await resume(db, clock(), patience)
                is_resumed = True
            while await begin(db, clock()) == AT_ONCE:
                pass
            if await look(db, clock(), patience):
                told()
        except TROUBLE as error:
            log.warning("firmware updates must wait for the database", error=str(error) or type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def resume(db: Database, now: datetime, patience: Patience) -> None:
    """At the start of a controller: silence that fell into its absence is not held against an adapter.

    Whose time is over, or nearly, has a minute to be heard; as much as after a flash where no controller was there.
    """
    await store.give_time(db, now, beside_others=now + _GRACE, alone=now + patience.after_sent)


async def look(db: Database, now: datetime, patience: Patience) -> int:
    """Move on what is under way by what was seen of its adapters; how many were told to pull."""
    after = told = 0
    while rows := await store.seen(db, after, limit=AT_ONCE):
        after = rows[-1]["id"]
        found = [row for row in rows if _has_news(row, now, patience)]
        moving = (row for row in rows if _progresses(row))
        progress = [(row["id"], row["step_at"], row["reached"], _deadline(row, patience)) for row in moving]
        await store.note_progress(db, progress)
        told += await _went_on(db, found, now, patience)
    return told


def _has_news(row: Row, now: datetime, patience: Patience) -> bool:
    seen = _seen(row, now, patience)
    return (
        judge(seen, now) is not None
        or bool(_notices(row, now, patience))
        or _is_to_be_told(row)
        or _is_to_be_told_again(row, seen, now)
    )


def _progresses(row: Row) -> bool:
    """More of the image has gone out than ever before: the same bytes once more are no progress."""
    return bool(row["reached"] and row["reached"] > row["bytes"])


def _deadline(row: Row, patience: Patience) -> datetime | None:
    """A download that moves may take as long as its line does; its time counts from the last new byte."""
    if row["state"] not in (State.ORDERED, State.DOWNLOADING) or not _progresses(row):
        kept: datetime | None = row["deadline_at"]
        return kept
    moved: datetime = row["fetched_at"] + patience.whole
    return max(moved, row["deadline_at"] or moved)


async def _went_on(db: Database, rows: Sequence[Row], now: datetime, patience: Patience) -> int:
    """In one transaction; where one of them meets a mistake of ours, each in its own: it keeps nobody."""
    if not rows:
        return 0
    try:
        return await _move_all(db, rows, now, patience)
    except Exception as error:
        if is_away(error) or len(rows) == 1:
            if not is_away(error):
                log.exception("a firmware update met a mistake in the controller", update=rows[0]["id"])
                return 0
            raise
    told = 0
    for row in rows:
        told += await _went_on(db, [row], now, patience)
    return told


async def _move_all(db: Database, rows: Sequence[Row], now: datetime, patience: Patience) -> int:
    told = 0
    async with db.transaction() as tx:
        still = await store.still(tx, rows)
        for row in rows:
            if row["id"] in still:
                told += await _go_on(tx, row, now, patience)
    return told


async def _go_on(tx: Connection, row: Row, now: datetime, patience: Patience) -> bool:
    """All that has happened, one move after the other; whether its adapter is told to pull."""
    seen = _seen(row, now, patience)
    await moves.change(tx, row["id"], _notices(row, now, patience))
    while (verdict := judge(seen, now)) is not None:
        to = advance(seen.state, verdict.event)
        assert to is not None, (seen.state, verdict.event)
        changes = await _changes(tx, row, seen, verdict, now, patience)
        await moved(tx, row, seen.state, verdict, now, changes)
        if verdict.event in (Event.STEPPED, Event.CLOSE_WINDOW) or to not in UNDER_WAY:
            return False
        seen = replace(seen, state=to, reported_at=changes.get("reported_at", seen.reported_at), deadline_at=None)
    is_again = _is_to_be_told_again(row, seen, now)
    if not is_again and not _is_to_be_told(row):
        return False
    await _tell(tx, row, row["told_again"] + is_again, now, patience)
    return True


def _notices(row: Row, now: datetime, patience: Patience) -> dict[str, Any]:
    """What is written down without a move: its first pull, from which on its time counts. Any: as columns take them."""
    if row["asked_at"] is not None or row["said_at"] is None:
        return {}
    return {"asked_at": row["said_at"], "deadline_at": _deadline(row, patience) or now + patience.whole}


def _is_to_be_told(row: Row) -> bool:
    fresh = row["state"] == State.ORDERED and row["told_at"] is None
    silent = row["said_at"] is None and not row["reached"]
    return fresh and silent and row["start"] == Start.AT_ONCE and row["has_way"] and row["in_place"]


def _is_to_be_told_again(row: Row, seen: Seen, now: datetime) -> bool:
    can_be_told: bool = row["start"] == Start.AT_ONCE and row["has_way"] and row["in_place"]
    return can_be_told and asks_again(seen, now)


async def _changes(
    tx: Connection, row: Row, seen: Seen, verdict: Verdict, now: datetime, patience: Patience
) -> dict[str, Any]:
    """Columns beside the state (Any: as they take them); the code's target, too, where the update ends in vain."""
    match verdict.event:
        case Event.SENT:
            return {"sent_at": seen.sent_at, "deadline_at": now + patience.after_sent, "bytes": row["size"]}
        case Event.REPORTED:
            return {"reported_at": seen.said_at, "deadline_at": now + patience.after_sent, "bytes": row["size"]}
        case Event.STEPPED:
            return await _next_step(tx, row, seen, now, patience)
        case Event.CLOSE_WINDOW:
            due_at = schedule_of(row).next_opening(now)
            nothing = {"ordered_at": None, "step_at": None, "told_at": None, "deadline_at": None}
            return nothing | {"due_at": due_at} | await put_back(tx, row, target_after(seen))
        case Event.WENT_WRONG:
            return await put_back(tx, row, target_after(seen))
    return {}


async def _next_step(tx: Connection, row: Row, seen: Seen, now: datetime, patience: Patience) -> dict[str, Any]:
    """It runs the step, and asked for the next one with the pull that said so. Any: as columns take them."""
    path: list[str] = row["path"]
    fetches = path[min(path.index(seen.fetches) + 1, len(path) - 1)]
    image = await store.image(tx, row["series"], fetches)
    facts = {"sha256": image["sha256"], "size": image["size"]} if image else {}
    begun = {"step_at": seen.said_at, "asked_at": seen.said_at, "deadline_at": now + patience.whole}
    return facts | begun | {"fetches": fetches, "bytes": 0, "sent_at": None, "told_again": 0}


def _seen(row: Row, now: datetime, patience: Patience) -> Seen:
    schedule = schedule_of(row)
    opening = schedule.next_opening(now)
    return Seen(
        state=State(row["state"]),
        code=row["code"],
        version=row["version"],
        fetches=row["fetches"],
        from_version=row["from_version"],
        size=row["size"],
        in_place=row["in_place"],
        target=row["firmware_target"],
        begun_at=row["step_at"],
        told_at=row["told_at"],
        told_again=row["told_again"],
        said=row["said"] or "",
        said_at=row["said_at"],
        refusal=row["refusal"] or "",
        asked_at=row["asked_at"] or row["said_at"],
        bytes=max(row["reached"] or 0, row["bytes"]),
        fetched_at=row["fetched_at"],
        sent_at=row["sent_at"] or row["whole_at"],
        served_at=row["in_service_at"] if row["in_service_at"] and row["in_service_at"] >= row["step_at"] else None,
        reported_at=row["reported_at"],
        must_confirm=row["had_way"],
        way_at=row["way_at"],
        may_begin=opening == now,
        may_later=opening is not None,
        deadline_at=_deadline(row, patience),
    )


async def _tell(tx: Connection, row: Row, told_again: int, now: datetime, patience: Patience) -> None:
    """The order to pull, as a swap gives it: it goes out as soon as the push workers are woken."""
    new = operations.New(
        kind=Kind.PULL_CONFIG.value,
        purpose="request",
        serial=row["adapter"],
        code=row["code"],
        contract=row["contract"],
        since=row["registered_since"],
        arguments={"source": "RS"},
        account=row["account"],
        reason=row["reason"],
        due_at=now,
        expires_at=now + patience.whole,
    )
    operation = await operations.insert(tx, new, now)
    await moves.change(
        tx,
        row["id"],
        {"told_at": now, "told_again": told_again, "deadline_at": _deadline(row, patience) or now + patience.whole},
    )
    detail = {"operation": operation, "adapter": row["adapter"], "update": row["id"]}
    await audit.write(
        tx, CONTROLLER, "adapter.pull-config", row["code"], now=now, contract=row["contract"], detail=detail
    )
