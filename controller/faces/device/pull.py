"""POST /ls and POST /rs: the pull dialogue over HTTPS (reference arms-protocol 2, 3.1-3.3), and the adapter's half of
push by https-simple, which comes to /rs as well and is answered by a `PushSide`.

Answers are 200 with the result in the XML, never chunked, one write, `Connection: close` as the clients expect. What
cannot be served soon is shed with 301, which makes clients wait; 502 and 507 never leave this controller (section 7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from aiohttp import web
from prometheus_client import Counter

from controller.authority import Authority
from controller.faces.device.shedding import Shedding
from controller.services import check_in
from controller.services.check_in import Answer, Knock, Terms
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import CannotOpen, Secrets
from protocol.arms.codes import ResultCode
from protocol.arms.http import parse_basic
from protocol.arms.messages import (
    ConfigSolicitationRequest,
    DoneRequest,
    DoneResponse,
    OtherRequest,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    PushMethodQueryRequest,
    PushRequest,
    Refusal,
    Request,
    RsSolicitationRequest,
)
from protocol.arms.xml import decode_request, encode
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

log = structlog.get_logger()

LS, RS = "/ls", "/rs"

MAX_REQUEST = 64 * 1024
"""Bytes of a request's body; the application that serves these routes sets it as its client_max_size."""
MAX_REPORT = 8 << 20
"""The same for an adapter that has shown its key: what it reports may be its whole config (4 MiB) in base64."""
_BODY_S = 30.0  # the clients' own limit for one send
_ANSWER_S = 20.0  # with shedding.WAIT_S shorter than the 30 s a client waits for an answer


Reply = Answer | PushConfirmationStart | DoneResponse


class PushSide(Protocol):
    """Answers what adapters say on their own about push. The key in the knock has not been looked at yet."""

    async def start(self, message: PushConfirmationStartRequest, knock: Knock) -> PushConfirmationStart | Refusal:
        """The adapter listens at the message's endpoint and wants to be told that it is heard."""
        ...

    async def knows(self, distribution_id: DistributionId, key: str) -> bool:
        """True when the key is that adapter's present one."""
        ...

    async def done(self, message: DoneRequest, distribution_id: DistributionId, knock: Knock) -> DoneResponse | Refusal:
        """An operation has ended. distribution_id: as claimed in the header; the message may not say one."""
        ...


