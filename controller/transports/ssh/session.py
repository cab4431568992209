"""A login shell on one adapter: types lines, times them, and hands back what each printed.

The clock and the channel around the state machine of shell.py. A session is opened by connect.py, used by one task at a
time, and closed by whoever opened it; after a timeout or a loss it is good for nothing but `close`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncssh

from controller.ports import Collected, Failure, Limits, Printed, Target
from controller.series import Series, require_declared
from controller.transports.ssh.failures import ended, lost, refused, stopped_amid, unfinished
from controller.transports.ssh.shell import Answer, Event, Rest, Shell
from controller.transports.ssh.tuned import TunedConnection

_SETTLE_S = 0.01
"""A prompt or pager has come to rest when nothing followed it for so long, or for three times the longest pause that
this answer has had: a device that prints slowly is given more time."""

_LONGEST_SETTLE_S = 1.0
_FIRST_ECHO_S = 0.25
"""How long a prompt must rest before a device that has never echoed is taken for one that does not."""

_SURELY_THERE_S = 0.2
"""An adapter that was heard no longer ago than this is not asked whether it is there."""

_KEEPALIVES = 3
_NEVER = float("inf")


@dataclass(slots=True)
class _Typed:
    """A line under way. began, ended: on the loop's clock; ended: when the last of its output came."""

    line: str
    started_at: datetime
    began: float
    ended: float = 0.0


