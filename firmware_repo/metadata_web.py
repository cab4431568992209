"""The HTTP face of signed metadata: GET and HEAD of one document, to whom `authorise` lets have it.

    application.add_routes(routes(read, authorise))

What an adapter that is up to date asks for: the next root (404), and the timestamp with If-None-Match (304). All
versioned documents never change; only timestamp.json does, so it is always asked for anew.
"""

import hashlib
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from firmware_repo.hooks import Asker, Refusal

PATH = r"/firmware/metadata/{file:(?:[1-9][0-9]{0,8}\.[a-z][a-z0-9]{0,15}|timestamp)\.json}"

Read = Callable[[str], Awaitable[bytes | Refusal | None]]
"""A document by its name, None: there is none; a Refusal while that cannot be said."""

Allowed = Callable[[Asker], Awaitable[Refusal | None]]
"""None lets the asker read. It is asked before anything is looked up."""

_FOR_EVER = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"


def routes(read: Read, authorise: Allowed) -> list[web.RouteDef]:
    """GET and HEAD of PATH, for any aiohttp application."""

    async def answer(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if refusal := await authorise(Asker(request.remote or "", headers)):
            return _refused(refusal)
        found = await read(file := request.match_info["file"])
        if found is None:
            return web.Response(status=404, text=f"There is no {file}.\n", headers={hdrs.CACHE_CONTROL: "no-store"})
        return _refused(found) if isinstance(found, Refusal) else _document(request, file, found)

    return [web.get(PATH, answer, allow_head=True)]


def _refused(refusal: Refusal) -> web.Response:
    return web.Response(status=refusal.status, text=refusal.sentence + "\n", headers=refusal.headers)


def _document(request: web.Request, file: str, body: bytes) -> web.Response:
    etag = hashlib.sha256(body).hexdigest()
    headers = {
        hdrs.ETAG: f'"{etag}"',
        hdrs.CACHE_CONTROL: _ASK_AGAIN if file == "timestamp.json" else _FOR_EVER,
    }
    known = request.if_none_match or ()
    if any(tag.value in (etag, "*") for tag in known):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)
