"""One request through one route: admit, read, validate, call, answer. The order is the point: nobody we do not know
gets a body read, and no handler runs before every parameter is right."""

import asyncio
import contextlib
import hashlib
import tempfile
from collections.abc import Mapping
from typing import Any, BinaryIO, Final, cast

from aiohttp import web
from structlog.contextvars import bind_contextvars

from controller.domain.errors import ControllerError, Fault
from controller.faces.http import idempotency, streaming, validation
from controller.faces.http.auth import Authenticate, admit
from controller.faces.http.call import LANGUAGE, REFERENCE, Call
from controller.faces.http.idempotency import IdempotencyStore, Replay
from controller.faces.http.payload import Stream, Upload
from controller.faces.http.problems import Busy, problem
from controller.faces.http.reading import check_content_type, read_body
from controller.faces.http.routes import Route

IN_MEMORY: Final = 1024 * 1024  # bytes of a body before it goes to disk
KEPT_HEADERS: Final = frozenset({"Content-Type", "Content-Language", "Location"})

Arguments = dict[str, Any]  # Any: the handler's own types; validation has checked them
Answer = web.Response | Stream


class Dispatch:
    """Answers the requests of one route. provided: what handlers ask for by type."""

    def __init__(
        self,
        route: Route,
        authenticate: Authenticate,
        store: IdempotencyStore | None,
        provided: Mapping[type, object],
    ) -> None:
        self.route = route
        self._authenticate = authenticate
        self._store = store
        self._provided = {name: _provide(route, kind, provided) for name, kind in route.signature.provided.items()}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The handler's answer, after everything that must come before it. Raises ControllerError."""
        call = Call(request, request[REFERENCE], request[LANGUAGE])
        with contextlib.closing(cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY))) as file:
            answer, first = await self._in_time(call, file)
            if isinstance(answer, Stream):
                return await streaming.send(call, self.route.success, answer, first)
            return answer

    async def _in_time(self, call: Call, file: BinaryIO) -> tuple[Answer, bytes]:
        """The answer, and the first chunk of a streamed one."""
        try:
            async with asyncio.timeout(self.route.deadline_s) as deadline:
                answer = await self._admitted(call, file)
                return answer, await anext(answer.chunks, b"") if isinstance(answer, Stream) else b""
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise Busy(
                "This took longer than {deadline_s} seconds and was given up.",
                next_step="Look whether it was done all the same, then try again.",
                retry_after_s=5,
                deadline_s=self.route.deadline_s,
            ) from error

    async def _admitted(self, call: Call, file: BinaryIO) -> Answer:
        call.who = await admit(self.route, call.request, self._authenticate)
        if call.who:
            bind_contextvars(account=call.who.account)
        arguments, digest = await self._arguments(call, file)
        if call.idempotency_key and call.who and self._store:
            return await self._once(self._store, call, arguments, digest)
        return await self._run(call, arguments)

    async def _arguments(self, call: Call, file: BinaryIO) -> tuple[Arguments, bytes]:
        """All arguments of the handler, and the sha256 of the body. Raises Invalid with everything that is wrong."""
        faults: list[Fault] = []
        if self.route.writes:
            call.idempotency_key = idempotency.key_of(call.request, faults)
        arguments = validation.parameters(self.route.signature, call.request, faults) | self._provided
        digest = await self._body(call.request, file, arguments, faults)
        validation.refuse(faults)
        if self.route.signature.call:
            arguments[self.route.signature.call] = call
        return arguments, digest

    async def _body(self, request: web.Request, file: BinaryIO, arguments: Arguments, faults: list[Fault]) -> bytes:
        body = self.route.signature.body
        if body is None or (not body.required and not request.body_exists):
            return hashlib.sha256().digest()
        check_content_type(request, body)
        digest = await read_body(request, file, self.route.body_limit, self.route.patience_s)
        size = file.tell()
        file.seek(0)
        if body.adapter is None:
            arguments[body.name] = Upload(file, size, digest, request.content_type)
        else:
            arguments[body.name] = validation.json_body(body.adapter, file.read(), faults)
        return digest

    async def _once(self, store: IdempotencyStore, call: Call, arguments: Arguments, digest: bytes) -> Answer:
        """Run under the call's key, or give the answer of the first run.

        A run that is cancelled (deadline, kill) keeps the key until its lease ends: nobody knows how far it came.
        """
        who, key = call.caller, call.idempotency_key or ""
        first_answer = idempotency.replay(await store.begin(who, key, idempotency.fingerprint(call.request, digest)))
        if first_answer is not None:
            return first_answer
        try:
            answer = await self._run(call, arguments)
        except ControllerError as error:
            answer = problem(error, call.language, call.reference)
        except Exception:
            await store.abandon(who, key)
            raise
        if isinstance(answer, Stream) or answer.status >= 500 or answer.status == 429:
            await store.abandon(who, key)
        else:
            await store.finish(who, key, _kept(answer))
        return answer

    async def _run(self, call: Call, arguments: Arguments) -> Answer:
        result = await self.route.handler(**arguments)
        adapter = self.route.signature.returns
        if isinstance(result, Stream):
            return result
        if adapter is None:
            return web.Response(status=self.route.success, headers=call.headers)
        text = adapter.dump_json(result, by_alias=True)
        return web.Response(status=self.route.success, headers=call.headers, body=text, content_type="application/json")


def _kept(answer: web.Response) -> Replay:
    headers = {name: value for name, value in answer.headers.items() if name in KEPT_HEADERS}
    return Replay(answer.status, headers, answer.body if isinstance(answer.body, bytes) else b"")


def _provide(route: Route, kind: type, provided: Mapping[type, object]) -> object:
    if kind not in provided:
        raise TypeError(f"{route}: nobody provides {kind.__name__}; pass it to build(provide=...)")
    return provided[kind]
