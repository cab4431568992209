"""Push by https-simple, as far as the adapter begins it: its confirmation and its reports, which come to POST /rs.

The controller then connects to the endpoint that the adapter named, but only when that is the very address that the
request came from: nobody makes us connect anywhere else. pull.py has read and decoded the request.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog

from controller.logs import Seldom
from controller.ports import AnswerLost, NotSent, Pusher, Reach
from controller.services import operations, reaches
from controller.services.check_in import Knock
from controller.services.reaches import Admitted
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import Secrets
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    DoneRequest,
    DoneResponse,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    Refusal,
)
from protocol.ids import DistributionId

log = structlog.get_logger()

METHOD = "https-simple"
MAX_AT_ONCE = 256
"""Confirmations under way; further adapters are told to wait and ask again."""

_PUSH_S = 20.0
_RECORD_S = 20.0
_AFTER_ANSWER_S = 0.1  # clients are single-threaded: first they read the answer that has the transaction id
_START = "push-confirmation-start"


@dataclass(frozen=True, slots=True)
class SimpleFace:
    """Implements pull.PushSide for one listener. legacy: adapters come to it with TLS 1.0, and serve that too.

    wake: called when an adapter has just become reachable.
    """

    db: Database
    vault: Secrets
    clock: Callable[[], datetime]
    pusher: Pusher
    legacy: bool = False
    wake: Callable[[], None] = lambda: None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _seldom: Seldom = field(default_factory=lambda: Seldom(log))

    async def start(self, message: PushConfirmationStartRequest, knock: Knock) -> PushConfirmationStart | Refusal:
        """Answer with a transaction id and, after that, push the done to the endpoint.

        400 for an endpoint elsewhere, 404, 403, 501 as `reaches.admit`, 301 when too many are under way. All of them
        make clients wait before they try again or go over to the next method (reference arms-protocol 3.6).
        """
        if len(self._tasks) >= MAX_AT_ONCE:
            return _refused(ResultCode.SERVER_BUSY)
        admitted = await reaches.admit(self.db, self.vault, message.distribution_id, knock.key)
        if isinstance(admitted, ResultCode):
            return _refused(admitted)
        endpoint = _endpoint(message.endpoint or "", knock.source) if message.method == METHOD else None
        digest = await reaches.certificate_sha256(self.db, admitted)
        if endpoint is None or digest is None:
            said = {"adapter": admitted.serial, "endpoint": (message.endpoint or "")[:200], "source": knock.source}
            self._seldom.warning("endpoint", "An endpoint is refused: elsewhere, or without a certificate.", **said)
            return _refused(ResultCode.BAD_REQUEST)
        reach = Reach(admitted.serial, admitted.distribution_id, None, endpoint, knock.key, digest, self.legacy)
        transaction = 1 + secrets.randbelow((1 << 31) - 1)
        task = asyncio.create_task(self._confirm(admitted, reach, transaction, knock.source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return PushConfirmationStart(ResultCode.SUCCESS, "Success", transaction)

    async def knows(self, distribution_id: DistributionId, key: str) -> bool:
        """See PushSide."""
        return isinstance(await reaches.admit(self.db, self.vault, distribution_id, key), Admitted)

    async def done(self, message: DoneRequest, distribution_id: DistributionId, knock: Knock) -> DoneResponse | Refusal:
        """An operation has ended; see services.operations.done. Raises what the database raises: say nothing then."""
        admitted = await reaches.admit(self.db, self.vault, distribution_id, knock.key)
        if isinstance(admitted, ResultCode):
            return Refusal(f"{message.kind.value}-done", admitted, admitted.phrase, message.transaction_id)
        return await operations.done(self.db, admitted.serial, message, self.clock())

    async def close(self) -> None:
        """Give up the confirmations under way; the adapters try again."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)

    async def _confirm(self, admitted: Admitted, reach: Reach, transaction: int, source: str) -> None:
        await asyncio.sleep(_AFTER_ANSWER_S)
        request = PushConfirmationDoneRequest(admitted.distribution_id, transaction, "hikitsugi")
        try:
            answer = await self.pusher.push(reach, request, deadline_s=_PUSH_S)
            if answer.result is not ResultCode.SUCCESS:
                log.info("An endpoint is not confirmed.", adapter=reach.serial, why=answer.result.phrase)
                return
            async with asyncio.timeout(_RECORD_S):
                known = await reaches.confirmed(
                    self.db,
                    admitted,
                    method=METHOD,
                    endpoint=reach.endpoint,
                    source=source,
                    legacy=self.legacy,
                    now=self.clock(),
                )
        except (NotSent, AnswerLost) as error:
            log.info("An endpoint is not confirmed.", adapter=reach.serial, why=str(error))
        except (*TROUBLE, TimeoutError) as error:
            why = str(error) or type(error).__name__
            self._seldom.warning("confirmation", "A confirmation cannot be recorded.", adapter=reach.serial, why=why)
        else:
            if known:
                self.wake()


def _refused(code: ResultCode) -> Refusal:
    return Refusal(_START, code, code.phrase, transaction_id=0)  # without one a client never looks at the code


def _endpoint(url: str, source: str) -> str | None:
    """The endpoint as we shall use it; None unless it is https at the address that asks, with a port."""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
        named, asking = ip_address(parts.hostname or ""), ip_address(source)
    except ValueError:
        return None
    mapped = asking.ipv4_mapped if asking.version == 6 else None  # an IPv4 client of a listener for both families
    if parts.scheme != "https" or parts.username is not None or named not in (asking, mapped):
        return None
    return f"https://{f'[{named}]' if named.version == 6 else named}:{port}/"
