"""From a target to an open session: TCP, host key, login, shell. Every way to fail here is a NotOpened.

Nothing is retried and nothing is queued here (collect.py does both).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncssh

from controller.ports import Limits, Target
from controller.series import Series
from controller.transports.ssh import failures, hostkey
from controller.transports.ssh.exec_session import ExecSession
from controller.transports.ssh.failures import NotOpened
from controller.transports.ssh.session import Session
from controller.transports.ssh.tuned import TunedConnection, options_for

TERMINAL = "vt100"
TERMINAL_SIZE = (511, 9999)
"""Columns and rows: nothing is wrapped, and a pager that goes by the terminal's size has nothing to do."""


class _Owner(asyncssh.SSHClient):
    """Judges the host key, and knows how far the connection has got."""

    def __init__(self, target: Target, pinned: hostkey.PinnedKey, limits: Limits) -> None:
        self.pinned = pinned
        self._password = target.password
        self._limits = limits
        self._password_was_refused = False
        self.deadline: asyncio.Timeout | None = None
        self.step, self.limit_s = "SSH connection", limits.connect_s
        self.logging_in = False
        self.offered = b""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Only the pinned key will do; asyncssh has been given no other trust."""
        self.offered = key.public_data
        return self.offered == self.pinned.blob

    def begin_auth(self, username: str) -> None:
        self.step, self.limit_s = "prompt after the login", self._limits.login_s
        self.logging_in = True
        if self.deadline:
            self.deadline.reschedule(asyncio.get_running_loop().time() + self._limits.login_s)

    def password_auth_requested(self) -> None:
        """asyncssh asks for another password: the adapter takes passwords, but not the one it was given."""
        self._password_was_refused = True

    def kbdint_auth_requested(self) -> str | None:
        """Answer a keyboard-interactive login only where plain passwords are not on offer: one guess, not two."""
        return None if self._password_was_refused else ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        if not prompts:
            return []
        if len(prompts) > 1 or self._password_was_refused:
            return None
        self._password_was_refused = True  # unless it is accepted now
        return [self._password]


async def open_session(target: Target, series: Series, limits: Limits) -> Session:
    """Connect, check the host key, log in, wait for the prompt.

    Raises NotOpened with the class of failure and a sentence; .may_pass when trying again at once makes sense.
    """
    async with _deadlines(target, limits) as owner:
        return await _greeted(await _connect(target, owner), Session(target, series, limits))


async def open_exec(target: Target, series: Series, limits: Limits) -> ExecSession:
    """As `open_session`, but without a shell: each line will be an exec request of its own."""
    async with _deadlines(target, limits) as owner:
        return ExecSession(await _connect(target, owner), target, series, limits)


@asynccontextmanager
async def _deadlines(target: Target, limits: Limits) -> AsyncIterator[_Owner]:
    """First the limit for the connection, then, from the login on, the one for that; every error becomes NotOpened."""
    try:
        owner = _Owner(target, hostkey.parse(target.host_key), limits)
    except ValueError as reason:
        raise failures.host_key_unknown(target, str(reason)) from None
    try:
        async with asyncio.timeout(limits.connect_s) as owner.deadline:
            yield owner
    except (asyncssh.Error, OSError) as error:
        raise _not_opened(error, target, owner) from error


async def _connect(target: Target, owner: _Owner) -> TunedConnection:
    """An authenticated connection, as `asyncssh.connect` makes it, without its look-ups (tuned.py)."""
    loop = asyncio.get_running_loop()
    options, logged_in = options_for(target, owner.pinned.key_type, lambda: owner)
    _, connection = await loop.create_connection(lambda: TunedConnection(loop, options), target.address, target.port)
    try:
        await logged_in
    except BaseException as error:
        connection.abort()
        if isinstance(error, ValueError | LookupError | AssertionError):  # asyncssh stumbled over what came in
            raise asyncssh.ProtocolError(f"what it sends is not SSH ({error})") from error
        raise
    return connection


async def _greeted(connection: TunedConnection, session: Session) -> Session:
    try:
        await connection.open_shell(session, TERMINAL, *TERMINAL_SIZE)
        await session.greet()
    except BaseException:
        connection.abort()
        raise
    return session


def _not_opened(error: asyncssh.Error | OSError, target: Target, owner: _Owner) -> NotOpened:
    """The failure that this error means, at the step that the connection had reached."""
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return failures.host_key_changed(target, owner.pinned, owner.offered)
        case asyncssh.PermissionDenied():
            return failures.authentication_refused(target)
        case asyncssh.ChannelOpenError():
            return failures.no_shell(target, error.reason)
        case asyncssh.Error() if owner.logging_in:
            return failures.lost(target, "the login", error.reason)
        case asyncssh.Error():
            return failures.unreachable(target, error.reason, may_pass=isinstance(error, asyncssh.ConnectionLost))
        case TimeoutError() if owner.deadline and owner.deadline.expired():
            return failures.too_slow(target, owner.step, owner.limit_s)
    reason = os.strerror(error.errno) if error.errno else str(error)
    may_pass = isinstance(error, ConnectionRefusedError | ConnectionResetError)
    return failures.unreachable(target, reason, may_pass=may_pass)
