"""One exec request per line, for series that take them: no terminal, so no prompt, echo or pager to understand.

Not the default: each request costs a channel, and which of its two inputs a real device acts on is not settled
(reference/devices.md §2, "exec vs shell").
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncssh

from controller.ports import Collected, Failure, Limits, Printed, Target
from controller.series import ExecMode, Series, require_declared
from controller.transports.ssh.failures import ended, refused, stopped_amid, unfinished


def told_apart(raw: bytes, mode: ExecMode) -> tuple[bytes, bool]:
    """What a command printed, without the prefix of every line and without the session's chatter; and: did it fail?"""
    body = []
    failed = False
    for line in raw.splitlines(keepends=True):
        prefix = mode.prefix.match(line)
        text = line[prefix.end() :] if prefix else line
        if prefix and mode.chatter.fullmatch(text.strip()):
            failed |= mode.refused.fullmatch(text.strip()) is not None
        else:
            body.append(text)
    return b"".join(body), failed


class _Output(asyncssh.SSHClientSession[bytes]):
    """Collects what one request prints, up to a limit, until the channel is closed."""

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self.raw = bytearray()
        self.truncated = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status: int | None = None
        self.lost: Exception | None = None

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.truncated |= len(data) > self._room
        self.raw += data[: self._room]
        self._room = max(self._room - len(data), 0)

    def exit_status_received(self, status: int) -> None:
        self.status = status

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        if not self.closed.done():
            self.closed.set_result(None)


class ExecSession:
    """An authenticated connection that runs lines by exec. Used and closed like a Session."""

    def __init__(
        self, connection: asyncssh.SSHClientConnection, target: Target, series: Series, limits: Limits
    ) -> None:
        assert series.exec_mode is not None
        self._connection = connection
        self._target = target
        self._series = series
        self._mode = series.exec_mode
        self._limits = limits
        self._stopped = False
        self.used_previous = False

    async def run_all(self, lines: Sequence[str], *, ends_at: float) -> Collected:
        """As Session.run_all."""
        require_declared(self._series, lines)
        printed: list[Printed] = []
        for line in lines:
            if self._stopped:
                return Collected(tuple(printed), Failure.STOPPED, stopped_amid(self._target))
            printed.append(await self._run(line, ends_at))
            if printed[-1].failure in (Failure.TIMEOUT, Failure.CONNECTION_LOST, Failure.STOPPED):
                break
        marred = next((item for item in printed if item.failure), None)
        return Collected(tuple(printed), marred.failure if marred else None, marred.detail if marred else "")

    def stop(self) -> None:
        """As Session.stop."""
        self._stopped = True
        self._connection.abort()

    async def close(self) -> None:
        """Close the connection."""
        if not self._stopped:
            self._connection.close()
        await self._connection.wait_closed()

    async def _run(self, line: str, ends_at: float) -> Printed:
        loop = asyncio.get_running_loop()
        started_at, began = datetime.now(UTC), loop.time()
        output = _Output(self._limits.max_bytes)
        failure, detail = None, ""
        try:
            async with asyncio.timeout_at(min(began + self._limits.line_s, ends_at)):
                await self._connection.create_session(lambda: output, line, request_pty=False, encoding=None)
                await output.closed
        except TimeoutError:
            failure, detail = Failure.TIMEOUT, unfinished(self._target, line)
        except asyncssh.Error as error:
            output.lost = error
        body, failed = told_apart(bytes(output.raw), self._mode)
        if self._stopped:
            failure, detail = Failure.STOPPED, stopped_amid(self._target)
        elif output.lost:
            failure, detail = Failure.CONNECTION_LOST, ended(self._target, str(output.lost))
        elif not failure and (failed or output.status or self._series.refuses_in(body)):
            failure, detail = Failure.DEVICE_REFUSED, refused(self._target, line, body)
        return Printed(line, body, output.truncated, started_at, loop.time() - began, failure, detail)
