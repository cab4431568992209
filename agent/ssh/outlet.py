"""The way out of a session: straight to the channel, or through the faults that strike in mid-output."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import asyncssh

from agent.adapter import Adapter
from agent.faults import Fault

SLOW_LINE_S = 1.0


class Outlet:
    """Writes in order. output: what commands print; say: echo, prompt and the rest; then: to be done after all that."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], adapter: Adapter, time_scale: float) -> None:
        self._channel = channel
        self._adapter = adapter
        self._pause_s = SLOW_LINE_S * time_scale
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes | Callable[[], None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._broken = False

    def say(self, data: bytes) -> None:
        self._put(data)

    def output(self, data: bytes) -> None:
        if data and self._adapter.faults.strikes(Fault.CUT):
            self._put(data[: len(data) // 2])
            self._break_off()
        elif data and self._adapter.faults.strikes(Fault.SLOW):
            self._waiting.extend(data.splitlines(keepends=True))
            self._drip()
        else:
            self._put(data)

    def then(self, act: Callable[[], None]) -> None:
        if self._broken:
            return
        if self._waiting:
            self._waiting.append(act)
        else:
            act()

    def close(self) -> None:
        """Nothing more goes out."""
        self._waiting.clear()
        if self._timer:
            self._timer.cancel()

    def _put(self, data: bytes) -> None:
        if self._broken:
            return
        if self._waiting:
            self._waiting.append(data)
        elif data and not self._channel.is_closing():
            self._channel.write(data)

    def _drip(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._pause_s, self._next)

    def _next(self) -> None:
        self._timer = None
        item = self._waiting.popleft() if self._waiting else b""
        if callable(item):
            item()
        elif item and not self._channel.is_closing():
            self._channel.write(item)
        if self._waiting:
            self._drip()

    def _break_off(self) -> None:
        """As when somebody trips over the cable: no farewell. After this turn, so that what was written is sent."""
        self._broken = True
        self._loop.call_soon(self._channel.get_connection().abort)
