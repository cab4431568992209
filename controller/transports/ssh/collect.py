"""The Collector over SSH: runs declared lines on adapters, a bounded number at once and one session per adapter.

What is durable about a run (who, why, at most one running task per adapter over all controllers) is in the task table;
here is only what one process must not do twice at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from controller.ports import Collected, Limits, Target
from controller.series import Series, by_name, require_declared
from controller.transports.ssh import failures
from controller.transports.ssh.brake import Brake, braked
from controller.transports.ssh.connect import open_exec, open_session
from controller.transports.ssh.exec_session import ExecSession
from controller.transports.ssh.failures import NotOpened
from controller.transports.ssh.jump import JumpHosts
from controller.transports.ssh.kept import Kept, KeptSessions
from controller.transports.ssh.session import Session

_S = TypeVar("_S", bound=Session | ExecSession)
_Way = Callable[[Target, Series, Limits, JumpHosts], Awaitable[_S]]


class SshCollector:
    """Implements ports.Collector. One per process: its bounds hold only for what goes through it. To be closed.

    at_once: sessions in use at the same time (50 keep two cores as busy as 200 do).
    attempts: how often a connection is tried that is refused or dropped before the login; nothing else is tried again.
    prefer_exec: use exec requests instead of a shell where the series allows them; such a connection is not kept.
    kept: how sessions are kept for the adapter's next run; None: each run logs in and out.
    """

    def __init__(
        self, *, at_once: int = 50, attempts: int = 3, prefer_exec: bool = False, kept: Kept | None = None
    ) -> None:
        self._prefer_exec = prefer_exec
        self._places = asyncio.Semaphore(at_once)
        self._attempts = attempts
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.kept_sessions = KeptSessions(kept or Kept(most=0))
        self._evicted: set[str] = set()  # while their session was in use
        self._jumps = JumpHosts()

    async def collect(
        self, target: Target, lines: Sequence[str], limits: Limits, *, stop: asyncio.Event | None = None
    ) -> Collected:
        """See ports.Collector.collect."""
        series = by_name(target.series_name)
        require_declared(series, lines)
        try:
            if stop is None:
                return await self._collect(target, series, lines, limits, None)
            async with braked(stop, target.serial) as brake:
                return await self._collect(target, series, lines, limits, brake)
        except NotOpened as reason:
            return Collected(
                (), reason.failure, reason.detail, reason.offered_host_key, at_jump_host=reason.at_jump_host
            )

    async def _collect(
        self, target: Target, series: Series, lines: Sequence[str], limits: Limits, brake: Brake | None
    ) -> Collected:
        way: _Way[Session | ExecSession] = open_exec if self._prefer_exec and series.exec_mode else open_session
        async with self._place(target, limits) as ends_at:
            session = await self._kept_one(target, limits) or await self._open(way, target, series, limits, ends_at)
            try:
                if brake:
                    brake.ends(session.stop)
                collected = await session.run_all(lines, ends_at=ends_at)
            finally:
                await self._leave(target, session)
        return replace(collected, used_previous=True) if session.used_previous else collected

    def evict(self, serial: str) -> None:
        """End what is kept with this adapter, and do not keep what is in use: its registration has changed."""
        self.kept_sessions.evict(serial)
        if serial in self._locks:
            self._evicted.add(serial)

    async def close(self) -> None:
        """Log out of all that is kept. Runs under way end their sessions themselves, but no jump host leads on."""
        await self.kept_sessions.close()
        await self._jumps.close()

    async def _kept_one(self, target: Target, limits: Limits) -> Session | None:
        """The kept session, if it is still this target's and the adapter is there; else None, and a login is due."""
        session = await self.kept_sessions.take(target)
        if session is None:
            return None
        try:
            if await session.ready(limits):
                return session
        except BaseException:  # cancelled, or told to stop: nobody else knows of it any more
            session.stop()
            raise
        await session.close()
        return None

    async def _leave(self, target: Target, session: Session | ExecSession) -> None:
        """Keep the session, if it is good for another run, else end it.

        After Target.previous the next run logs in anew: the login proper has yet to work.
        """
        fit = target.serial not in self._evicted and not session.used_previous
        if not (fit and isinstance(session, Session) and self.kept_sessions.keep(target, session)):
            await session.close()

    @asynccontextmanager
    async def _place(self, target: Target, limits: Limits) -> AsyncIterator[float]:
        """First the adapter, then a place: who waits for a busy adapter takes no place from others.

        Gives the time of the loop's clock at which all must be over; only the wait for a place does not count.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        lock = self._locks.setdefault(target.serial, asyncio.Lock())
        if lock.locked():
            await _patiently(lock, target, limits)
        else:
            await lock.acquire()
        try:
            left_s = limits.total_s - (loop.time() - begun)
            async with self._places:  # whoever holds one gives it back after total_s
                yield loop.time() + left_s
        finally:
            self._evicted.discard(target.serial)
            lock.release()

    async def _open(self, way: _Way[_S], target: Target, series: Series, limits: Limits, ends_at: float) -> _S:
        """Open a session; a connection that is refused or dropped before the login is tried again."""
        try:
            async with asyncio.timeout_at(ends_at):
                try:
                    return await way(target, series, limits, self._jumps)
                except NotOpened as reason:  # only now: going through tenacity is 7 % of the work of a good run
                    return await self._again(reason, partial(way, target, series, limits, self._jumps))
        except TimeoutError:
            raise failures.too_slow(target, "prompt", limits.total_s) from None

    async def _again(self, reason: NotOpened, attempt: Callable[[], Awaitable[_S]]) -> _S:
        """The further attempts, after pauses that grow and are of random length. reason: why the first one failed."""
        failed = [reason]

        async def attempted() -> _S:
            if failed:
                raise failed.pop()
            return await attempt()

        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, NotOpened) and error.may_pass),
            stop=stop_after_attempt(self._attempts),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            reraise=True,
        )
        return await retrying(attempted)


async def _patiently(lock: asyncio.Lock, target: Target, limits: Limits) -> None:
    """Wait for an adapter that is busy. Raises NotOpened when it stays so."""
    try:
        async with asyncio.timeout(limits.total_s):
            await lock.acquire()
    except TimeoutError:
        raise failures.busy(target, limits.total_s) from None
