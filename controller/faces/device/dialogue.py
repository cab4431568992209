"""What is said in a tunnel: the confirmation, reports of operations, answers to what was asked.

    push-confirmation-start   answer, push the done, services.reaches.confirmed
    *-done                    services.operations.done
    answers                   whoever waits in transports.arms.tunnels

An adapter's message that cannot be dealt with is never answered by a wrong one: a report that cannot be recorded closes
the tunnel, and the adapter, which got no answer, tries again (reference arms-protocol 3.5, 4.4, 7).
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import structlog

from controller.faces.device.tunnel import Tunnel
from controller.logs import Seldom
from controller.ports import AnswerLost, NotSent
from controller.services import operations, reaches
from controller.services.reaches import Admitted
from controller.store.pool import TROUBLE, Database
from controller.transports.arms.tunnels import Tunnels
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    DoneRequest,
    DoneResponse,
    GenericError,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    PushResponse,
    Refusal,
    Request,
    Response,
)
from protocol.arms.xml import decode_message, encode
from protocol.errors import PeerMistake

log = structlog.get_logger()

_RECORD_S = 20.0  # for what the database has to say to one message
_CONFIRM_S = 30.0  # what clients wait for push-confirmation-done
_MAX_UNREADABLE = 5
_AT_ONCE = 256 << 10  # bytes of a message that is read on the event loop: at worst 70 ms, usually 2
_MAX_LARGE = 4  # larger messages of one tunnel that wait to be read


class Holder(Protocol):
    """What the dialogue tells whoever keeps the tunnels."""

    @property
    def controller(self) -> int:
        """Our id in the database."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it as a task that somebody waits for."""

    def confirmed(self, tunnel: Tunnel) -> None:
        """The database knows this tunnel, or may know it; it may be closed meanwhile."""


