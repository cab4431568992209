"""The step after the method query: have the server show that it can push, by the first of its methods that works.

Also every reconnecting, and the end of a configure: its outcome is the first thing said on the new connection, and the
answer may order the config back. Counts and waits are the real client's (protocol reference §1, §3.4 to §3.6): a tunnel
is tried rs-retry-max times more before its first success; later without end, whatever HTTP status refuses it, unless a
configure is in progress (libarms 5.33); then the next method, then a pull.
"""

from __future__ import annotations

import asyncio

from agent.adapter import Adapter
from agent.exchange import DEADLINE_S, Line, Unanswered, post
from agent.faults import Fault
from agent.lifecycle import Event, Stage
from agent.push import configure
from agent.push.contact import TUNNEL, Contact
from agent.push.host import Host
from agent.push.outcomes import ends_contact, obeyed, outcome, report
from agent.push.simple import Listener, open_listener
from agent.push.tunnel import Tunnel, open_tunnel
from agent.reaction import REBOOT_LOOP_S, Next, Step, again
from protocol.arms.codes import ResultCode
from protocol.arms.messages import NoValue, PullFrom, PushConfirmationStart, PushConfirmationStartRequest, Response
from protocol.arms.push_confirmation import START
from protocol.arms.xml import encode

TUNNEL_WAIT_S = 30.0
SIMPLE_WAIT_S = 60.0
"""Device seconds for the server's confirmation, after its answer to the start."""

LEAST_WAIT_S = 3.0
"""Real seconds, however fast the device's time passes: the server needs real time."""

REASON = "connection to the management server failed"
_DESCRIPTION = "emulated adapter"


class _Told(Exception):
    """The server answered with a code that ends the contact."""

    def __init__(self, code: ResultCode) -> None:
        super().__init__(code.phrase)
        self.code = code


class _RollBack(Exception):
    """The server answered the outcome of a configure with the order to take the config back."""


async def confirm(adapter: Adapter, host: Host) -> Next | None:
    """Do it once. Returns what comes next, None when the adapter rests with its server in touch."""
    contact = adapter.contact
    if contact is None:
        contact = adapter.contact = Contact(adapter, host)
    contact.is_confirming = True
    try:
        return await _try(contact)
    finally:
        contact.is_confirming = False


async def _try(contact: Contact) -> Next | None:
    adapter = contact.adapter
    try:
        if contact.configuring and not contact.configuring.is_taken_back:
            _check_way_out(adapter)
        await (_tunnels(contact) if contact.method == TUNNEL else _simple(contact))
    except _RollBack:
        return _take_back(contact)
    except _Told as told:
        adapter.answered("confirmation", told.code)
        contact.end()
        return obeyed(adapter, told.code)
    except Unanswered as reason:
        adapter.answered("confirmation", str(reason))
        adapter.log("warning", "system", f"{contact.method}: {reason}")
        return _after_failure(contact)
    return _in_service(contact)


def _in_service(contact: Contact) -> Next | None:
    adapter = contact.adapter
    contact.is_confirmed_now()
    adapter.answered("confirmation", ResultCode.SUCCESS)
    if adapter.stage is Stage.CHECKING:
        adapter.log("info", "system", f"in service, {contact.method}")
    adapter.happen(Event.CHECKED)
    if Fault.REBOOT_LOOP in adapter.faults:
        return Next(Step.RESTART, REBOOT_LOOP_S)
    wanted = len(adapter.volatile.terms.tunnel_urls) if contact.method == TUNNEL else 0
    return Next(Step.CONFIRM, contact.retry_s) if len(contact.tunnels) < wanted else None


def _after_failure(contact: Contact) -> Next | None:
    """Wait and try again, take the config back, try the next method, or pull."""
    adapter, server = contact.adapter, contact.adapter.volatile.server
    contact.hang_up()
    contact.tries += 1
    in_progress = contact.configuring is not None
    if contact.method == TUNNEL and contact.was_confirmed and not in_progress:
        return Next(Step.CONFIRM, contact.retry_s)
    again_s = contact.retry_s
    if (contact.method == TUNNEL or in_progress) and contact.tries <= (server.retry_max if server else 0):
        return Next(Step.CONFIRM, again_s)
    if contact.configuring and not contact.configuring.is_taken_back:
        return _take_back(contact)
    contact.tries, contact.turn = 0, contact.turn + 1
    if contact.method:
        return Next(Step.CONFIRM)
    contact.end()
    return again(adapter, PullFrom.RS, REASON, again_s)


