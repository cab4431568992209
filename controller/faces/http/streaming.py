"""Sending an answer whose length is not known when it begins."""

import asyncio
from time import monotonic

from aiohttp import web

from controller.faces.http.call import Call
from controller.faces.http.observe import loggable
from controller.faces.http.payload import Stream
from controller.faces.http.problems import log

PATIENCE_S = 60.0
"""How long a reader may take for one chunk. Who reads nothing would else hold files, memory and a place for ever."""


async def send(call: Call, status: int, stream: Stream, first: bytes) -> web.StreamResponse:
    """Send `first` and the rest. A failure in the middle cuts the connection: an orderly end would make a part look
    like the whole."""
    ends_at = monotonic() + stream.longest_s
    response = web.StreamResponse(status=status, headers=call.headers)
    response.content_type = stream.content_type
    if stream.filename:
        response.headers["Content-Disposition"] = f'attachment; filename="{stream.filename}"'
    try:
        await response.prepare(call.request)
        await _write(response, first, ends_at)
        async for chunk in stream.chunks:
            await _write(response, chunk, ends_at)
        await response.write_eof()
    except _TooSlow:
        log.info("The reader of a streamed answer does not read on", path=loggable(call.request))
        if call.request.transport is not None:
            call.request.transport.abort()
    except ConnectionError:
        log.info("The reader of a streamed answer has gone", path=loggable(call.request))
    except Exception:
        log.exception("A streamed answer broke off", path=loggable(call.request))
        if call.request.transport is not None:
            call.request.transport.abort()
    finally:
        await close(stream)
    return response


class _TooSlow(Exception):
    """Nothing was read for PATIENCE_S, or not all of it in the time that the stream has."""


async def _write(response: web.StreamResponse, chunk: bytes, ends_at: float) -> None:
    patience_s = min(PATIENCE_S, ends_at - monotonic())
    if patience_s <= 0:
        raise _TooSlow
    try:
        async with asyncio.timeout(patience_s):
            await response.write(chunk)
    except TimeoutError as error:
        raise _TooSlow from error


async def close(stream: Stream) -> None:
    """Let the source of the chunks release what it holds, now and not when it is collected."""
    closing = getattr(stream.chunks, "aclose", None)
    if closing is not None:
        await closing()
