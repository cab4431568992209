"""How the outcome of an asynchronous operation reaches the server, and what the adapter does about its answer.

As the real client (protocol reference §3.5, §3.6): through the tunnel, or over https-simple to the result-url or else
the RS; a transaction outlives the tunnel it began in. Of a configure the first thing said on the new connection is its
outcome (`confirm` does that). Assumed: an outcome that was not taken is reported again as often as a pull is repeated.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.adapter import Adapter
from agent.exchange import DEADLINE_S, Line, Unanswered, post
from agent.faults import Fault
from agent.lifecycle import Event
from agent.push.contact import Contact, Transaction
from agent.reaction import AT_ONCE_S, Next, Step, again, restart
from protocol.arms.codes import ResultCode
from protocol.arms.messages import DoneRequest, PullFrom, Response, Value
from protocol.arms.xml import encode

if TYPE_CHECKING:
    from agent.push.tunnel import Tunnel

RECONNECT_S = 1.0
"""Device seconds from the commit of a pushed config to the next connection."""

KEPT_S = 600.0
"""Device seconds for which an outcome waits for a way to the server, if that takes longer than KEPT_LEAST_S."""

KEPT_LEAST_S = 30.0

REASON = "ordered by the answer to an operation"
_DESCRIPTION = "emulated adapter"


def outcome(contact: Contact, transaction: Transaction, result: ResultCode, value: Value | None) -> DoneRequest:
    number = transaction.id
    if contact.adapter.faults.strikes(Fault.WRONG_TRANSACTION_ID):
        number = number % (2**31 - 1) + 1
    return DoneRequest(transaction.kind, contact.adapter.distribution_id, number, result, _DESCRIPTION, value)


def reconnect(contact: Contact) -> None:
    """A config has been committed: see whether the server can still be reached, and tell it."""
    contact.tries = 0
    contact.host.go(contact.adapter, Next(Step.CONFIRM, RECONNECT_S))


async def deliver(contact: Contact, transaction: Transaction) -> None:
    """Report the outcome until the server has taken it, or that has failed too often; then do as it says."""
    server = contact.adapter.volatile.server
    code: ResultCode | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(max(KEPT_S * contact.host.time_scale, KEPT_LEAST_S)):
            for _ in range(1 + (server.retry_max if server else 0)):
                await contact.in_touch()
                try:
                    code = await report(contact, transaction)
                    break
                except Unanswered as reason:
                    contact.adapter.log("warning", "system", f"outcome of {transaction.kind} not taken: {reason}")
                    await asyncio.sleep(contact.retry_s * contact.host.time_scale)
    contact.transactions.pop(transaction.id, None)
    if code and ends_contact(code):
        contact.leave(obeyed(contact.adapter, code))


async def report(contact: Contact, transaction: Transaction, tunnel: Tunnel | None = None) -> ResultCode:
    """Say the outcome once (twice with the fault), and hear what the server says to it. Raises Unanswered.

    tunnel: the one to use, when it need not be confirmed yet.
    """
    assert transaction.outcome is not None
    code = await _say(contact, transaction.outcome, tunnel)
    if contact.adapter.faults.strikes(Fault.DUPLICATE_DONE):
        code = await _say(contact, transaction.outcome, tunnel)
    contact.adapter.answered(f"{transaction.kind} outcome", code)
    return code


def ends_contact(code: ResultCode) -> bool:
    """Whether this answer to a confirmation or an outcome makes the adapter pull, restart or stop."""
    return 200 <= code < 300 or code in (
        ResultCode.OUT_OF_SERVICE,
        ResultCode.PUSH_FAILED,
        ResultCode.NEED_REBOOT,
        ResultCode.INVALID_TYPE,
    )


def obeyed(adapter: Adapter, code: ResultCode) -> Next | None:
    """What follows such an answer. The real client pulls without a wait; half a second spares the machine."""
    if code is ResultCode.NEED_REBOOT:
        return restart(adapter, f"{code.value} {code.phrase}")
    if code is ResultCode.OUT_OF_SERVICE:
        adapter.happen(Event.TOLD_TO_STOP)
        return None
    return again(adapter, PullFrom.RS, REASON, AT_ONCE_S)


async def _say(contact: Contact, said: DoneRequest, tunnel: Tunnel | None) -> ResultCode:
    tunnel = tunnel or next((each for each in contact.tunnels.values() if each.is_confirmed), None)
    if tunnel is None:
        return (await _posted(contact, encode(said))).result
    answer = tunnel.expect(said.transaction_id)
    tunnel.send(encode(said))
    try:
        async with asyncio.timeout(DEADLINE_S):
            return (await answer).result
    except TimeoutError as error:
        raise Unanswered(f"no answer within {DEADLINE_S:.0f} s") from error


async def _posted(contact: Contact, body: bytes) -> Response:
    """To where a server once wanted it, else to the RS, each of whose URLs is tried."""
    adapter, server = contact.adapter, contact.adapter.volatile.server
    assert server is not None
    reason = Unanswered("there is no URL")
    for url in (adapter.volatile.result_url,) if adapter.volatile.result_url else adapter.volatile.terms.urls:
        line = Line(url, server.certificate, contact.host.speaks_from(adapter))
        try:
            return await post(line, adapter.distribution_id, server.key, body)
        except Unanswered as unanswered:
            reason = unanswered
    raise reason
