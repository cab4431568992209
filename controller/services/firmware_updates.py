"""Firmware updates as people ask for them: previewed, ordered, cancelled, looked at (R4.2, R4.3, R3.14).

Which version may be chosen: services/firmware_choice.py. What moves an update on: services/firmware_turn.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.domain.access import Caller
from controller.domain.errors import Conflict, ControllerError, NotFound
from controller.domain.firmware_update import CANCELLABLE, Failure, Start, State
from controller.domain.sentence import Sentence, sentence
from controller.domain.update_window import ANY_TIME, Schedule
from controller.domain.why import written
from controller.services.firmware_beginning import begin
from controller.services.firmware_choice import Choice, chosen, daily_json, placed
from controller.services.firmware_moving import cancelled, overtaken
from controller.store import audit, registry
from controller.store import firmware_update_moves as moves
from controller.store import firmware_updates as store
from controller.store.pool import Connection, Database, Row


@dataclass(frozen=True, slots=True)
class Order:
    """One update as it is asked for.

    downgrade: an older version than the adapter runs is meant. start: at once a connected adapter is told to pull.
    replace: an open update of the code that may still be cancelled gives way; else it is refused.
    rollout, wave: whose it is; None: a person's.
    """

    code: str
    version: str
    schedule: Schedule = ANY_TIME
    downgrade: bool = False
    start: Start = Start.AT_ONCE
    replace: bool = False
    rollout: int | None = None
    wave: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ordered:
    """What was, or would be, ordered. update: None in a preview. path: versions it goes through, the last is the one
    asked for. due_at: when it may begin. waits: what else it waits for, None when nothing."""

    update: int | None
    code: str
    contract: str
    adapter: str
    from_version: str
    version: str
    path: tuple[str, ...]
    state: State
    due_at: datetime
    waits: Sentence | None = None


async def order(db: Database, asked: Order, *, caller: Caller, now: datetime) -> Ordered:
    """Order an update in a transaction of its own, and begin it when its time has come.

    Raises NotFound (code, version), Invalid (no adapter, does not fit the hardware, no way from what it runs, a window
    that is none), Conflict (locked out, a cold spare, runs it already, an older version without `downgrade`, another
    update is open, withdrawn, not signed, too late). A refusal is recorded.
    """
    try:
        async with db.transaction() as tx:
            ordered = await order_within(tx, asked, caller=caller, now=now)
    except ControllerError as error:
        await _refused(db, asked, error, caller, now)
        raise
    assert ordered.update is not None
    await begin(db, now, only=ordered.update)
    return ordered


async def order_within(tx: Connection, asked: Order, *, caller: Caller, now: datetime) -> Ordered:
    """As `order`, in the caller's transaction, and scheduled only: the turn begins it within a second. Several in one
    transaction: in the order of their codes. A refusal is raised and not recorded; what it found stays unchanged."""
    choice = await _chosen(tx, asked, caller, now)
    _check_need(choice, asked.version)
    place = choice.place
    await _make_way(tx, place["code"], place["adapter"], asked.replace, caller, now)
    row = await moves.insert(tx, _new(asked, choice, caller), caller=caller, now=now)
    if row is None:
        raise _is_open(await moves.open_of(tx, place["code"], place["adapter"]), place["code"])
    return _told(asked, choice, row["id"])


async def preview(db: Database, asked: Order, *, caller: Caller, now: datetime) -> Ordered:
    """What `order` would do. Changes nothing. Raises as `order`."""
    async with db.connection() as connection:
        choice = await _chosen(connection, asked, caller, now)
        _check_need(choice, asked.version)
        present = await store.open_on(connection, asked.code, choice.place["adapter"])
    if present is not None and not (asked.replace and State(present["state"]) in CANCELLABLE):
        raise _is_open([present], asked.code)
    return _told(asked, choice, None)


async def choose(
    db: Database, code: str, version: str | None, *, downgrade: bool = False, caller: Caller, now: datetime
) -> None:
    """The code's target from now on (R4.2): an update at the next boot; what is open and may be cancelled gives way.

    None, to leave the adapter as it comes, a version that it runs already, and one for a cold spare only become the
    target. Raises as `order`.
    """
    if version is not None:
        asked = Order(code, version, downgrade=downgrade, start=Start.NEXT_BOOT, replace=True)
        async with db.connection() as connection:
            choice = await _chosen(connection, asked, caller, now)
        if choice.steps and not choice.is_cold:
            await order(db, asked, caller=caller, now=now)
            return
    async with db.transaction() as tx:
        place = await placed(tx, code, caller)
        await _make_way(tx, code, place["adapter"] or "", True, caller, now)
        await registry.set_firmware_target_within(tx, code, version, caller=caller, now=now)


async def cancel(db: Database, update: int, *, reason: str, caller: Caller, now: datetime) -> Row:
    """Cancel one that is not flashing yet. As `one` returns it. Raises NotFound, Conflict (it flashes, has ended)."""
    async with db.transaction() as tx:
        row = await moves.locked(tx, update)
        if row is None or not caller.sees(row["contract"]):
            raise unknown(update)
        if not await cancelled(tx, [row], Failure.ABORTED, written(reason), caller=caller, now=now):
            raise Conflict(
                "Update {update} is {state}, so it cannot be cancelled any more.",
                next_step="hikitsugi update show {update} says how far it is.",
                update=update,
                state=State(row["state"]),
            )
    return await one(db, update, caller=caller)


async def cancel_within(
    tx: Connection, updates: Sequence[int], why: Sentence, *, caller: Caller, now: datetime
) -> list[int]:
    """Cancel those of these (a rollout's) that may still be, in the caller's transaction; which. Others go on."""
    found = await moves.some_locked(tx, updates)
    return await cancelled(tx, found, Failure.ABORTED, why, caller=caller, now=now)


async def cancel_all_of(
    tx: Connection,
    series: str,
    version: str,
    why: Sentence,
    *,
    caller: Caller,
    now: datetime,
    failure: Failure = Failure.WITHDRAWN,
) -> int:
    """The version is withdrawn (R4.3): every open update to or through it that is not flashing yet ends; how many.

    failure: another one where it is out of the offer for another reason.
    Call it before other rows of `code` are changed in the same transaction.
    """
    found = await moves.open_of_version(tx, series, version)
    return len(await cancelled(tx, found, failure, why, caller=caller, now=now))


async def one(db: Database, update: int, *, caller: Caller) -> Row:
    """See store.one. Raises NotFound: no such one, or not the caller's to know of."""
    row = await store.one(db, update, contract=caller.contract)
    if row is None:
        raise unknown(update)
    return row


def unknown(update: int) -> NotFound:
    return NotFound("No {what} {name}.", next_step="Check the name.", what="update", name=update)


async def _chosen(connection: Connection, asked: Order, caller: Caller, now: datetime) -> Choice:
    return await chosen(
        connection,
        asked.code,
        asked.version,
        asked.schedule,
        downgrade=asked.downgrade,
        start=asked.start,
        caller=caller,
        now=now,
    )


async def _make_way(tx: Connection, code: str, adapter: str, replace: bool, caller: Caller, now: datetime) -> None:
    """End what is open of the code or the adapter: of a registration that is over always, else only for `replace`."""
    for row in await moves.open_of(tx, code, adapter):
        if not row["in_place"]:
            why = sentence("Code {code} has another adapter by now.", code=row["code"])
            await overtaken(tx, row, why, caller=caller, now=now)
        elif not replace or not await cancelled(tx, [row], Failure.REPLACED, None, caller=caller, now=now):
            raise _is_open([row], code)


def _new(asked: Order, choice: Choice, caller: Caller) -> moves.New:
    place, first = choice.place, choice.steps[0]
    return moves.New(
        code=place["code"],
        contract=place["contract"],
        adapter=place["adapter"],
        registered_since=place["since"],
        series=place["series"],
        from_version=place["running"],
        version=asked.version,
        path=[image.version for image in choice.steps],
        fetches=first.version,
        sha256=first.sha256,
        size=first.size,
        downgrade=asked.downgrade,
        start=asked.start.value,
        not_before=asked.schedule.not_before,
        not_after=asked.schedule.not_after,
        daily=daily_json(asked.schedule.daily),
        due_at=choice.due_at,
        rollout=asked.rollout,
        wave=asked.wave,
        account=caller.account,
        reason=asked.reason,
    )


def _told(asked: Order, choice: Choice, update: int | None) -> Ordered:
    place, steps = choice.place, tuple(image.version for image in choice.steps)
    return Ordered(
        *(update, place["code"], place["contract"], place["adapter"], place["running"], asked.version, steps),
        *(State.SCHEDULED, choice.due_at, choice.waits),
    )


def _check_need(choice: Choice, version: str) -> None:
    """Raises Conflict where there is nothing that an update could do."""
    if choice.is_cold:
        raise Conflict(
            "The adapter on standby code {code} is a cold spare, which is given no firmware.",
            next_step="Keep it warm (hikitsugi code warm {code}); after a swap it gets the newest anyway (R3.14).",
            code=choice.place["code"],
        )
    if not choice.steps:
        raise Conflict(
            "The adapter on {code} runs firmware {version} already.",
            next_step="hikitsugi firmware ls --series {series} lists others.",
            code=choice.place["code"],
            version=version,
            series=choice.place["series"],
        )


def _is_open(rows: Sequence[Row], code: str) -> Conflict:
    may_cancel = not rows or rows[0]["state"] in CANCELLABLE
    return Conflict(
        "Update {update} to {version} of code {code} is {state}; one at a time.",
        next_step="Let it end, or cancel it: hikitsugi update cancel {update}."
        if may_cancel
        else "It cannot be cancelled any more. Wait for its end: hikitsugi update watch {update}.",
        update=rows[0]["id"] if rows else "-",
        version=rows[0]["version"] if rows else "-",
        code=code,
        state=State(rows[0]["state"]) if rows else "-",
    )


async def _refused(db: Database, asked: Order, error: ControllerError, caller: Caller, now: datetime) -> None:
    contract = caller.contract or await registry.contract_of(db, code=asked.code)
    detail = {"version": asked.version[:32], "why": str(error)[:500], "reason": asked.reason}
    await audit.refused(db, caller, "firmware-update.order", asked.code, now=now, contract=contract, detail=detail)
