"""What the server sends an adapter, through a tunnel or over https-simple: read, answered, and done.

A request is answered with its type, whatever is wrong with it (protocol reference §6): 201 for what is no XML, 202 for
a type nobody knows, 203 for parameters that will not do, 423 for another adapter's. An answer that belongs to nothing
is taken for a request of an unknown type, as by the real client. Assumed: how many requests wait for their turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from agent.faults import Fault
from agent.push import outcomes
from agent.push.contact import Contact, Transaction
from agent.push.operations import Performed, Then, accept, perform
from agent.reaction import again
from protocol.arms.codes import ResultCode
from protocol.arms.envelope import DECLARATION
from protocol.arms.messages import (
    DoneResponse,
    GenericError,
    Kind,
    NoValue,
    PullFrom,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushRequest,
    PushResponse,
    Refusal,
    Response,
    Transactions,
)
from protocol.arms.operations import BY_START_TYPE, OPERATIONS
from protocol.arms.push import RefusedRequest
from protocol.arms.push_confirmation import DONE, START
from protocol.arms.xml import decode_message, encode
from protocol.errors import PeerMistake

MAX_TRANSACTIONS = 10
"""More are refused with 406; found in libarms (TR_LIMIT), where it counts for https-simple only."""

MAX_WAITING = 16
"""Requests that wait for their turn; more are refused with 302."""

REASON = "Pull requested by RS"
GARBAGE = b'<arms-message><arms-response type="?><\x01</arms-message>'

Answer = Callable[[bytes], None]
"""Takes the body of an answer; what goes around it is the channel's."""

_TYPE = re.compile(rb'<arms-request\s+type="([!-~]{1,64})"')


class Channel(Protocol):
    """What a message came through. has_numbers: confirmations carry their transaction id back."""

    has_numbers: bool

    async def expects(self, transaction_id: int) -> bool: ...
    def came(self, answer: str | int, message: Response) -> bool: ...
    def confirmed(self) -> None: ...
    def drop(self) -> None: ...


def receive(contact: Contact, channel: Channel, body: bytes, answer: Answer) -> None:
    """Take one message. It is answered now or later, or never where it needs no answer."""
    try:
        message = decode_message(body)
    except RefusedRequest as refused:
        _refuse(contact, refused.kind, refused.result, answer)
        return
    except PeerMistake as mistake:
        contact.adapter.log("warning", "system", f"push: {mistake.detail}")
        answer(_complaint(contact, body))
        return
    match message:
        case PushRequest():
            _begin(contact, channel, message, answer)
        case PushConfirmationDoneRequest():
            contact.spawn(_confirm(contact, channel, message, answer))
        case PushConfirmationStart():
            channel.came(START, message)
        case Refusal(type=kind) if kind == START:
            channel.came(START, message)
        case DoneResponse() if channel.came(message.transaction_id, message):
            pass
        case _:
            answer(encode(_unknown()))


def _unknown() -> GenericError:
    return GenericError(ResultCode.INVALID_MESSAGE_TYPE, ResultCode.INVALID_MESSAGE_TYPE.phrase)


def _complaint(contact: Contact, body: bytes) -> bytes:
    """The answer to what cannot be read, by the type it claims."""
    claimed = _TYPE.search(body)
    kind = claimed[1].decode("ascii") if claimed else ""
    code = ResultCode.INVALID_XML
    if kind == DONE:
        return encode(Refusal(kind, code, code.phrase)).removeprefix(DECLARATION.encode())
    if operation := BY_START_TYPE.get(kind):
        return encode(PushResponse(operation.kind, code, code.phrase, _number(contact, operation.kind), None))
    return encode(_unknown())


def _refuse(contact: Contact, kind: Kind, code: ResultCode, answer: Answer) -> None:
    answer(encode(PushResponse(kind, code, code.phrase, _number(contact, kind), None)))


def _number(contact: Contact, kind: Kind) -> int | None:
    """An asynchronous operation that is refused has a number all the same, which nobody hears of again."""
    if not OPERATIONS[kind].is_async:
        return None
    refused = contact.begin(kind)
    del contact.transactions[refused.id]
    return refused.id


