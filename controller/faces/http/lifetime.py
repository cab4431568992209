"""Stopping without cutting anybody off: refuse what is new, wait for what is under way."""

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from controller.faces.http.problems import Busy

ALIVE: Final = frozenset({"/healthz", "/metrics"})  # a controller that stops is still alive, and worth watching


class Drain:
    """Counts the requests under way. Long streams watch `started` and end by themselves."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def under_way(self) -> int:
        return self._under_way

    async def finish(self, deadline_s: float) -> bool:
        """Refuse new requests and wait for the others. False if some were still at work at the deadline."""
        self.started.set()
        try:
            async with asyncio.timeout(deadline_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.started.is_set() and request.path not in ALIVE:
            raise Busy("The controller is stopping.", next_step="Try again in a few seconds.", retry_after_s=5)
        self._under_way += 1
        self._idle.clear()
        try:
            return await handler(request)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
