"""Open sessions that wait for their adapter's next run: at most one per adapter, for a while, and only where all is as
it was when it was opened.

A session is kept when a run has left it at a prompt. It is given up when it has been idle for long enough, when the
adapter says or ends anything by itself, when too many are kept, when the registration or anything else of the target
has changed, and when it is told to.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from controller.ports import Target
from controller.transports.ssh.session import Session

_CLOSING_S = 2.0
"""What logging out of all of them may take, together, when the process ends."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How connections are kept.

    idle_s: how long after a run; an adapter has few sessions (four, reference/devices.md §2) and ends idle ones itself
    (after 300 s as delivered, §1). keepalive_s: how often a silent one is asked whether it is there; three questions
    without an answer end it. most: of all adapters together, the one that was used longest ago goes first.
    """

    idle_s: float = 60.0
    keepalive_s: float = 20.0
    most: int = 500


@dataclass(slots=True)
class _Idle:
    target: Target
    session: Session
    until: asyncio.TimerHandle


class KeptSessions:
    """The sessions that nobody uses now. Not for two callers with the same adapter at once: collect.py sees to that."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._idle: OrderedDict[str, _Idle] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._idle)

    def held(self) -> dict[str, datetime | None]:
        """The adapters whose sessions are kept, with the beginning of the registration each was opened under."""
        return {serial: idle.target.since for serial, idle in self._idle.items()}

    def keep(self, target: Target, session: Session) -> bool:
        """Keep a session that is at its prompt; the caller has no more to do with it. False: it stays the caller's."""
        if self._closed or self._kept.most < 1 or not session.at_prompt:
            return False
        serial = target.serial
        session.idle(self._kept.keepalive_s, lambda: self.evict(serial))
        until = asyncio.get_running_loop().call_later(self._kept.idle_s, self.evict, serial)
        self._idle[serial] = _Idle(target, session, until)
        if len(self._idle) > self._kept.most:
            self.evict(next(iter(self._idle)))
        return True

    async def take(self, target: Target) -> Session | None:
        """The session of this very target, which is the caller's now; one of another registration or login is ended."""
        idle = self._idle.get(target.serial)
        if idle is None:
            return None
        if idle.target != target or not idle.session.at_prompt:
            await self.end(target.serial)
            return None
        del self._idle[target.serial]
        idle.until.cancel()
        idle.session.idle(0, None)
        return idle.session

    async def end(self, serial: str) -> None:
        """As `evict`, but wait until it has ended: an adapter has few sessions."""
        if idle := self._idle.pop(serial, None):
            idle.until.cancel()
            await idle.session.close()

    def evict(self, serial: str) -> None:
        """End the session that is kept with this adapter, if there is one."""
        if idle := self._idle.pop(serial, None):
            idle.until.cancel()
            self._give_up(idle.session)

    async def close(self) -> None:
        """End all, and keep none any more."""
        self._closed = True
        for serial in list(self._idle):
            self.evict(serial)
        if self._closing:
            await asyncio.wait(self._closing, timeout=_CLOSING_S)

    def _give_up(self, session: Session) -> None:
        task = asyncio.get_running_loop().create_task(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
