"""Stops a run at once: an event that somebody else sets ends the waiting for a session, or the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from controller.transports.ssh import failures


class Brake:
    """What is to be done when the event is set, as long as the run lasts."""

    def __init__(self, waiting: asyncio.Timeout) -> None:
        self._waiting = waiting
        self._end: Callable[[], None] | None = None

    def ends(self, end: Callable[[], None]) -> None:
        """From now on nothing is waited for any more that could be cancelled: call `end` instead."""
        self._end = end

    def pull(self, watcher: asyncio.Future[Literal[True]]) -> None:
        """The event was set."""
        if watcher.cancelled():
            return
        if self._end:
            self._end()
        else:
            self._waiting.reschedule(asyncio.get_running_loop().time())


@asynccontextmanager
async def braked(stop: asyncio.Event, serial: str) -> AsyncIterator[Brake]:
    """As soon as `stop` is set, what runs inside is cancelled, or ended in its own way. Raises NotOpened (STOPPED)."""
    if stop.is_set():
        raise failures.stopped(serial)
    watcher = asyncio.ensure_future(stop.wait())
    try:
        async with asyncio.timeout(None) as waiting:
            brake = Brake(waiting)
            watcher.add_done_callback(brake.pull)
            try:
                yield brake
            finally:
                watcher.remove_done_callback(brake.pull)
    except TimeoutError:
        if not waiting.expired():
            raise
        raise failures.stopped(serial) from None
    finally:
        watcher.cancel()
