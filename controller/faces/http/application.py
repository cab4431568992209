"""Routes become an application; the application gets its limits."""

import logging
from collections.abc import Iterable, Sequence

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from controller.faces.http import observe, swagger
from controller.faces.http.auth import Authenticate
from controller.faces.http.dispatch import Dispatch
from controller.faces.http.idempotency import IdempotencyStore
from controller.faces.http.lifetime import Drain
from controller.faces.http.openapi import document
from controller.faces.http.routes import Route
from controller.faces.metrics import Metrics


def build(
    routes: Sequence[Route],
    *,
    authenticate: Authenticate,
    metrics: Metrics,
    version: str,
    prefix: str = "/api/v1",
    idempotency: IdempotencyStore | None = None,
    provide: Iterable[object] = (),
    drain: Drain | None = None,
) -> web.Application:
    """The application that serves `routes` below `prefix`, their API document and its pages.

    provide: objects that handlers ask for by their class. Without `idempotency`, keys are accepted and have no effect.
    Add further routes (metrics, health) to the result's router before it runs.
    Raises TypeError or ValueError where routes contradict each other or need what nobody provides.
    """
    described = document(routes, prefix=prefix, version=version)
    drain = drain or Drain()
    provided = {type(thing): thing for thing in provide}
    app = web.Application(middlewares=[observe.observe(metrics), drain.middleware])
    app.on_response_prepare.append(observe.security_headers)
    for route in routes:
        app.router.add_route(
            route.method, prefix + route.path, Dispatch(route, authenticate, idempotency, provided).answer
        )
    swagger.add(app, prefix, described)
    return app


class Calm(logging.Filter):
    """What strangers send to an open port is worth a line a minute, not a traceback at ERROR each time."""

    def __init__(self, every_s: float = 60.0) -> None:
        super().__init__()
        self._every_s, self._next_at, self._suppressed = every_s, 0.0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        if record.created < self._next_at:
            self._suppressed += 1
            return False
        record.levelno, record.levelname, record.exc_info = logging.INFO, "INFO", None
        record.msg = "Not HTTP, refused: %s (%d more since the last one)"
        record.args = error.message.split("\n")[0][:200], self._suppressed
        self._next_at, self._suppressed = record.created + self._every_s, 0
        return True


_server_log = logging.getLogger("hikitsugi.http.server")
_server_log.addFilter(Calm())


def runner(app: web.Application, *, drain_s: float = 8.0, idle_s: float = 60.0) -> web.AppRunner:
    """The application with the limits of a server on an open port.

    drain_s: seconds that requests under way get at shutdown. idle_s: seconds a connection may take to send the headers
    of a request, the first or the next one.
    """
    app.on_response_prepare.append(observe.no_version)
    return web.AppRunner(
        app,
        access_log=None,  # observe.py writes it
        logger=_server_log,
        auto_decompress=False,  # a small body must stay small
        handle_signals=False,
        keepalive_timeout=idle_s,
        tcp_keepalive=False,  # it would begin after hours; who is idle for longer than idle_s is cut off before
        lingering_time=5.0,
        max_line_size=8190,
        max_field_size=8190,
        shutdown_timeout=drain_s,
    )
