"""Items of a rollout whose turn has come: judged again, then ordered; and what became of those that were ordered.

Every change is made in the transaction of the turn, so whatever is killed, no update is ordered twice and none is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from controller.domain.access import CONTROLLER, Caller
from controller.domain.errors import Conflict, ControllerError
from controller.domain.firmware import Image
from controller.domain.firmware_rollout import ITEM_MOVES, LOOK_FOR_NEWCOMERS, ItemEvent, ItemState, State
from controller.domain.firmware_rollout_plan import Candidate, Judged, Verdict, judge, silence
from controller.domain.firmware_update import Failure
from controller.domain.sentence import sentence
from controller.domain.why import kept
from controller.services import firmware_updates
from controller.services.firmware_rollout_moving import call_off
from controller.services.firmware_rollout_options import settings_of
from controller.services.firmware_rollout_planning import item, newcomers
from controller.services.firmware_updates import Order
from controller.store import audit
from controller.store import firmware_rollout_items as items
from controller.store import firmware_rollouts as store
from controller.store.firmware_rollout_items import Became
from controller.store.pool import Connection, Row

log = structlog.get_logger()

AT_ONCE = 50
"""Updates ordered in one transaction."""


@dataclass(slots=True)
class Turn:
    """What is done with one rollout in one transaction. rollout: its row, locked. images: of its series, offered now.
    caller: who runs it."""

    tx: Connection
    rollout: Row
    images: Sequence[Image]
    now: datetime
    caller: Caller = CONTROLLER
    done: int = 0
    target: Image | None = field(init=False)

    def __post_init__(self) -> None:
        version = self.rollout["version"]
        self.target = next((image for image in self.images if image.version == version), None)

    @property
    def id(self) -> int:
        number: int = self.rollout["id"]
        return number

    @property
    def wave(self) -> int:
        number: int = self.rollout["wave"]
        return number

    @property
    def state(self) -> State:
        return State(self.rollout["state"])

    async def put(self, became: Sequence[Became]) -> None:
        await items.put(self.tx, self.id, became, self.now)
        self.done += len(became)


async def settle(at: Turn) -> int:
    """What has become of the updates that were ordered; how many are still open."""
    rows = await items.ordered(at.tx, at.id, at.now)
    ended = [became for row in rows if (became := _became(row))]
    await at.put(ended)
    silent = [row["update_id"] for row in rows if row["silent"]]
    back = await call_off(at.tx, at.id, silent, caller=CONTROLLER, now=at.now)
    at.done += back
    return len(rows) - len(ended) - back


def _became(row: Row) -> Became | None:
    match row["update_state"], row["failure"]:
        case "good", _:
            return Became(row["line"], _after(ItemEvent.GOOD), had_way=row["had_way"])
        case "failed", Failure.TOO_LATE:  # nothing was tried, so nothing is said about the version
            return Became(row["line"], _after(ItemEvent.LEFT_OUT), why=row["why"])
        case "failed", _:
            return Became(row["line"], _after(ItemEvent.FAILED), why=row["why"])
        case "cancelled", Failure.OVERTAKEN if row["holds"] != row["adapter"]:  # the code has its turn once more
            return Became(row["line"], _after(ItemEvent.CALLED_OFF))
        case "cancelled", _:
            return Became(row["line"], _after(ItemEvent.CANCELLED), why=row["why"])
    return None


def _after(event: ItemEvent, before: ItemState = ItemState.ORDERED) -> ItemState:
    return ITEM_MOVES[before, event]


async def order_due(at: Turn, room: int) -> int:
    """Order updates of items that nothing holds; how many items had their turn. room: updates that may be added."""
    due = await items.due(at.tx, at.id, at.wave, now=at.now, limit=min(room, AT_ONCE)) if room > 0 else []
    for row in sorted(due, key=lambda row: str(row["code"])):  # in the order in which their codes may be locked
        became = await _taken_on(at, row["line"], items.candidate(row))
        await at.put([became] if became else [])
    return len(due)


async def _taken_on(at: Turn, line: int, candidate: Candidate) -> Became | None:
    judged = _judge(at, candidate)
    if judged.verdict is not Verdict.UPDATE:
        return _left(line, judged, candidate)
    try:
        async with at.tx.transaction():  # a savepoint: the others go on
            ordered = await firmware_updates.order_within(at.tx, _order(at, candidate), caller=at.caller, now=at.now)
    except ControllerError as error:
        if isinstance(error, Conflict) and await _is_held(at, candidate.code):
            return None
        return Became(line, _after(ItemEvent.LEFT_OUT, ItemState.WAITING), why=kept(error))
    return Became(
        line,
        _after(ItemEvent.ORDERED, ItemState.WAITING),
        update=ordered.update,
        wave=at.wave,
        adapter=ordered.adapter,
        running=ordered.from_version,
    )


def _judge(at: Turn, candidate: Candidate) -> Judged:
    assert at.target is not None
    return judge(candidate, at.target, at.images, downgrade=settings_of(at.rollout["settings"])[1], now=at.now)


async def _is_held(at: Turn, code: str) -> bool:
    """Something took the code at this very moment."""
    (row,) = await items.candidates(at.tx, [code])
    return _judge(at, items.candidate(row)).verdict is Verdict.HELD


def _left(line: int, judged: Judged, candidate: Candidate) -> Became | None:
    if judged.verdict is Verdict.HELD or judged.why is None:
        return None
    event = ItemEvent.NOT_NEEDED if judged.verdict is Verdict.NOT_NEEDED else ItemEvent.LEFT_OUT
    state = _after(event, ItemState.WAITING)
    return Became(line, state, why=kept(judged.why), adapter=candidate.adapter, running=candidate.firmware)


def _order(at: Turn, candidate: Candidate) -> Order:
    schedule, downgrade, start = settings_of(at.rollout["settings"])
    return Order(
        candidate.code,
        at.rollout["version"],
        schedule=schedule,
        downgrade=downgrade,
        start=start,
        rollout=at.id,
        wave=at.wave,
        reason=at.rollout["reason"],
    )


async def give_up_held(at: Turn) -> None:
    """Items that something held to the end are left out, with the reason."""
    became = []
    for row in await items.waiting(at.tx, at.id, at.wave):
        candidate = items.candidate(row)
        judged = _judge(at, candidate)
        why = judged.why or (silence(candidate) if candidate.is_silent(at.now) else sentence("It had no turn."))
        became.append(Became(row["line"], _after(ItemEvent.LEFT_OUT, ItemState.WAITING), why=kept(why)))
    await at.put(became)


async def check_soaked(at: Turn) -> None:
    """Good items whose adapter did not stay well have failed after all."""
    became = []
    for row in await items.unwell(at.tx, at.id, at.wave, at.rollout["version"]):
        if row["firmware"] != at.rollout["version"]:
            why = sentence("After the update it went back to {firmware}.", firmware=row["firmware"] or "?")
        else:
            why = sentence("It has been disconnected since {since}.", since=row["disconnected_since"])
        became.append(Became(row["line"], _after(ItemEvent.FAILED, ItemState.GOOD), why=kept(why)))
    await at.put(became)


async def join(at: Turn) -> None:
    """Codes that came to be as the selection wants them join the last wave."""
    if not await items.look_for_newcomers(at.tx, at.id, at.now, LOOK_FOR_NEWCOMERS):
        return
    assert at.target is not None
    known, last = await items.known(at.tx, at.id)
    try:
        async with at.tx.transaction():
            found = await newcomers(
                *(at.tx, at.rollout["selection"], at.target, at.images), caller=at.caller, now=at.now
            )
    except ControllerError as error:
        log.warning("newcomers of a rollout could not be looked for", rollout=at.id, why=str(error))
        return
    new = [each for each in found if each.candidate.code not in known]
    rows = [item(line, at.rollout["waves"], each) for line, each in enumerate(new, last + 1)]
    if rows:
        await store.add_items(at.tx, at.id, rows, joined_at=at.now)
        at.done += len(rows)
        detail = {"codes": [row["code"] for row in rows]}
        await audit.write(
            *(at.tx, at.caller, "rollout.joined", f"rollout {at.id}"),
            now=at.now,
            contract=at.rollout["contract"],
            detail=detail,
        )
