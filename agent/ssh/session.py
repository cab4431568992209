"""One SSH channel of an adapter: a console on a terminal, a batch without one. Glue: the behaviour is agent.shell's."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Protocol

import asyncssh

from agent.adapter import Adapter
from agent.shell.batch import Batch
from agent.shell.commands import Shell
from agent.shell.console import Console, Event, Over
from agent.shell.recordings import error
from agent.shell.results import Leave
from agent.shell.view import JST
from agent.ssh.outlet import Outlet

MAX_SESSIONS = 4
"""Found for seil3 (over console, telnet and SSH together); assumed for the others, as is what the fifth is told."""

_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n)")
_MAX_UNFINISHED = 4096


class Host(Protocol):
    """What a session needs from whoever runs the adapters.

    exec_prefix: exec without a terminal has seil3's hex prefixes. time_scale: real seconds per device second.
    """

    exec_prefix: bool
    time_scale: float

    def opened(self, adapter: Adapter, connection: asyncssh.SSHServerConnection) -> None: ...
    def closed(self, adapter: Adapter, connection: asyncssh.SSHServerConnection) -> None: ...
    def restart(self, adapter: Adapter, why: str) -> None: ...


class Session(asyncssh.SSHServerSession[bytes]):
    """Decided when the client has said what it wants. Counts against the adapter's limit of sessions."""

    def __init__(self, adapter: Adapter, host: Host, user: str, peer: str) -> None:
        self._adapter, self._host, self._user, self._peer = adapter, host, user, peer
        self._loop = asyncio.get_running_loop()
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._command: str | None = None
        self._size: tuple[int, int] | None = None
        self._shell: Shell | None = None
        self._console: Console | None = None
        self._batch: Batch | None = None
        self._unfinished = b""
        self._idle = _Idle(self._loop, partial(self._leave, Leave.EXIT, 0))

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        self._out = Outlet(chan, self._adapter, self._host.time_scale)

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.stop()
        self._out.close()
        if self._shell:
            self._shell = None
            self._adapter.sessions -= 1

    def pty_requested(self, term_type: str, term_size: tuple[int, int, int, int], term_modes: object) -> bool:
        columns, rows, *_ = term_size
        self._size = rows, columns
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._console:
            self._console.resize(height, width)

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        if self._adapter.sessions >= MAX_SESSIONS:
            self._out.say(error(self._adapter.row.series, "too many sessions").replace("\n", "\r\n").encode("ascii"))
            self._leave(Leave.EXIT, 1)
            return
        self._adapter.sessions += 1
        self._shell = Shell(self._adapter, self._user)
        self._idle.start(self._shell.settings.login_timer)
        if self._size and self._command is None:
            self._open_console(self._shell, *self._size)
        else:
            prefixed = self._host.exec_prefix and self._adapter.row.series == "seil3" and self._size is None
            self._batch = Batch(self._shell, prefixed)
            if self._command is not None:
                self._run(self._batch, self._command)
                self._end(self._batch)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._console:
            self._show(self._console.feed(data))
        elif self._batch and self._command is None:
            self._run_lines(self._batch, data)
        if self._shell:
            self._idle.start(self._shell.settings.login_timer)

    def eof_received(self) -> bool:
        """The end of what is typed ends a shell without a terminal."""
        if self._batch and self._command is None:
            self._end(self._batch)
        return True

    def _open_console(self, shell: Shell, rows: int, columns: int) -> None:
        state = self._adapter.volatile
        self._console = Console(shell, rows=rows, columns=columns)
        greeting = self._console.greet(state.last_login)
        now = self._adapter.clock().astimezone(JST)
        state.last_login = f"{now:%a %b} {now.day:2} {now:%H:%M:%S %Y} from {self._peer}"
        self._adapter.log("info", "system", f"{self._user}: login from {self._peer}")
        self._show(greeting)

    def _show(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Over):
                self._leave(event.why, 0)
            elif event.output:
                self._out.output(event.data)
            else:
                self._out.say(event.data)

    def _run_lines(self, batch: Batch, data: bytes) -> None:
        text = self._unfinished + data
        done = 0
        for line in _LINE.finditer(text):
            done = line.end()
            self._run(batch, line[1].decode("latin-1"))
            if batch.leaving:
                self._end(batch)
                return
        self._unfinished = text[done:][:_MAX_UNFINISHED]

    def _run(self, batch: Batch, line: str) -> None:
        self._out.output(batch.run(line))

    def _end(self, batch: Batch) -> None:
        self._out.say(batch.goodbye())
        self._leave(batch.leaving or Leave.EXIT, int(batch.failed))

    def _leave(self, why: Leave, status: int) -> None:
        self._out.then(partial(self._left, why, status))

    def _left(self, why: Leave, status: int) -> None:
        self._idle.stop()
        if self._channel and not self._channel.is_closing():
            self._channel.exit(status)
        if why is Leave.RESTART:
            self._host.restart(self._adapter, f"ordered by {self._user}")


class _Idle:
    """Logs a silent session out. Found: a login timer does; assumed: it counts seconds, and 0 is never."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: partial[None]) -> None:
        self._loop = loop
        self._expired = expired
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0

    def start(self, seconds: int) -> None:
        """Begin anew. The timer itself is left alone unless it would come too late: keys are many."""
        self._deadline = self._loop.time() + seconds if seconds else float("inf")
        if self._timer and self._timer.when() > self._deadline:
            self.stop()
        if self._timer is None and seconds:
            self._timer = self._loop.call_at(self._deadline, self._look)

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._deadline <= self._loop.time():
            self._expired()
        elif self._deadline != float("inf"):
            self._timer = self._loop.call_at(self._deadline, self._look)
