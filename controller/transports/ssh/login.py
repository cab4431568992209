"""From an SSH host, adapter or jump host, to an authenticated connection: TCP, host key, login.

Every way to fail here is a NotOpened. Nothing is retried and nothing is queued here (collect.py does both).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncssh

from controller.ports import Jump, Limits, Login, Target
from controller.transports.ssh import failures, hostkey, keys
from controller.transports.ssh.failures import NotOpened
from controller.transports.ssh.tuned import TunedConnection, options_for


class Owner(asyncssh.SSHClient):
    """Judges the host key, answers what the login asks, and knows how far the connection has got."""

    def __init__(self, host: Target | Jump, login: Login, limits: Limits) -> None:
        self.host, self.login = host, login
        self.pinned = hostkey.parse(host.host_key)
        self._limits = limits
        self._password_is_out = not login.password and bool(login.private_key)  # none is left to offer
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
        """asyncssh asks for another password: the host takes passwords, but not the one it was given."""
        self._password_is_out = True

    def kbdint_auth_requested(self) -> str | None:
        """Answer a keyboard-interactive login only where plain passwords are not on offer: one guess, not two."""
        return None if self._password_is_out else ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        if not prompts:
            return []
        if len(prompts) > 1 or self._password_is_out:
            return None
        self._password_is_out = True  # unless it is accepted now
        return [self.login.password]


@asynccontextmanager
async def deadlines(host: Target | Jump, login: Login, limits: Limits) -> AsyncIterator[Owner]:
    """First the limit for the connection, then, from the login on, the one for that; every error becomes NotOpened."""
    try:
        owner = Owner(host, login, limits)
    except ValueError as reason:
        raise failures.host_key_unknown(host, str(reason)) from None
    try:
        async with asyncio.timeout(limits.connect_s) as owner.deadline:
            yield owner
    except (asyncssh.Error, OSError) as error:
        raise _not_opened(error, owner) from error


async def connect(owner: Owner, way: TunedConnection | None = None) -> TunedConnection:
    """An authenticated connection, as `asyncssh.connect` makes it, without its look-ups (tuned.py).

    way: the jump host's connection, when there is one. To be used inside of `deadlines`.
    """
    loop = asyncio.get_running_loop()
    host = owner.host
    series_name = host.series_name if isinstance(host, Target) else ""
    try:
        key = keys.private_key(owner.login.private_key) if owner.login.private_key else None
    except ValueError as reason:
        raise failures.key_unreadable(host, str(reason)) from None
    options, logged_in = options_for(
        host.address, host.port, owner.login, series_name, owner.pinned.key_type, lambda: owner, key
    )
    if way is None:
        _, connection = await loop.create_connection(lambda: TunedConnection(loop, options), host.address, host.port)
    else:
        connection = await way.lead_to(host.address, host.port, lambda: TunedConnection(loop, options))
    try:
        await logged_in
    except BaseException as error:
        connection.abort()
        if isinstance(error, ValueError | LookupError | AssertionError):  # asyncssh stumbled over what came in
            raise asyncssh.ProtocolError(f"what it sends is not SSH ({error})") from error
        raise
    return connection


def _not_opened(error: asyncssh.Error | OSError, owner: Owner) -> NotOpened:
    """The failure that this error means, at the step that the connection had reached."""
    host = owner.host
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return failures.host_key_changed(host, owner.pinned, owner.offered)
        case asyncssh.PermissionDenied():
            return failures.authentication_refused(host, owner.login.username)
        case asyncssh.ChannelOpenError() if owner.logging_in:
            return failures.no_shell(host, error.reason)
        case asyncssh.ChannelOpenError():  # the jump host's answer
            prohibited = error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
            return failures.no_way(host, error.reason, prohibited=prohibited)
        case asyncssh.Error() if owner.logging_in:
            return failures.lost(host, "the login", error.reason)
        case asyncssh.Error():
            return failures.unreachable(host, error.reason, may_pass=isinstance(error, asyncssh.ConnectionLost))
        case TimeoutError() if owner.deadline and owner.deadline.expired():
            return failures.too_slow(host, owner.step, owner.limit_s)
    reason = os.strerror(error.errno) if error.errno else str(error)
    may_pass = isinstance(error, ConnectionRefusedError | ConnectionResetError)
    return failures.unreachable(host, reason, may_pass=may_pass)
