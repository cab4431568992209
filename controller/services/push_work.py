"""The push workers: claim due operations whose adapter is reachable from here, send them, record the answers.

Nothing is held while an adapter is asked. That an operation is being sent is written down before a byte leaves: who is
killed in between leaves a row that says so. Whether it is sent again depends on its kind (domain/operation.silence).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from controller.domain.operation import MAX_ATTEMPTS, Event, State, advance, silence
from controller.ports import AnswerLost, NotSent, Pusher, Reach
from controller.services import claiming, config_push, operation_json, operation_policy
from controller.store import operation_moves, operations
from controller.store.operation_moves import Said
from controller.store.pool import TROUBLE, Database, Row
from controller.store.secrets import Secrets
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, PushRequest, PushResponse
from protocol.arms.operations import OPERATIONS
from protocol.errors import OurMistake
from protocol.ids import DistributionId

log = structlog.get_logger()

_POLL_S = 0.5  # how long an operation written by a swap or another controller may go unnoticed
_SPACING_S = 0.1  # when a region boots, every adapter that confirms a tunnel wakes the workers
_MARGIN_S = 15.0  # by which a worker gives up earlier than the operation's deadline in the database
_AGAIN_S, _BUSY_S, _LONGEST_S = 1.0, 5.0, 60.0

_BUSY = frozenset({ResultCode.SA_BUSY, ResultCode.TOO_MANY_TRANSACTIONS, ResultCode.TOO_MANY_STATUS})

_REPORTED = tuple(kind for kind, row in OPERATIONS.items() if row.is_async and not row.repeatable)
"""Kinds that are not sent again when the answer to the start is lost, because the adapter may yet report the end."""

WAITS_S = {
    kind.value: row.answer_s + _MARGIN_S + (row.done_s if kind in _REPORTED else 0) for kind, row in OPERATIONS.items()
}
"""By kind, seconds until a worker that sent it must have said what came of it, or it is overdue."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs. controller: this one's present id (services/reaches.begin). concurrency: operations at once.

    firmware_url, legacy_firmware_url: as in check_in.Terms, of the listener that an adapter came in by.
    wake: set it when an operation was asked for or an adapter confirmed; else it is found within half a second.
    """

    db: Database
    vault: Secrets
    pusher: Pusher
    controller: Callable[[], int]
    firmware_url: str
    legacy_firmware_url: str
    concurrency: int
    clock: Callable[[], datetime]
    wake: asyncio.Event
    stopping: asyncio.Event


async def run(work: Work) -> None:
    """Claim and send until `stopping` is set; then wait for what is under way. Cancelled, it records what is lost."""
    await claiming.run(
        "operation",
        lambda limit: operations.claim(work.db, work.controller(), work.clock(), limit, WAITS_S),
        lambda row: _one(work, row),
        concurrency=work.concurrency,
        poll_s=_POLL_S,
        spacing_s=_SPACING_S,
        wake=work.wake,
        stopping=work.stopping,
    )


async def take_over(db: Database, now: datetime) -> None:
    """For the only controller of a database, after reaches.take_over: nobody waits any more for the answers to what its
    predecessor sent. A config push keeps its deadline: the adapter may report it to us, and then it counts."""
    await turn(db, now)


async def turn(db: Database, now: datetime) -> None:
    """Housekeeping, every few seconds, by any controller: overdue, expired and orphaned operations. Bounded."""
    async with db.transaction() as tx:
        for row in await operation_moves.overdue(tx, now, _REPORTED):
            event, detail = _overdue(row)
            state = State(row["state"])
            to = advance(state, event)
            assert to is not None  # the table has a row for each of them
            await operation_moves.move(tx, row["id"], state, to, now, detail=detail, due_at=_due(to, now))
            if event is Event.NOT_BACK:
                await operation_moves.order_pull(tx, row["id"], now)
            log.warning("operation overdue", operation=row["id"], kind=row["kind"], was=state.value, state=to.value)
    async with db.transaction() as tx:
        changed = "The registration changed before it was sent; ask again for the adapter that is there now."
        await operation_moves.end_of_other_registrations(tx, now, changed)
        closed = "Its investigation was closed, so nothing more is run under it (R2.3)."
        await operation_moves.end_of_closed_investigations(tx, now, closed)
        await operation_moves.expire(tx, now, "The adapter was not reachable in time; ask again when it is connected.")


def _overdue(row: Row) -> tuple[Event, str]:
    if row["kind"] == Kind.CONFIGURE:
        if row["state"] == State.CONFIRMING:
            return Event.NOT_BACK, "The adapter did not confirm in time; it is told to pull its startup config again."
        return Event.NOT_BACK, "The adapter did not come back in time; when it does, it is told to roll back."
    event = silence(OPERATIONS[Kind(row["kind"])].repeatable, _attempts(row))
    return event, "" if event is Event.LOST else _IN_DOUBT


_IN_DOUBT_YET = "The answer to it is lost; the adapter may yet report it."
_IN_DOUBT = "No answer came: it may or may not have been carried out. It was not sent again."


def _due(to: State, now: datetime, wait_s: float = 0) -> datetime | None:
    return now + timedelta(seconds=wait_s) if to is State.WAITING else None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """event None: nothing is known yet, the adapter may report the end."""

    event: Event | None
    detail: str = ""
    said: Said | None = None
    deadline_s: float | None = None
    again_s: float = 0.0


async def _one(work: Work, row: Row) -> None:
    try:
        outcome = await _send(work, row)
    except asyncio.CancelledError:
        await _in_doubt(work, row)
        raise
    except Exception:  # a bug of ours must cost this operation, not the worker and the others with it
        log.exception("operation failed by a mistake in the controller", operation=row["id"], adapter=row["serial"])
        detail = f"Internal error; the log has the rest under operation={row['id']}."
        outcome = _Outcome(_when_lost(row), detail)
    try:
        recorded = await claiming.recorded(lambda: _record(work, row, outcome))
    except TROUBLE as error:
        # Its deadline passes: it is asked again, or said to be unknown.
        log.warning("answer could not be recorded", operation=row["id"], adapter=row["serial"], error=str(error))
        return
    became = outcome.event.value if outcome.event else "in doubt"
    fields = {"operation": row["id"], "adapter": row["serial"], "kind": row["kind"], "code": row["code"]}
    log.info("operation sent", **fields, outcome=became, recorded=recorded, detail=outcome.detail)


async def _in_doubt(work: Work, row: Row) -> None:
    """Quickly, since the controller is stopping; what is not written now is found by its deadline, or at the start."""
    try:
        async with asyncio.timeout(1):
            await _record(work, row, _Outcome(_when_lost(row), _IN_DOUBT))
    except (*TROUBLE, TimeoutError) as error:
        log.warning("operation left in doubt", operation=row["id"], error=str(error) or type(error).__name__)


def _when_lost(row: Row) -> Event | None:
    kind = Kind(row["kind"])
    return None if kind in _REPORTED else silence(OPERATIONS[kind].repeatable, _attempts(row))


def _attempts(row: Row) -> int:
    """How many count towards giving up. None of a handover's: its order stands until the adapter has pulled (the
    record of the pull ends it), or it expires."""
    return 0 if row["purpose"] == "handover" else row["attempts"]


async def _record(work: Work, row: Row, outcome: _Outcome) -> bool:
    """False when the operation has moved on without us."""
    if outcome.event is None:
        await operation_moves.doubt(work.db, row["id"], row["fence"], f"{_IN_DOUBT_YET} {outcome.detail}".rstrip())
        return False
    now = work.clock()
    to = advance(State.SENT, outcome.event)
    assert to is not None
    async with work.db.connection() as connection:
        return await operation_moves.move(
            connection,
            row["id"],
            State.SENT,
            to,
            now,
            fence=row["fence"],
            said=outcome.said,
            detail=outcome.detail,
            deadline_at=now + timedelta(seconds=outcome.deadline_s) if outcome.deadline_s is not None else None,
            due_at=_due(to, now, outcome.again_s),
            attempts_back=1 if outcome.event is Event.NOT_TAKEN and outcome.said is None else 0,
            not_permitted=outcome.event is Event.NOT_PERMITTED,
        )


async def _send(work: Work, row: Row) -> _Outcome:
    kind = Kind(row["kind"])
    try:
        if why := operation_policy.no_longer(row):
            return _Outcome(Event.NOT_PERMITTED, why)
        reach, request = _reach(work.vault, row), await _request(work, kind, row)
    except (OurMistake, config_push.RevisionsGone) as error:
        return _Outcome(Event.REFUSED, f"It cannot be sent: {error}.")
    except TROUBLE as error:
        log.warning("operation cannot be made ready; trying again", operation=row["id"], error=str(error))
        return _Outcome(Event.NOT_TAKEN, "The database did not answer; it is tried again.", again_s=_BUSY_S)
    try:
        response = await work.pusher.push(reach, request, deadline_s=OPERATIONS[kind].answer_s)
    except NotSent as why:
        wait_s = _AGAIN_S if row["tunnel"] is not None else min(_LONGEST_S, 2.0 ** min(row["fence"], 6))
        return _Outcome(Event.NOT_TAKEN, str(why), again_s=wait_s)
    except AnswerLost as why:
        again_s = _AGAIN_S if row["attempts"] < MAX_ATTEMPTS else _LONGEST_S
        return _Outcome(_when_lost(row), str(why), again_s=again_s)
    assert isinstance(response, PushResponse)
    return _answered(kind, row, response)


def _answered(kind: Kind, row: Row, response: PushResponse) -> _Outcome:
    said = operation_json.said(kind, response)
    if response.result.is_success:
        if OPERATIONS[kind].is_async:
            return _Outcome(Event.TAKEN_ON, said=said, deadline_s=OPERATIONS[kind].done_s)
        return _Outcome(Event.ANSWERED, said=said)
    detail = f"The adapter answered {response.result.value} {response.result.phrase}."
    if response.result in _BUSY and _attempts(row) < MAX_ATTEMPTS:
        return _Outcome(Event.NOT_TAKEN, detail, Said(result=response.result), again_s=_BUSY_S)
    return _Outcome(Event.REFUSED, detail, said)


def _reach(vault: Secrets, row: Row) -> Reach:
    key = row["rs_sa_key"]
    return Reach(
        serial=row["serial"],
        distribution_id=DistributionId(row["distribution_id"].int),
        tunnel=row["tunnel"],
        endpoint=row["endpoint"] or "",
        key=vault.open_text(key, purpose="rs-sa-key") if key else "",
        certificate_sha256=row["certificate_sha256"] or b"",
        legacy=row["legacy"],
    )


async def _request(work: Work, kind: Kind, row: Row) -> PushRequest:
    distribution_id = DistributionId(row["distribution_id"].int)
    if kind is Kind.CONFIGURE:
        firmware_url = work.legacy_firmware_url if row["legacy"] else work.firmware_url
        arguments = await config_push.configure(work.db, distribution_id, row["arguments"]["revisions"], firmware_url)
        return PushRequest(kind, distribution_id, arguments)
    return PushRequest(kind, distribution_id, operation_json.to_arguments(kind, row["arguments"]))
