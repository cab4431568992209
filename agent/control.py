"""The fleet's own door for its commands: HTTP with JSON over a unix socket in the state directory, for its owner only.

GET /fleet · GET /adapters · GET /adapter?name= · POST /plug /unplug /power-cycle /revive {names, all} ·
POST /fault {name, fault, times} · POST /down. What is wrong with a request is told as {"error": sentence}.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from agent.adapter import Adapter
from agent.client import socket_address
from agent.faults import ALWAYS, Fault
from agent.fleet import Fleet, UnknownAdapter
from agent.shell.view import JST

_LOG_TAIL = 20


class Control:
    """Serves one fleet's commands. `down` is set when somebody asked for the end."""

    def __init__(self, fleet: Fleet, state: Path) -> None:
        self._fleet = fleet
        self._state = state
        self.down = asyncio.Event()
        self._runner = web.AppRunner(self._app(), access_log=None)

    async def open(self) -> None:
        """Listen on the socket. The state directory is locked, so a socket that is there is a dead fleet's."""
        await self._runner.setup()
        with socket_address(self._state) as address:
            _remove(address)
            before = os.umask(0o177)
            try:
                await web.UnixSite(self._runner, address).start()
            finally:
                os.umask(before)

    async def close(self) -> None:
        await self._runner.cleanup()
        with socket_address(self._state) as address:
            _remove(address)

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[_in_sentences])
        app.router.add_get("/fleet", self._overview)
        app.router.add_get("/adapters", self._list)
        app.router.add_get("/adapter", self._show)
        app.router.add_post("/plug", self._switched(self._fleet.plug))
        app.router.add_post("/unplug", self._switched(self._fleet.unplug))
        app.router.add_post("/power-cycle", self._switched(self._fleet.power_cycle))
        app.router.add_post("/revive", self._switched(self._fleet.revive))
        app.router.add_post("/fault", self._fault)
        app.router.add_post("/down", self._stop)
        return app

    async def _overview(self, _: web.Request) -> web.Response:
        stages = {stage.value: count for stage, count in sorted(self._fleet.counts().items())}
        return web.json_response(
            {
                "adapters": len(self._fleet.adapters),
                "stages": stages,
                "settled": self._fleet.is_settled(),
                "ls_url": self._fleet.settings.ls_url,
                "pid": os.getpid(),
            }
        )

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response([summary(adapter) for adapter in self._fleet.adapters.values()])

    async def _show(self, request: web.Request) -> web.Response:
        adapter = self._fleet.find(request.query.get("name", ""))
        return web.json_response(detail(adapter) | {"next_step_in_s": self._fleet.waits_s(adapter)})

    def _switched(self, act: Callable[..., list[Adapter]]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            asked = await request.json()
            names = [str(name) for name in asked.get("names", ())]
            if not names and not asked.get("all"):
                raise ValueError("Name adapters by code or serial, or say --all.")
            return web.json_response({"changed": [adapter.serial for adapter in act(*names)]})

        return handle

    async def _fault(self, request: web.Request) -> web.Response:
        asked = await request.json()
        fault = Fault(asked["fault"]) if asked.get("fault") else None
        adapter = self._fleet.fault(str(asked["name"]), fault, int(asked.get("times", ALWAYS)))
        return web.json_response(summary(adapter))

    async def _stop(self, _: web.Request) -> web.Response:
        self.down.set()
        return web.json_response({"stopping": True, "pid": os.getpid()})


def _remove(address: str) -> None:
    Path(address).unlink(missing_ok=True)


def summary(adapter: Adapter) -> dict[str, Any]:
    """One line of `fleet ls`; Any: JSON."""
    return {
        "serial": adapter.serial,
        "code": adapter.row.code,
        "kind": adapter.row.kind,
        "series": adapter.row.series,
        "model": adapter.row.model,
        "stage": adapter.stage.value,
        "version": adapter.version,
        "address": adapter.address,
        "port": adapter.port,
        "faults": adapter.faults.as_dict(),
        "boots": adapter.boots,
        "pulls": adapter.pulls,
        "last_answer": adapter.last_answer,
        "push_method": adapter.contact.method if adapter.contact else "",
        "push_state": adapter.contact.state if adapter.contact else "",
    }


def detail(adapter: Adapter) -> dict[str, Any]:
    """All of `fleet show`; Any: JSON. config_sha256: of the running config's bytes, "" when there is none."""
    state = adapter.volatile
    unfinished = adapter.unfinished
    lines = list(adapter.log_lines or ())[-_LOG_TAIL:]
    return summary(adapter) | {
        "distribution_id": adapter.row.distribution_id,
        "uptime_s": int(adapter.uptime().total_seconds()) if state.booted_at_s else 0,
        "last_answer_at": _utc(adapter.last_answer_at_s),
        "config_sha256": hashlib.sha256(state.running).hexdigest() if state.running is not None else "",
        "config_bytes": len(state.running or b""),
        "skipped_lines": [f"{each.line}: {each.reason}" for each in adapter.config.ignored],
        "answers_ssh": adapter.answers_ssh,
        "sessions": adapter.sessions,
        "push": _push(adapter),
        "firmware_under_way": state.flashing or (state.offer.version if state.offer else ""),
        "firmware_bytes": {"received": unfinished.received, "of": unfinished.size} if unfinished else None,
        "firmware_slots": 2 if adapter.model.dual else 1,
        "firmware_refused": sorted(state.refused),
        "log": [
            f"{datetime.fromtimestamp(line.at, JST):%Y/%m/%d %H:%M:%S %Z} {line.level} {line.text}" for line in lines
        ],
    }


def _push(adapter: Adapter) -> dict[str, Any]:
    """How the server reaches it; Any: JSON. heartbeats: sent since the first confirmation."""
    contact = adapter.contact
    if contact is None:
        return {}
    return {
        "methods": list(adapter.volatile.terms.methods),
        "endpoint": contact.listener.url if contact.listener else "",
        "tunnels": {url: "up" if tunnel.is_confirmed else "confirming" for url, tunnel in contact.tunnels.items()},
        "transactions": {str(each.id): each.kind.value for each in contact.transactions.values()},
        "heartbeats": contact.beats,
    }


def _utc(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


@web.middleware
async def _in_sentences(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except UnknownAdapter as error:
        return web.json_response({"error": str(error)}, status=404)
    except (ValueError, KeyError) as error:
        return web.json_response({"error": f"The request cannot be understood: {error}"}, status=422)
