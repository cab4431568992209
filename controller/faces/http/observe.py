"""What every request gets, whatever becomes of it: an id, a language, a log line, metrics, headers, and its problem."""

import re
import secrets
import time
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from structlog.contextvars import bound_contextvars

from controller.domain.errors import ControllerError
from controller.faces.http.call import LANGUAGE, REFERENCE
from controller.faces.http.problems import Busy, from_router, internal, problem
from controller.faces.metrics import Metrics
from controller.store.pool import is_away, is_full
from controller.words import negotiate

log = structlog.get_logger("hikitsugi.http")

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32,}")

SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def observe(metrics: Metrics) -> Middleware:
    """The outermost middleware."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REFERENCE] = reference = _reference(request)
        request[LANGUAGE] = negotiate(request.headers.get("Accept-Language", ""))
        route = template(request)
        started = time.perf_counter()
        with bound_contextvars(request=reference), metrics.requests_under_way.track_inprogress():
            response = await _answered(request, handler)
            took_s = time.perf_counter() - started
            metrics.requests.labels(request.method, route, response.status).inc()
            metrics.request_seconds.labels(request.method, route).observe(took_s)
            log.info(
                f"{request.method} {loggable(request)} {response.status}",
                method=request.method,
                route=route,
                status=response.status,
                took_ms=round(took_s * 1000, 1),
                peer=request.remote,
            )
        return response

    return middleware


def template(request: web.Request) -> str:
    """The route's path with its variables unfilled, or "unknown": labels must not grow with traffic."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def loggable(request: web.Request) -> str:
    """The path without what may be the token of a link: who reads the log must not be able to follow it."""
    return _TOKEN.sub("…", request.rel_url.raw_path)


async def no_version(_: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: strangers learn no versions."""
    response.headers["Server"] = "hikitsugi"


async def security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: also covers streams."""
    response.headers["X-Request-Id"] = request.get(REFERENCE, "")
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return problem(from_router(error, request), request[LANGUAGE], request[REFERENCE])
    except Exception as error:
        if told := as_told(error):
            return problem(told, request[LANGUAGE], request[REFERENCE])
        return internal(request[REFERENCE], request[LANGUAGE])


def as_told(error: Exception) -> ControllerError | None:
    """What a client is told of an exception: itself, or that the database is away; None for a bug of ours."""
    if isinstance(error, ControllerError):
        return error
    if is_full(error):
        log.error("The database's disk is full.", error=str(error))
        return Busy(
            "The database's disk is full; nothing was changed.",
            next_step="Make room on the disk of the controller's database, then try again.",
            retry_after_s=60,
        )
    if not is_away(error):
        return None
    log.warning("The database does not answer.", error=str(error) or type(error).__name__)
    return Busy(
        "The database does not answer now.",
        next_step="Try again in a few seconds; if it lasts, look at /readyz and the controller's log.",
        retry_after_s=5,
    )


def _reference(request: web.Request) -> str:
    """The caller's own id if it is a harmless word, so that one id follows a request through several systems."""
    given = request.headers.get("X-Request-Id", "")
    return given if re.fullmatch(r"[A-Za-z0-9._-]{8,64}", given) else secrets.token_hex(8)