def _check_way_out(adapter: Adapter) -> None:
    """The config that was pushed may leave no way to the server."""
    if not configure.reaches_server(adapter.model, adapter.config):
        raise Unanswered("the pushed configuration leaves no way to the server")


def _take_back(contact: Contact) -> Next:
    """The config before the pushed one is put in force; the server hears of it as soon as it can be reached."""
    transaction = contact.configuring
    assert transaction is not None
    contact.hang_up(orderly=False)
    result = configure.roll_back(contact.adapter)
    transaction.is_taken_back = True
    transaction.outcome = outcome(contact, transaction, result, NoValue())
    contact.tries = 0
    return Next(Step.CONFIRM, contact.retry_s)


async def _settle(contact: Contact, tunnel: Tunnel | None) -> None:
    """Report a configure's outcome before anything else. Raises Unanswered, _RollBack, _Told."""
    transaction = contact.configuring
    if transaction is None:
        return
    code = await report(contact, transaction, tunnel)
    if 200 <= code < 500 and not transaction.is_taken_back:
        raise _RollBack
    contact.configuring = None
    contact.transactions.pop(transaction.id, None)
    if ends_contact(code):
        raise _Told(code)


async def _tunnels(contact: Contact) -> None:
    """Make those that are missing, all at once. Raises what the first failed with when not one is up."""
    urls = [url for url in contact.adapter.volatile.terms.tunnel_urls if url not in contact.tunnels]
    if contact.configuring:
        await _tunnel(contact, urls.pop(0))
    results = await asyncio.gather(*(_tunnel(contact, url) for url in urls), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        if not isinstance(failure, Unanswered) or not contact.tunnels:
            raise failure


async def _tunnel(contact: Contact, url: str) -> None:
    tunnel = contact.tunnels[url] = await open_tunnel(contact, url)
    try:
        await _settle(contact, tunnel)
        await _through(contact, tunnel)
    except BaseException:
        contact.tunnels.pop(url, None)
        tunnel.close()
        raise


async def _through(contact: Contact, tunnel: Tunnel) -> None:
    answer, confirmation = tunnel.expect(START), tunnel.confirmation()
    tunnel.send(encode(_start(contact, None)))
    try:
        async with asyncio.timeout(DEADLINE_S):
            _check(await answer)
        async with asyncio.timeout(_wait_s(contact, TUNNEL_WAIT_S)):
            await confirmation
    except TimeoutError as error:
        raise Unanswered("the server did not confirm that it can push") from error


async def _simple(contact: Contact) -> None:
    """Listen, ask every RS to push here, and wait until one does. Raises Unanswered, _RollBack, _Told."""
    if contact.configuring:
        await _settle(contact, None)
    if contact.listener:
        contact.listener.close()
    contact.listener = listener = await open_listener(contact)
    try:
        await _ask_all(contact, listener)
        async with asyncio.timeout(_wait_s(contact, SIMPLE_WAIT_S)):
            await listener.confirmation
    except TimeoutError as error:
        raise Unanswered("the server did not push to the adapter's own address") from error


async def _ask_all(contact: Contact, listener: Listener) -> None:
    adapter, server = contact.adapter, contact.adapter.volatile.server
    assert server is not None
    body = encode(_start(contact, listener.url))
    reason: Unanswered | None = None
    for url in adapter.volatile.terms.urls:
        line = Line(url, server.certificate, contact.host.speaks_from(adapter))
        try:
            listener.expect(_check(await post(line, adapter.distribution_id, server.key, body)))
        except Unanswered as unanswered:
            reason = unanswered
    listener.has_asked()
    if reason and not listener.expected:
        raise reason


def _start(contact: Contact, endpoint: str | None) -> PushConfirmationStartRequest:
    return PushConfirmationStartRequest(contact.adapter.distribution_id, contact.method, endpoint, _DESCRIPTION)


def _check(answer: Response) -> int:
    """The transaction id. Raises _Told for a code that ends the contact, Unanswered for any other failure."""
    if isinstance(answer, PushConfirmationStart):
        return answer.transaction_id
    if ends_contact(answer.result):
        raise _Told(answer.result)
    raise Unanswered(f"{answer.result.value} {answer.result.phrase}")


def _wait_s(contact: Contact, device_s: float) -> float:
    return max(device_s * contact.host.time_scale, LEAST_WAIT_S)
