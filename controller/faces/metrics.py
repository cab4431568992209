"""What machines may ask: /metrics (Prometheus), /healthz (the process lives), /readyz (it can do its work).

Who may read /metrics: a client on the loopback address, or an administrator's key. A request that came through a proxy
counts as from elsewhere (it has X-Forwarded-For or Forwarded), so that a proxy on this machine opens nothing.
The figures name routes and states, never contracts or adapters. /healthz and /readyz are public and tell names only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest

from controller.domain.access import Caller, Role
from controller.domain.errors import Forbidden

log = structlog.get_logger("hikitsugi.health")

CHECK_DEADLINE_S: Final = 2.0

Check = Callable[[], Awaitable[object]]
"""Is this part ready? Raises whatever it likes if not; what it returns is ignored."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The registry, and the figures of the HTTP face. Other parts make theirs with `registry=metrics.registry`."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    request_seconds: Histogram = field(init=False)
    requests_under_way: Gauge = field(init=False)

    def __post_init__(self) -> None:
        registry = self.registry
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        fill = object.__setattr__
        fill(
            self,
            "requests",
            Counter("hikitsugi_http_requests", "Answered requests", ("method", "route", "status"), registry=registry),
        )
        fill(
            self,
            "request_seconds",
            Histogram(
                "hikitsugi_http_request_seconds", "From headers to answer", ("method", "route"), registry=registry
            ),
        )
        fill(
            self,
            "requests_under_way",
            Gauge("hikitsugi_http_requests_under_way", "Requests being worked on", registry=registry),
        )


def add(
    app: web.Application,
    metrics: Metrics,
    checks: Mapping[str, Check],
    authenticate: Callable[[web.Request], Awaitable[Caller | None]],
    read: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve /metrics, /healthz and /readyz. checks: name ("database", "migrations") -> is it ready?

    read: sets figures that are not at hand, each time before they are shown.
    """

    async def show(request: web.Request) -> web.Response:
        await _admit(request, authenticate)
        if read is not None:
            await read()
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_: web.Request) -> web.Response:
        names = list(checks)
        answers = await asyncio.gather(*(_ready(name, checks[name]) for name in names))
        return web.json_response(
            {"ready": all(answers), "checks": dict(zip(names, answers, strict=True))},
            status=200 if all(answers) else 503,
        )

    app.router.add_get("/metrics", show)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)


async def _ready(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_DEADLINE_S):
            await check()
    except Exception as error:  # whatever it is, the answer is "not ready" and the log says why
        log.warning(f"Not ready: {name}", check=name, error=repr(error))
        return False
    return True


async def _admit(request: web.Request, authenticate: Callable[[web.Request], Awaitable[Caller | None]]) -> None:
    if _is_local(request):
        return
    caller = await authenticate(request)
    if caller is None or caller.role is not Role.ADMINISTRATOR:
        raise Forbidden(
            "Metrics are for clients on this machine and for administrators.",
            next_step="Ask from the machine itself, or with an administrator's access key.",
        )


def _is_local(request: web.Request) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not peer or "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    return ip_address(peer[0]).is_loopback
