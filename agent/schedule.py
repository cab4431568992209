"""When each adapter does its next step: a heap of times and a bounded number of tasks. Nothing runs for idle ones."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from agent.adapter import Adapter
from agent.reaction import Next, Step

_log = logging.getLogger(__name__)

AFTER_A_BUG_S = 60.0


class Schedule:
    """Plans, runs and cancels steps. At most one step of an adapter is planned or under way.

    at_once: steps under way at a time; each may hold two file descriptors. time_scale: real seconds per device second.
    """

    def __init__(
        self, do: Callable[[Step, Adapter], Awaitable[Next | None]], *, at_once: int, time_scale: float
    ) -> None:
        self._do = do
        self._at_once = at_once
        self._scale = time_scale
        self._count = itertools.count()
        self._heap: list[tuple[float, int, Adapter, Step]] = []
        self._planned: dict[Adapter, int] = {}
        self._running: dict[Adapter, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def plan(self, adapter: Adapter, upcoming: Next | None) -> None:
        """Do this when its time comes, instead of whatever was planned. None: nothing."""
        self._planned.pop(adapter, None)
        if upcoming is None:
            return
        number = next(self._count)
        self._planned[adapter] = number
        heapq.heappush(self._heap, (self._loop.time() + upcoming.wait_s * self._scale, number, adapter, upcoming.step))
        self._rearm()

    def cancel(self, adapter: Adapter) -> None:
        """Neither what is planned nor what is under way for this adapter will have happened."""
        self._planned.pop(adapter, None)
        if task := self._running.pop(adapter, None):
            task.cancel()

    def waits_until(self, adapter: Adapter) -> float | None:
        """Seconds from now until its planned step; None when none is planned."""
        number = self._planned.get(adapter)
        due = next((due for due, each, _, _ in self._heap if each == number), None)
        return None if due is None else max(0.0, due - self._loop.time())

    async def close(self) -> None:
        """Cancel everything and wait until it has ended."""
        if self._timer:
            self._timer.cancel()
        self._planned.clear()
        self._heap.clear()
        tasks = list(self._running.values())
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _rearm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._heap and len(self._running) < self._at_once:
            self._timer = self._loop.call_at(self._heap[0][0], self._start_due)

    def _start_due(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._heap and self._heap[0][0] <= now and len(self._running) < self._at_once:
            _, number, adapter, step = heapq.heappop(self._heap)
            if self._planned.get(adapter) == number:
                del self._planned[adapter]
                task = self._loop.create_task(self._run(adapter, step))
                self._running[adapter] = task
                task.add_done_callback(partial(self._ended, adapter))
        self._rearm()

    async def _run(self, adapter: Adapter, step: Step) -> None:
        """Steps without a wait between them follow one another in the same task."""
        upcoming: Next | None = Next(step)
        try:
            while upcoming and upcoming.wait_s == 0.0:
                upcoming = await self._do(upcoming.step, adapter)
        except Exception:
            _log.exception("step %s of %s failed; next try in a while", step.name, adapter.serial)
            upcoming = Next(step, AFTER_A_BUG_S)
        if self._running.get(adapter) is asyncio.current_task():
            self.plan(adapter, upcoming)

    def _ended(self, adapter: Adapter, task: asyncio.Task[None]) -> None:
        if self._running.get(adapter) is task:
            del self._running[adapter]
        self._rearm()