async def _confirm(contact: Contact, channel: Channel, request: PushConfirmationDoneRequest, answer: Answer) -> None:
    """The server shows that it can push."""
    code = ResultCode.SUCCESS
    if request.distribution_id != contact.adapter.distribution_id:
        code = ResultCode.DISTRIBUTION_ID_MISMATCH
    elif not await channel.expects(request.transaction_id):
        code = ResultCode.TRANSACTION_FAILURE
    number = request.transaction_id if channel.has_numbers else None
    if code is ResultCode.SUCCESS:
        answer(encode(PushConfirmationDone(code, code.phrase, number)))
        channel.confirmed()
    else:
        answer(encode(Refusal(DONE, code, code.phrase, number)).removeprefix(DECLARATION.encode()))


def _begin(contact: Contact, channel: Channel, request: PushRequest, answer: Answer) -> None:
    faults = contact.adapter.faults
    if faults.strikes(Fault.DROP_TUNNEL):
        channel.drop()
    elif faults.strikes(Fault.GARBAGE_XML):
        answer(GARBAGE)
    elif request.distribution_id not in (None, contact.adapter.distribution_id):
        _refuse(contact, request.kind, ResultCode.DISTRIBUTION_ID_MISMATCH, answer)
    elif contact.waiting >= MAX_WAITING:
        _refuse(contact, request.kind, ResultCode.SA_BUSY, answer)
    else:
        contact.waiting += 1
        contact.spawn(
            _later(contact, request, answer) if OPERATIONS[request.kind].is_async else _now(contact, request, answer)
        )


async def _now(contact: Contact, request: PushRequest, answer: Answer) -> None:
    """A synchronous operation: done, answered, and then whatever it leads to."""
    adapter, kind = contact.adapter, request.kind
    async with contact.busy():
        contact.waiting -= 1
        code = accept(adapter, request)
        done = Performed(code)
        if code.is_success:
            done = await _perform(contact, request)
        answer(encode(PushResponse(kind, done.result, done.result.phrase, None, done.value)))
    match done.then:
        case Then.RESTART:
            contact.host.restart(adapter, "ordered by the management server")
        case Then.PULL_LS:
            adapter.volatile.refused = frozenset()
            contact.leave(again(adapter, PullFrom.LS, REASON))
        case Then.PULL_RS:
            adapter.volatile.refused = frozenset()  # somebody wants it to look again
            contact.leave(again(adapter, PullFrom.RS, REASON))


async def _perform(contact: Contact, request: PushRequest) -> Performed:
    if request.kind is Kind.CHECK_TRANSACTION:
        return Performed(ResultCode.SUCCESS, Transactions((0, *contact.transactions)))  # 0: itself
    return await perform(contact.adapter, request, time_scale=contact.host.time_scale)


async def _later(contact: Contact, request: PushRequest, answer: Answer) -> None:
    """An asynchronous operation: its start is answered, then it is done, then its outcome is reported."""
    adapter, kind = contact.adapter, request.kind
    async with contact.busy():
        contact.waiting -= 1
        code = _admit(contact, request)
        if not code.is_success:
            _refuse(contact, kind, code, answer)
            return
        if request.result_url:
            adapter.volatile.result_url = request.result_url
        transaction = contact.begin(kind)
        if not adapter.faults.strikes(Fault.LOSE_START_RESPONSE):
            answer(encode(PushResponse(kind, code, code.phrase, transaction.id, NoValue())))
    await _carry_out(contact, request, transaction)


def _admit(contact: Contact, request: PushRequest) -> ResultCode:
    if len(contact.transactions) >= MAX_TRANSACTIONS:
        return ResultCode.TOO_MANY_TRANSACTIONS
    if request.kind is Kind.CONFIGURE and contact.configuring:
        return ResultCode.MODULE_SYNCING
    return accept(contact.adapter, request)


async def _carry_out(contact: Contact, request: PushRequest, transaction: Transaction) -> None:
    if request.kind is Kind.CONFIGURE:
        contact.configuring = transaction
        contact.hang_up(orderly=False)
    done = await _perform(contact, request)
    transaction.outcome = outcomes.outcome(contact, transaction, done.result, done.value)
    if request.kind is Kind.CONFIGURE:
        outcomes.reconnect(contact)
    else:
        await outcomes.deliver(contact, transaction)