@dataclass(frozen=True, slots=True)
class PullFace:
    """Both server roles of one listener; which paths they have is said by `add_to`.

    terms: with the URLs of that listener. push: None where https-simple is not served; then adapters are told to wait.
    """

    db: Database
    vault: Secrets
    authority: Authority
    terms: Terms
    clock: Callable[[], datetime]
    shedding: Shedding
    answers: Counter
    """Labels: message, result."""
    push: PushSide | None = None

    def add_to(self, app: web.Application) -> None:
        app.router.add_post(LS, self.location_server)
        app.router.add_post(RS, self.resolve_server)

    async def location_server(self, request: web.Request) -> web.Response:
        """Answers rs-solicitation; the adapter presents its LS-SA key."""
        return await self._handle(request, LS)

    async def resolve_server(self, request: web.Request) -> web.Response:
        """Answers config-solicitation, push-method-query and what `push` does.

        The adapter presents the key of its registration.
        """
        return await self._handle(request, RS)

    async def answer(self, path: str, authorization: str, source: str, body: bytes) -> bytes:
        """The body of the answer to one request, whatever is wrong with it. authorization: the header's value or "".

        Raises web.HTTPServiceUnavailable where nothing may be said.
        """
        try:
            message = decode_request(body, max_bytes=MAX_REPORT)
        except PeerMistake as error:
            # 400, not 201: any 2xx makes a client exit and reboot (arms-protocol 3.6)
            self.answers.labels("unreadable", ResultCode.BAD_REQUEST.value).inc()
            log.debug("pull cannot be read", source=source, why=str(error))
            kind, code = "generic-error", ResultCode.BAD_REQUEST
            return _encoded(Refusal(kind, code, code.phrase), kind)
        response = await self._answer(message, authorization, source, self._served_at(path))
        kind = "other" if isinstance(message, OtherRequest) else _type(message)
        self.answers.labels(kind, response.result.value).inc()
        return _encoded(response, _type(message))

    def _served_at(self, path: str) -> tuple[type[Request], ...]:
        if path == LS:
            return (RsSolicitationRequest,)
        pushed = () if self.push is None else (PushConfirmationStartRequest, DoneRequest)
        return (ConfigSolicitationRequest, PushMethodQueryRequest, *pushed)

    async def _handle(self, request: web.Request, path: str) -> web.Response:
        try:
            async with asyncio.timeout(_BODY_S):
                body = await self._body(request)
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        except (web.RequestPayloadError, web.PayloadAccessError, ConnectionError) as error:
            log.debug("pull was cut off", source=request.remote, why=str(error))
            raise web.HTTPBadRequest from None
        answer = await self.answer(path, request.headers.get("Authorization", ""), request.remote or "", body)
        reply = web.Response(body=answer, headers={"Content-Type": "text/xml", "Connection": "close"})
        reply.force_close()
        return reply

    async def _body(self, request: web.Request) -> bytes:
        """What is long is read to its end only when it comes from an adapter that may have something long to say."""
        body, limit = bytearray(), MAX_REQUEST
        async for part in request.content.iter_any():
            body += part
            if len(body) > limit:
                limit = MAX_REPORT if await self._has_reports(request) else MAX_REQUEST
            if len(body) > limit:
                raise web.HTTPRequestEntityTooLarge(limit, len(body))
        return bytes(body)

    async def _has_reports(self, request: web.Request) -> bool:
        try:
            claimed, key = parse_basic(request.headers.get("Authorization", ""))
            return self.push is not None and await self.push.knows(claimed, key)
        except PeerMistake:
            return False
        except (*TROUBLE, CannotOpen) as error:
            log.warning("report shed: it cannot be known whose it is", why=str(error) or type(error).__name__)
            raise web.HTTPServiceUnavailable from None

    async def _answer(
        self, message: Request, authorization: str, source: str, served: tuple[type[Request], ...]
    ) -> Reply:
        kind, transaction_id = _type(message), _transaction_id(message)

        def refused(code: ResultCode) -> Refusal:
            return Refusal(kind, code, code.phrase, transaction_id)

        if not isinstance(message, served):
            # No push over here: the waits of an adapter that asks are its own (301), nothing is broken.
            return refused(ResultCode.SERVER_BUSY if kind.startswith("push-") else ResultCode.BAD_REQUEST)
        try:
            claimed, key = parse_basic(authorization)
        except PeerMistake:
            return refused(ResultCode.AUTHENTICATION_FAILED)
        done = isinstance(message, DoneRequest)
        if claimed != message.distribution_id and not (done and message.distribution_id is None):
            return refused(ResultCode.DISTRIBUTION_ID_MISMATCH)
        async with self.shedding.admit(claimed, source, counted=not done) as admitted:
            knock = Knock(key, source, self.clock())
            served_now = await self._served(message, claimed, knock) if admitted else None
        if served_now is None and done:  # any code in an answer would end the transaction; this makes the client retry
            raise web.HTTPServiceUnavailable
        return served_now or refused(ResultCode.SERVER_BUSY)

    async def _served(self, message: Request, claimed: DistributionId, knock: Knock) -> Reply | None:
        """None when it cannot be served now: the adapter shall wait and ask again."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                match message:
                    case RsSolicitationRequest():
                        return await check_in.solicit_rs(self.db, self.vault, self.terms, message, knock)
                    case ConfigSolicitationRequest():
                        return await check_in.solicit_config(
                            self.db, self.vault, self.authority, self.terms, message, knock
                        )
                    case PushMethodQueryRequest():
                        return await check_in.query_push_method(self.db, self.vault, self.terms, message, knock)
                    case PushConfirmationStartRequest() if self.push is not None:
                        return await self.push.start(message, knock)
                    case DoneRequest() if self.push is not None:
                        return await self.push.done(message, claimed, knock)
                    case _:
                        raise AssertionError("not served here; _answer has refused it")
        except (*TROUBLE, TimeoutError) as error:
            log.warning("pull shed: the database does not answer", why=str(error) or type(error).__name__)
        except CannotOpen as error:
            log.error("pull shed: a stored secret cannot be opened", why=str(error))  # noqa: TRY400 (the sentence is all)
        return None


def _encoded(response: Reply, kind: str) -> bytes:
    try:
        return encode(response)
    except OurMistake as error:
        log.error("answer cannot be encoded; the adapter is told to wait", why=str(error))  # noqa: TRY400
        return encode(Refusal(kind, ResultCode.SERVER_BUSY, ResultCode.SERVER_BUSY.phrase))


def _transaction_id(message: Request) -> int | None:
    """What a refusal must carry so that clients look at its code."""
    match message:
        case DoneRequest():
            return message.transaction_id
        case PushConfirmationStartRequest():
            return 0  # it is ours to choose, and none is needed
        case _:
            return None


def _type(message: Request) -> str:
    match message:
        case RsSolicitationRequest():
            return "rs-solicitation"
        case ConfigSolicitationRequest():
            return "config-solicitation"
        case PushMethodQueryRequest():
            return "push-method-query"
        case PushConfirmationStartRequest():
            return "push-confirmation-start"
        case PushConfirmationDoneRequest():
            return "push-confirmation-done"
        case PushRequest():
            return message.kind.value
        case DoneRequest():
            return f"{message.kind.value}-done"
        case OtherRequest():
            return message.type
