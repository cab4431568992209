"""Firmware updates whose time has come are begun: the version becomes the code's target (R4.2)."""

from __future__ import annotations

from datetime import datetime, timedelta

from controller.domain.firmware_update import GIVES_WAY_AFTER, Event, Failure, Start, State
from controller.domain.sentence import Sentence, sentence
from controller.domain.update_progress import Verdict, too_late
from controller.domain.why import kept
from controller.services.firmware_choice import schedule_of, waits_for
from controller.services.firmware_moving import moved, put_back
from controller.store import firmware_update_moves as moves
from controller.store import firmware_update_turn as store
from controller.store.pool import Connection, Database, Row

AT_ONCE = 200
"""Updates in one transaction: 2,000 that begin together hold nobody up for long."""
_LOOK_AGAIN = timedelta(seconds=2)  # what waits for another update or an exchange


async def begin(db: Database, now: datetime, *, only: int | None = None) -> int:
    """Begin the updates whose time has come and which nothing is in the way of; how many were looked at.

    A code's target is set in the transaction that moves its update, with the registrations of its pair locked: never
    two of a pair together, and never while an exchange holds the code. only: at most this one.
    """
    async with db.transaction() as tx:
        rows = await store.due(tx, now, limit=AT_ONCE, only=only)
        busy: set[str] = set()
        for row in rows:
            if await _begin(tx, row, busy, now):
                busy.add(row["code"])
    return len(rows)


async def _begin(tx: Connection, row: Row, busy: set[str], now: datetime) -> bool:
    if (ended := _out_of_question(row, now)) is not None:
        await moved(tx, row, State.SCHEDULED, ended, now)
        return False
    due_at = schedule_of(row).next_opening(now)
    waits = _waits(row, busy)
    if waits and due_at == now and await _is_given_way(tx, row, now):
        await store.put_off(tx, [(row["id"], now, kept(waits))])  # its turn comes with the next look
        return False
    if due_at is None or due_at > now or waits:
        later = due_at if due_at and due_at > now else now + _LOOK_AGAIN
        await store.put_off(tx, [(row["id"], later, kept(waits) if waits else None)])
        return False
    await moves.set_target(tx, row["code"], row["version"])
    changes = {"ordered_at": now, "step_at": now, "target_before": row["firmware_target"], "had_way": row["has_way"]}
    await moved(tx, row, State.SCHEDULED, Verdict(Event.BEGIN), now, changes)
    return True


async def _is_given_way(tx: Connection, row: Row, now: datetime) -> bool:
    """An update of the pair that nobody has begun goes back to waiting, and its target with it; True when it did.

    Whoever has just been told of that version is refused its image from now on: never two of a pair together.
    """
    if row["exchange"] or row["locked_out"] or not row["partner_is_idle"]:
        return False
    begins_at_once = row["has_way"] and row["start"] == Start.AT_ONCE
    if not begins_at_once and now - row["partner_since"] < GIVES_WAY_AFTER:
        return False
    partner = await moves.locked_now(tx, row["partner_update"])
    if partner is None or partner["state"] != State.ORDERED or partner["told_at"] or partner["asked_at"]:
        return False
    nothing = {"ordered_at": None, "step_at": None, "deadline_at": None, "due_at": now + _LOOK_AGAIN * 5}
    changes = nothing | await put_back(tx, partner, partner["from_version"] or None)
    await moved(tx, partner, State.ORDERED, Verdict(Event.GIVE_WAY), now, changes)
    return True


def _out_of_question(row: Row, now: datetime) -> Verdict | None:
    """Why a scheduled one ends instead of beginning."""
    if not row["in_place"]:
        return _overtaken(sentence("Code {code} has another adapter by now.", code=row["code"]))
    if row["running"] == row["version"]:
        return _overtaken(sentence("The adapter runs {version} by now.", version=row["version"]))
    if not row["is_offered"]:
        why = sentence("Firmware {version} is not offered any more.", version=row["version"])
        return Verdict(Event.WENT_WRONG, Failure.WITHDRAWN, why)
    return too_late() if schedule_of(row).next_opening(now) is None else None


def _overtaken(why: Sentence) -> Verdict:
    return Verdict(Event.OVERTAKE, Failure.OVERTAKEN, why)


def _waits(row: Row, busy: set[str]) -> Sentence | None:
    """What is in the way; busy: codes whose updates begin in this transaction."""
    partner = next((each for each in row["partners"] or () if each in busy), None)
    if partner is None:
        return waits_for(row)
    return sentence(
        "An update of code {partner} begins, and two of a pair are never updated together.", partner=partner
    )
