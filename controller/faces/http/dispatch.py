"""One request through one route: admit, read, validate, call, answer. The order is the point: nobody we do not know
gets a body parsed, and nothing runs before every parameter is right."""

import asyncio
import contextlib
import hashlib
import tempfile
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

from aiohttp import web

from controller.domain.access import Caller
from controller.domain.errors import ControllerError, Fault
from controller.faces.http import idempotency, problems, validation
from controller.faces.http.auth import Authenticate, admit
from controller.faces.http.call import Call
from controller.faces.http.idempotency import IdempotencyStore, Replay
from controller.faces.http.payload import Stream, Upload
from controller.faces.http.problems import Busy, Malformed, TooLarge, TooSlow, WrongContentType, problem
from controller.faces.http.routes import Route
from controller.faces.http.signature import Body

BODY_PATIENCE_S = 20.0  # without a byte of the body
IN_MEMORY = 1024 * 1024


class Dispatch:
    """Answers the requests of one route. provided: what handlers ask for by type."""

    def __init__(
        self,
        route: Route,
        authenticate: Authenticate,
        idempotency_store: IdempotencyStore | None,
        provided: Mapping[type, object],
    ) -> None:
        self.route = route
        self._authenticate = authenticate
        self._store = idempotency_store
        self._provided = {name: _provide(route, kind, provided) for name, kind in route.signature.provided.items()}

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        call = Call(request, request["reference"], request["language"])
        try:
            async with asyncio.timeout(self.route.deadline_s):
                call.who = await admit(self.route, request, self._authenticate)
                answer = await self._admitted(call)
                first = await _first_chunk(answer) if isinstance(answer, Stream) else b""
        except TimeoutError as error:
            raise Busy(
                "This took longer than {deadline_s} seconds and was given up.",
                next_step="Look at the state of things, then try again.",
                retry_after_s=5,
                deadline_s=self.route.deadline_s,
            ) from error
        if isinstance(answer, Stream):
            return await _stream(call, self.route, answer, first)
        answer.headers.update(call.headers)
        return answer

    async def _admitted(self, call: Call) -> web.Response | Stream:
        faults: list[Fault] = []
        arguments = validation.parameters(self.route.signature, call.request, faults)
        with contextlib.closing(cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY))) as file:
            digest = await self._body(call.request, file, arguments, faults)
            validation.refuse(faults)
            arguments |= self._provided
            if self.route.signature.call:
                arguments[self.route.signature.call] = call
            if self.route.writes:
                call.idempotency_key = idempotency.key_of(call.request)
            if call.idempotency_key and call.who and self._store:
                return await self._once(self._store, call, call.who, call.idempotency_key, digest, arguments)
            return await self._run(arguments)

    async def _body(
        self, request: web.Request, file: BinaryIO, arguments: dict[str, Any], faults: list[Fault]
    ) -> bytes:
        """Read the body into `file` and its value into `arguments`. Returns its sha256."""
        body = self.route.signature.body
        if body is None or (not body.required and not request.body_exists):
            return hashlib.sha256().digest()
        _check_content_type(request, body)
        digest = await _read(request, file, self.route.body_limit)
        size = file.tell()
        file.seek(0)
        if body.adapter is None:
            arguments[body.name] = Upload(file, size, digest, request.content_type)
        else:
            arguments[body.name] = validation.json_body(body.adapter, file.read(), faults)
        return digest

    async def _once(
        self, store: IdempotencyStore, call: Call, who: Caller, key: str, digest: bytes, arguments: dict[str, Any]
    ) -> web.Response | Stream:
        """Run under the key, or answer what the first run answered. A cancelled run keeps its key until the lease ends:
        nobody knows how far it came."""
        replayed = idempotency.replay(await store.begin(who, key, idempotency.fingerprint(call.request, digest)))
        if replayed is not None:
            return replayed
        try:
            answer = await self._run(arguments)
        except ControllerError as error:
            answer = problem(error, call.language, call.reference)
        except Exception:
            await store.abandon(who, key)
            raise
        if isinstance(answer, Stream) or answer.status >= 500 or answer.status == 429:
            await store.abandon(who, key)
            return answer
        await store.finish(
            who,
            key,
            Replay(answer.status, answer.headers.get("Content-Type", ""), bytes(cast(bytes, answer.body) or b"")),
        )
        return answer

    async def _run(self, arguments: dict[str, Any]) -> web.Response | Stream:
        result = await self.route.handler(**arguments)
        if isinstance(result, Stream):
            return result
        status = self.route.status or 200
        adapter = self.route.signature.returns
        if adapter is None:
            return web.Response(status=status)
        return web.Response(
            status=status, body=adapter.dump_json(result, by_alias=True), content_type="application/json"
        )


def _provide(route: Route, kind: type, provided: Mapping[type, object]) -> object:
    if kind not in provided:
        raise TypeError(f"{route}: nobody provides {kind.__name__}; pass it to build(provide=...)")
    return provided[kind]


def _check_content_type(request: web.Request, body: Body) -> None:
    if "Content-Encoding" in request.headers:
        raise WrongContentType("The body is compressed; this is not supported.", next_step="Send it as it is.")
    given = request.content_type if "Content-Type" in request.headers else "none"
    charset = (request.charset or "utf-8").lower()
    if given not in body.content_types or charset not in ("utf-8", "us-ascii"):
        raise WrongContentType(
            "The body must be {wanted} in UTF-8, not {given}.",
            next_step="Set the Content-Type header to what you send.",
            wanted=body.content_types,
            given=given if charset == "utf-8" else f"{given}; charset={charset}",
        )


async def _read(request: web.Request, file: BinaryIO, limit: int) -> bytes:
    """Spool the body into `file`. Raises TooLarge, TooSlow, Malformed. Returns its sha256."""
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    digest = hashlib.sha256()
    try:
        while True:
            async with asyncio.timeout(BODY_PATIENCE_S):
                chunk = await request.content.readany()
            if not chunk:
                return digest.digest()
            digest.update(chunk)
            file.write(chunk)
            if file.tell() > limit:
                raise _too_large(limit)
    except TimeoutError as error:
        raise TooSlow("The body did not arrive in time.", next_step="Send it again without pauses.") from error
    except (web.PayloadAccessError, web.RequestPayloadError, ConnectionError) as error:
        raise Malformed("The body was cut off.", next_step="Send the whole request again.") from error


def _too_large(limit: int) -> TooLarge:
    return TooLarge("The body is over the limit of {limit} bytes.", next_step="Send it in smaller parts.", limit=limit)


async def _first_chunk(answer: Stream) -> bytes:
    return await anext(answer.chunks, b"")


async def _stream(call: Call, route: Route, answer: Stream, first: bytes) -> web.StreamResponse:
    response = web.StreamResponse(status=route.status or 200, headers=call.headers)
    response.content_type = answer.content_type
    if answer.filename:
        response.headers["Content-Disposition"] = f'attachment; filename="{answer.filename}"'
    chunks = answer.chunks
    try:
        await response.prepare(call.request)
        await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        return response  # the client has gone; nobody is left to tell
    except Exception:
        problems.log.exception("A streamed answer broke off", path=call.request.path)
        if call.request.transport is not None:
            call.request.transport.abort()  # an orderly end would make a part look like the whole
    finally:
        if hasattr(chunks, "aclose"):
            await chunks.aclose()
    return response
