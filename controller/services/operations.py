"""Push operations: asked for by people, cancelled while they wait, ended by what adapters report.

Sending them is push_work's; what a swap orders is written with the swap itself (migrations/0018).
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from controller.domain.access import Caller, Role, require_contract
from controller.domain.errors import Conflict, ControllerError, Forbidden, Invalid, NotFound, TooMany
from controller.domain.operation import Event, State, advance, reported
from controller.services import operation_json, operation_policy, policy
from controller.store import audit, operation_moves, operations, registry
from controller.store.pool import Connection, Database, Row
from protocol.arms import xml
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Arguments, DoneRequest, DoneResponse, Kind, PushRequest
from protocol.errors import OurMistake
from protocol.ids import DistributionId

log = structlog.get_logger()

KEPT_FOR = timedelta(minutes=10)
"""How long an operation waits for its adapter unless told otherwise: somebody is waiting for it."""
MAX_OPEN = 32
"""Most operations that wait or are under way for one adapter."""
CONFIRM_S = 120.0
"""From the report that a configure was committed to the confirmation that must follow; a client tries for 30 s, waits
rs_retry_interval_s and tries again."""

_OVERTAKEN_S = 1.0  # how long the end of an operation waits for the answer to its start to be written down
_LOOK_S = 0.05


async def ask(
    db: Database,
    kind: Kind,
    arguments: Arguments,
    serial: str,
    *,
    reason: str,
    caller: Caller,
    now: datetime,
    due_at: datetime | None = None,
    expires_at: datetime | None = None,
    investigation: int | None = None,
) -> int:
    """Have an adapter do something as soon as it is reachable; returns the operation's id.

    due_at: not before then. expires_at: given up when not sent by then; KEPT_FOR after due_at unless given, and never
    later than the investigation. investigation: under which it is done; support staff need one (R2.3), and may leave
    out the number of the only one. A refusal is recorded and raised: NotFound, Invalid (arguments a client cannot
    take, a command that the series does not declare, configure: see config_push), Forbidden (services/policy.py),
    Conflict (locked out), TooMany (MAX_OPEN).
    """
    due_at = due_at or now
    try:
        async with db.transaction() as tx:
            row = await target(tx, serial=serial, caller=caller)
            _check(kind, arguments, row)
            permitted = await operation_policy.permitted(
                tx, kind, arguments, row, investigation, caller=caller, now=now
            )
            new = operations.New(
                kind=kind,
                purpose="request",
                serial=row["serial"],
                code=row["code"],
                contract=row["contract"],
                since=row["since"],
                arguments=operation_json.from_arguments(kind, arguments),
                account=caller.account,
                reason=reason,
                due_at=due_at,
                expires_at=operation_policy.in_time(due_at, expires_at or due_at + KEPT_FOR, permitted),
                investigation=permitted.investigation,
            )
            return await written(tx, new, f"adapter.{kind}", caller=caller, now=now)
    except ControllerError as error:
        detail = policy.refusal_detail(error, operation_policy.lines_of(arguments), reason) | {
            "investigation": investigation
        }
        contract = caller.contract or await registry.contract_of(db, serial=serial)
        await audit.refused(db, caller, f"adapter.{kind}", serial, now=now, contract=contract, detail=detail)
        raise


async def target(tx: Connection, *, code: str | None = None, serial: str | None = None, caller: Caller) -> Row:
    """The present registration of a code or an adapter, locked (store/operations.registered). Raises as `ask` does."""
    row = await operations.registered(tx, code=code, serial=serial)
    if row is None:
        if code is not None:
            raise NotFound("No adapter on code {code}.", next_step="hikitsugi code show {code} says more.", code=code)
        raise NotFound(
            "Adapter {serial} is on no code, so it cannot be reached.",
            next_step="hikitsugi adapter show {serial} says where it was.",
            serial=serial,
        )
    require_contract(caller, row["contract"], *(("code", code) if code is not None else ("adapter", str(serial))))
    if row["locked_out"]:
        raise Conflict(
            "Adapter {serial} is locked out, so it cannot be reached.",
            next_step="Unlock it first: hikitsugi adapter unlock {serial}.",
            serial=row["serial"],
        )
    if row["open_operations"] >= MAX_OPEN:
        raise TooMany(
            "Adapter {serial} has {count} operations open already.",
            next_step="Let them end, or cancel the waiting ones.",
            retry_after_s=60,
            serial=row["serial"],
            count=row["open_operations"],
        )
    return row


async def written(tx: Connection, new: operations.New, action: str, *, caller: Caller, now: datetime) -> int:
    """The operation with its audit row, in the caller's transaction; its id."""
    operation = await operations.insert(tx, new, now)
    detail = {"operation": operation, "adapter": new.serial, "reason": new.reason, "arguments": dict(new.arguments)}
    if new.investigation is not None:
        detail["investigation"] = new.investigation
    if new.due_at > now:
        detail["due_at"] = new.due_at.isoformat()
    await audit.write(tx, caller, action, new.code, now=now, contract=new.contract, detail=detail)
    return operation


def _check(kind: Kind, arguments: Arguments, row: Row) -> None:
    if kind is Kind.CONFIGURE:
        raise Invalid(
            "A config is pushed from the code's stages, not given here.",
            next_step="hikitsugi config push CODE does it.",
        )
    faults = tuple(operation_policy.undeclared(kind, arguments, row["series"]))
    if faults:
        raise Invalid(
            "Nothing was asked for: not every line is a command that the adapter's series declares for this.",
            next_step="hikitsugi series show SERIES lists the commands.",
            faults=faults,
        )
    encodable(PushRequest(kind, DistributionId(row["distribution_id"].int), arguments))