@dataclass(slots=True)
class Dialogue:
    """One for all tunnels. What it keeps is of tunnels in which something goes on; idle ones cost nothing."""

    db: Database
    clock: Callable[[], datetime]
    tunnels: Tunnels
    holder: Holder
    seldom: Seldom
    _reports: dict[int, deque[DoneRequest]] = field(default_factory=dict)
    _confirming: set[int] = field(default_factory=set)
    _unreadable: dict[int, int] = field(default_factory=dict)  # messages in a row
    _large: dict[int, int] = field(default_factory=dict)  # messages that wait to be read
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def forget(self, number: int) -> None:
        """The tunnel is gone."""
        self._unreadable.pop(number, None)

    def heard(self, tunnel: Tunnel, body: bytes) -> None:
        """One whole message. Answers find who waits for them at once; requests are worked on in tasks."""
        if len(body) > _AT_ONCE:
            if self._large.get(tunnel.number, 0) >= _MAX_LARGE:
                tunnel.hang_up("It sends large messages faster than they can be read.")
                return
            self._large[tunnel.number] = self._large.get(tunnel.number, 0) + 1
            self.holder.spawn(self._heard_large(tunnel, body))
            return
        try:
            self._take(tunnel, decode_message(body))
        except PeerMistake as error:
            self._unread(tunnel, str(error))

    async def _heard_large(self, tunnel: Tunnel, body: bytes) -> None:
        """In a thread, one at a time: full of markup, 8 MiB take two seconds, and all others would wait for them."""
        try:
            async with self._reading:
                message = await asyncio.to_thread(decode_message, body)
            if tunnel.is_open:
                self._take(tunnel, message)
        except PeerMistake as error:
            self._unread(tunnel, str(error))
        finally:
            self._large[tunnel.number] -= 1
            if not self._large[tunnel.number]:
                del self._large[tunnel.number]

    def _take(self, tunnel: Tunnel, message: Request | Response) -> None:
        match message:
            case PushResponse() | PushConfirmationDone() | Refusal() | GenericError():
                if not self.tunnels.answered(tunnel.number, message):
                    log.debug("answer to nothing", adapter=tunnel.serial, type=type(message).__name__)
            case DoneRequest():
                self._take_report(tunnel, message)
            case PushConfirmationStartRequest():
                self._start_confirmation(tunnel, message)
            case _:
                self._unread(tunnel, f"{type(message).__name__} is nothing that an adapter says in a tunnel")
                return
        self._unreadable.pop(tunnel.number, None)

    def _unread(self, tunnel: Tunnel, reason: str) -> None:
        """No answer: one to a request that was not understood could mean anything."""
        times = self._unreadable.get(tunnel.number, 0) + 1
        self._unreadable[tunnel.number] = times
        self.seldom.warning("tunnel-message", "A message cannot be read.", adapter=tunnel.serial, why=reason)
        if times >= _MAX_UNREADABLE:
            tunnel.hang_up(f"{times} messages in a row could not be read.")

    def _start_confirmation(self, tunnel: Tunnel, message: PushConfirmationStartRequest) -> None:
        kind = "push-confirmation-start"
        if message.distribution_id != tunnel.admitted.distribution_id:
            code = ResultCode.DISTRIBUTION_ID_MISMATCH
        elif tunnel.number in self._confirming:
            code = ResultCode.SERVER_BUSY
        else:
            # After a configure libarms confirms all its tunnels anew, open ones too, and drops what was under way.
            self.tunnels.forgotten(tunnel.number)
            transaction = 1 + secrets.randbelow((1 << 31) - 1)
            self._confirming.add(tunnel.number)
            tunnel.answer(encode(PushConfirmationStart(ResultCode.SUCCESS, "Success", transaction)))
            self.holder.spawn(self._confirm(tunnel, transaction))
            return
        tunnel.answer(encode(Refusal(kind, code, code.phrase, transaction_id=0)))

    async def _confirm(self, tunnel: Tunnel, transaction: int) -> None:
        admitted, number = tunnel.admitted, tunnel.number
        request = PushConfirmationDoneRequest(admitted.distribution_id, transaction, "hikitsugi")
        try:
            answer = await self.tunnels.push(number, request, deadline_s=_CONFIRM_S)
            if answer.result is not ResultCode.SUCCESS or answer.transaction_id not in (transaction, None):
                tunnel.hang_up(f"It answered the confirmation with {answer.result.phrase}.")
                return
            async with asyncio.timeout(_RECORD_S):
                known = await reaches.confirmed(
                    self.db,
                    admitted,
                    method="https-tunnel",
                    controller=self.holder.controller,
                    tunnel=number,
                    source=tunnel.source,
                    legacy=tunnel.legacy,
                    now=self.clock(),
                )
        except (NotSent, AnswerLost) as error:
            tunnel.hang_up(str(error))
            return
        except (*TROUBLE, TimeoutError) as error:
            self.holder.confirmed(tunnel)  # it may have been recorded all the same
            tunnel.hang_up(f"Its confirmation cannot be recorded: {why(error)}.")
            return
        finally:
            self._confirming.discard(number)
        if known:
            self.holder.confirmed(tunnel)
        else:
            tunnel.hang_up("Its registration changed while it was confirmed.")

    def _take_report(self, tunnel: Tunnel, report: DoneRequest) -> None:
        """Reports of a tunnel are recorded one after the other; it is not read meanwhile."""
        waiting = self._reports.get(tunnel.number)
        if waiting is not None:
            waiting.append(report)
            return
        self._reports[tunnel.number] = deque((report,))
        tunnel.pause_reading()
        self.holder.spawn(self._record(tunnel))

    async def _record(self, tunnel: Tunnel) -> None:
        waiting = self._reports[tunnel.number]
        try:
            while waiting:
                tunnel.answer(encode(await self._answer(tunnel.admitted, waiting[0])))
                waiting.popleft()
            tunnel.resume_reading()
        except (*TROUBLE, TimeoutError) as error:
            fields = {"adapter": tunnel.serial, "why": why(error)}
            self.seldom.warning("tunnel-report", "A report cannot be recorded; the adapter repeats it.", **fields)
            tunnel.close()  # without an answer
        finally:
            del self._reports[tunnel.number]

    async def _answer(self, admitted: Admitted, report: DoneRequest) -> DoneResponse:
        if report.distribution_id not in (admitted.distribution_id, None):
            code = ResultCode.DISTRIBUTION_ID_MISMATCH
            return DoneResponse(report.kind, report.transaction_id, code, code.phrase)
        async with asyncio.timeout(_RECORD_S):
            return await operations.done(self.db, admitted.serial, report, self.clock())


def why(error: BaseException) -> str:
    """What a log says of it."""
    return str(error) or type(error).__name__