class _Interrupted(Exception):
    """The conversation cannot go on: out of time, or out of connection."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail


class Session(asyncssh.SSHClientSession[bytes]):
    """An open shell on one adapter. asyncssh calls `connection_made`, `data_received`, `connection_lost`."""

    def __init__(self, target: Target, series: Series, limits: Limits) -> None:
        self._target = target
        self._series = series
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._shell = Shell(series, limits.max_bytes)
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._connection: TunedConnection | None = None
        self._gone = ""  # why there is no connection any more
        self._stopped = False
        self._disturbed: Callable[[], None] | None = None  # while nobody uses it
        self._answers: list[Answer] = []
        self._typed: list[_Typed] = []
        self._heard_at = 0.0
        self._longest_pause = 0.0
        self._woken: asyncio.Future[bool] | None = None  # true: the shell came to rest
        self._settling: asyncio.TimerHandle | None = None
        self.used_previous = False
        """Target.previous opened it."""

    @property
    def alive(self) -> bool:
        """The connection is there, as far as known."""
        return not self._gone

    @property
    def at_prompt(self) -> bool:
        """It can take a line: the adapter waits for one, as far as known."""
        return self.alive and self._shell.rest is Rest.PROMPT and not self._shell.awaits_echo

    async def greet(self) -> None:
        """Wait for the first prompt and type the series' set-up lines.

        The caller has the deadline for the login. Raises NotOpened when the connection ends.
        """
        try:
            await self._reach_prompt(_NEVER)
        except _Interrupted:
            raise lost(self._target, "the login", self._gone) from None
        if self._series.set_up:
            await self._converse(self._series.set_up, _NEVER)
        if self._gone:
            raise lost(self._target, "the set-up of the terminal", self._gone)

    async def run_all(self, lines: Sequence[str], *, ends_at: float = _NEVER) -> Collected:
        """Type the lines one after the other, each with its own limit of time; ends_at: for all, on the loop's clock.

        Raises ValueError, before anything is sent, when a line is not declared by the series.
        """
        require_declared(self._series, lines)
        return await self._converse(lines, ends_at)

    def idle(self, keepalive_s: float, disturbed: Callable[[], None] | None) -> None:
        """Nobody uses the session now: ask every keepalive_s whether the adapter is there, and call `disturbed` once
        when it says anything or ends the session. With 0 and None somebody uses it again."""
        self._disturbed = disturbed
        if self._connection and self.alive:
            self._connection.set_keepalive(keepalive_s, _KEEPALIVES)

    async def ready(self, limits: Limits) -> bool:
        """Take up a session that was idle, with these limits. False: the adapter does not answer within connect_s, or
        ended it."""
        self._limits = limits
        self._shell.max_bytes = limits.max_bytes
        if self._connection and self._loop.time() - self._heard_at > _SURELY_THERE_S:
            try:
                async with asyncio.timeout(limits.connect_s):
                    await self._connection.ask()
            except TimeoutError:
                return False
        return self.at_prompt

    def stop(self) -> None:
        """Send nothing more, not even a logout, and end what is under way: its outcome is STOPPED."""
        if self.alive:
            self._stopped, self._gone = True, "it was stopped"
            if self._connection:
                self._connection.abort()
            self._awake()

    async def close(self) -> None:
        """Log out, if the adapter is listening, and close the connection."""
        self._disturbed = None
        if self.at_prompt:
            self._write(self._shell.type(self._series.logout))
        self._hang_up("it was closed")
        if self._connection:
            await self._connection.wait_closed()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan
        connection = chan.get_connection()
        assert isinstance(connection, TunedConnection)
        self._connection = connection

    def data_received(self, data: bytes, datatype: int | None) -> None:
        now = self._loop.time()
        if self._shell.printing:
            self._longest_pause = max(self._longest_pause, now - self._heard_at)
        self._heard_at = now
        self._take(self._shell.feed(data))
        self._look()
        self._disturb()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = self._gone or str(exc or "it ended the session")
        self._awake()
        self._disturb()

    def _disturb(self) -> None:
        if self._disturbed:
            disturbed, self._disturbed = self._disturbed, None
            disturbed()

    async def _converse(self, lines: Sequence[str], ends_at: float) -> Collected:
        self._answers, self._typed = [], []
        interrupted: _Interrupted | None = None
        try:
            for line in lines:
                await self._reach_prompt(self._type(line, ends_at))
            self._take(self._shell.quiet())
        except _Interrupted as reason:
            interrupted = reason
            self._answers += self._shell.give_up()
            self._hang_up("it was left in the middle of a line")
        except BaseException:  # cancelled: what the adapter is doing is not known any more
            self._hang_up("it was left in the middle of a line")
            raise
        printed = tuple(map(self._printed, self._typed, self._answers, [interrupted] * len(lines)))
        for item in printed:
            if item.failure:
                return Collected(printed, item.failure, item.detail)
        if interrupted and len(printed) < len(lines):
            return Collected(printed, interrupted.failure, interrupted.detail)
        return Collected(printed, None, "")

    def _type(self, line: str, ends_at: float) -> float:
        """Send the line; returns when it must have ended."""
        if self._gone:
            raise self._interruption()
        now = self._loop.time()
        self._typed.append(_Typed(line, datetime.now(UTC), now))
        self._longest_pause = 0.0
        self._write(self._shell.type(line))
        return min(now + self._limits.line_s, ends_at)

    async def _reach_prompt(self, ends_at: float) -> None:
        """Wait until a prompt has come to rest; pages are asked for on the way. Raises _Interrupted."""
        while True:
            await self._come_to_rest(ends_at)
            if self._shell.rest is Rest.PAGER or self._shell.awaits_echo:
                self._take(self._shell.quiet())
            if self._shell.rest is Rest.PROMPT and not self._shell.awaits_echo:
                if self._typed:
                    self._typed[-1].ended = self._heard_at
                return

    async def _come_to_rest(self, ends_at: float) -> None:
        if self._gone:
            raise self._interruption()
        self._woken = self._loop.create_future()
        late = self._loop.call_at(ends_at, self._awake) if ends_at < _NEVER else None
        self._look()
        try:
            rested = await self._woken
        finally:
            self._woken = None
            for timer in (late, self._settling):
                if timer:
                    timer.cancel()
        if not rested:
            raise self._interruption()

    def _look(self) -> None:
        """If what came may be the end, wait a little whether more comes."""
        if self._settling:
            self._settling.cancel()
            self._settling = None
        shell = self._shell
        if self._woken is None or shell.rest is Rest.NOTHING or (shell.awaits_echo and shell.echoes):
            return
        settle_s = min(max(_SETTLE_S, 3 * self._longest_pause), _LONGEST_SETTLE_S)
        self._settling = self._loop.call_later(_FIRST_ECHO_S if shell.awaits_echo else settle_s, self._awake, True)

    def _awake(self, rested: bool = False) -> None:
        if self._woken and not self._woken.done():
            self._woken.set_result(rested)

    def _hang_up(self, why: str) -> None:
        if self._connection and not self._stopped:  # also when only the shell has ended: the connection is still there
            self._connection.close()
        self._gone = self._gone or why

    def _interruption(self) -> _Interrupted:
        if self._stopped:
            return _Interrupted(Failure.STOPPED, stopped_amid(self._target))
        if self._gone:
            return _Interrupted(Failure.CONNECTION_LOST, ended(self._target, self._gone))
        line = self._typed[-1].line if self._typed else "the login"
        return _Interrupted(Failure.TIMEOUT, unfinished(self._target, line))

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Answer):
                self._answers.append(event)
            else:
                self._write(event.key)

    def _write(self, data: bytes) -> None:
        if self._channel and not self._gone:
            self._channel.write(data)

    def _ends_session(self, line: str) -> bool:
        """Is it the end of such a line that the adapter hangs up?"""
        command = self._series.find(line)
        return command is not None and command.ends_session

    def _printed(self, typed: _Typed, answer: Answer, interrupted: _Interrupted | None) -> Printed:
        failure, detail = None, ""
        if not answer.complete and interrupted:
            typed.ended = self._loop.time()
            if not (
                interrupted.failure is Failure.CONNECTION_LOST and answer.echoed and self._ends_session(typed.line)
            ):
                failure, detail = interrupted.failure, interrupted.detail
        elif self._series.refuses_in(answer.body):
            failure, detail = Failure.DEVICE_REFUSED, refused(self._target, typed.line, answer.body)
        duration_s = max(typed.ended - typed.began, 0.0)
        return Printed(typed.line, answer.body, answer.truncated, typed.started_at, duration_s, failure, detail)