def encodable(request: PushRequest) -> None:
    """Raises Invalid when a real client could not take the request: now, not when it is to be sent."""
    try:
        xml.encode(request)
    except OurMistake as error:
        raise Invalid(
            "The adapter could not take this: {why}.",
            next_step="Change it and ask again; nothing was sent.",
            why=error.detail,
        ) from error


async def cancel(db: Database, operation: int, *, caller: Caller, now: datetime) -> None:
    """Cancel an operation that still waits.

    Raises NotFound; Forbidden (another's, to support staff); Conflict when it was sent, has ended, or is a swap's.
    """
    row = await operations.one(db, operation)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="operation", name=operation)
    require_contract(caller, row["contract"], "operation", str(operation))
    if caller.role is Role.SUPPORT and row["account"] != caller.account:
        raise Forbidden(
            "Operation {operation} was asked for by {account}; support staff take back only their own.",
            next_step="Ask the operator to cancel it.",
            operation=operation,
            account=row["account"],
        )
    if row["purpose"] == "handover":
        raise Conflict(
            "Operation {operation} belongs to swap {exchange}, which needs it.",
            next_step="Swap back if the swap was a mistake.",
            operation=operation,
            exchange=row["exchange"],
        )
    if not await operation_moves.cancel(db, row, caller=caller, now=now):
        row = await operations.one(db, operation) or row
        raise Conflict(
            "Operation {operation} is {state}; only a waiting one can be cancelled.",
            next_step="hikitsugi operation show {operation} says how it goes on.",
            operation=operation,
            state=row["state"],
        )


async def done(db: Database, serial: str, request: DoneRequest, now: datetime) -> DoneResponse:
    """An adapter reports the end of an asynchronous operation: recorded once, however often it is said.

    The answer is to be sent only when this returns; when it raises, say nothing: the adapter reports again. The answer
    to a configure orders it to roll back (412) when it comes late, or of a push that we know nothing of.
    """
    patience = round(_OVERTAKEN_S / _LOOK_S)
    while True:
        async with db.transaction() as tx:
            row = await _reported(tx, serial, request, now)
            # Without an id of its own yet, it may be another one's: the answer to its start is on its way to us.
            ours = row is None or row["transaction_id"] is not None or row["state"] != State.SENT
            if ours or patience == 0:
                return await _settle(tx, row, request, now)
        patience -= 1
        await asyncio.sleep(_LOOK_S)


async def _reported(tx: Connection, serial: str, request: DoneRequest, now: datetime) -> Row | None:
    """The operation that a report belongs to, locked: the one of that id, else one whose id is not known yet.

    That id may be written down between the two looks, so there is a third.
    """
    row = await operation_moves.by_transaction(tx, serial, request.kind, request.transaction_id, now)
    if row is not None:
        return row
    unnamed = await operation_moves.unnamed(tx, serial, request.kind, now)
    return await operation_moves.by_transaction(tx, serial, request.kind, request.transaction_id, now) or unnamed


async def _settle(tx: Connection, row: Row | None, request: DoneRequest, now: datetime) -> DoneResponse:
    if row is None:
        _, answer = reported(State.FAILED, request.result, is_configure=request.kind is Kind.CONFIGURE, is_late=True)
        if request.kind is not Kind.CONFIGURE:
            answer = ResultCode.TRANSACTION_FAILURE
        log.warning("an adapter reports an operation that nobody knows", kind=request.kind, answer=answer.value)
        return _answer(request, answer)
    state = State(row["state"])
    late = not row["holds"] or (row["deadline_at"] is not None and row["deadline_at"] <= now)
    event, answer = reported(state, request.result, is_configure=request.kind is Kind.CONFIGURE, is_late=late)
    to = advance(state, event)
    if to is not None:
        await _move(tx, row, state, to, request, answer, now)
    elif state is State.FAILED and event is Event.WENT_WRONG:
        await operation_moves.note_reason(tx, row["id"], request.result, operation_json.text(request.description))
        await operation_moves.withdraw_pull(tx, row["adapter"], now)
    return _answer(request, answer)


async def _move(
    tx: Connection, row: Row, state: State, to: State, request: DoneRequest, answer: ResultCode, now: datetime
) -> None:
    said = operation_json.said(request.kind, request, answer)
    deadline_at = now + timedelta(seconds=CONFIRM_S) if to is State.CONFIRMING else None
    detail = _detail(row, request.result, answer) if to is State.FAILED else ""
    await operation_moves.move(tx, row["id"], state, to, now, said=said, detail=detail, deadline_at=deadline_at)
    log.info("operation reported", operation=row["id"], adapter=row["adapter"], kind=row["kind"], state=to.value)


def _detail(row: Row, result: ResultCode, answer: ResultCode) -> str:
    if answer is not ResultCode.SUCCESS:
        why = "It came back too late" if row["holds"] else "The registration changed meanwhile"
        return f"{why}, so the adapter was told to go back to the config before."
    return f"The adapter reports {result.value} {result.phrase}."


def _answer(request: DoneRequest, answer: ResultCode) -> DoneResponse:
    return DoneResponse(request.kind, request.transaction_id, answer, answer.phrase)
