"""Pushes to adapters, whichever way each is reached: through the tunnel it holds here, or to its own endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from controller.ports import NotSent, Pushable, Reach
from controller.transports.arms.answers import Answer, kind_of
from controller.transports.arms.simple import Endpoints
from controller.transports.arms.tunnels import Tunnels


@dataclass(frozen=True, slots=True)
class ArmsPusher:
    """Implements ports.Pusher. One per process: one request of a type at a time holds for what goes through it."""

    tunnels: Tunnels
    endpoints: Endpoints
    _turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def push(self, reach: Reach, request: Pushable, *, deadline_s: float) -> Answer:
        """See ports.Pusher."""
        async with self._turn(reach, kind_of(request), deadline_s) as left_s:
            if reach.tunnel is not None:
                return await self.tunnels.push(reach.tunnel, request, deadline_s=left_s)
            if reach.endpoint:
                return await self.endpoints.push(reach, request, deadline_s=left_s)
            raise NotSent(f"{reach.serial} holds no tunnel and has no endpoint. It confirms one when it boots.")

    def hang_up(self, tunnel: int, why: str) -> None:
        """See ports.Pusher."""
        self.tunnels.hang_up(tunnel, why)

    @asynccontextmanager
    async def _turn(self, reach: Reach, kind: str, deadline_s: float) -> AsyncIterator[float]:
        """Wait for the end of other requests of the type to this adapter; gives the seconds that are left then."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + deadline_s
        lock = self._turns.setdefault((reach.serial, kind), asyncio.Lock())
        try:
            async with asyncio.timeout_at(ends_at):
                await lock.acquire()
        except TimeoutError:
            raise NotSent(f"{reach.serial} was busy with another {kind} for {deadline_s:g} s.") from None
        try:
            yield ends_at - loop.time()
        finally:
            lock.release()
