"""From a target to an open session: the jump host if there is one, the login, the shell, the first prompt.

Every way to fail here is a NotOpened. Nothing is retried and nothing is queued here (collect.py does both).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from controller.ports import Failure, Limits, Login, Target
from controller.series import Series
from controller.transports.ssh.exec_session import ExecSession
from controller.transports.ssh.failures import NotOpened
from controller.transports.ssh.jump import JumpHosts
from controller.transports.ssh.login import connect, deadlines
from controller.transports.ssh.session import Session
from controller.transports.ssh.tuned import TunedConnection

TERMINAL = "vt100"
TERMINAL_SIZE = (511, 9999)
"""Columns and rows: nothing is wrapped, and a pager that goes by the terminal's size has nothing to do."""

_S = TypeVar("_S", bound=Session | ExecSession)


async def open_session(target: Target, series: Series, limits: Limits, jumps: JumpHosts) -> Session:
    """Connect, check the host key, log in, wait for the prompt.

    Raises NotOpened with the class of failure and a sentence; .may_pass when trying again at once makes sense.
    """

    async def attempt(login: Login) -> Session:
        async with _connected(target, login, limits, jumps) as connection:
            session = Session(target, series, limits)
            await connection.open_shell(session, TERMINAL, *TERMINAL_SIZE)
            await session.greet()
            return session

    return await _by_either_login(target, attempt)


async def open_exec(target: Target, series: Series, limits: Limits, jumps: JumpHosts) -> ExecSession:
    """As `open_session`, but without a shell: each line will be an exec request of its own."""

    async def attempt(login: Login) -> ExecSession:
        async with _connected(target, login, limits, jumps) as connection:
            return ExecSession(connection, target, series, limits)

    return await _by_either_login(target, attempt)


async def _by_either_login(target: Target, attempt: Callable[[Login], Awaitable[_S]]) -> _S:
    """By the target's login; where that is refused, once by the previous one, on a connection of its own."""
    try:
        return await attempt(Login(target.username, target.password, target.private_key))
    except NotOpened as reason:
        if target.previous is None or reason.failure is not Failure.AUTHENTICATION_REFUSED:
            raise
        refusal = reason
    try:
        session = await attempt(target.previous)
    except NotOpened as reason:
        raise (refusal if reason.failure is Failure.AUTHENTICATION_REFUSED else reason) from None
    session.used_previous = True
    return session


@asynccontextmanager
async def _connected(target: Target, login: Login, limits: Limits, jumps: JumpHosts) -> AsyncIterator[TunedConnection]:
    """A connection under the deadlines for opening a session; it is cut when that fails."""
    way = await jumps.way(target.jump, limits) if target.jump else None
    async with deadlines(target, login, limits) as owner:
        connection = await connect(owner, way)
        try:
            yield connection
        except BaseException:
            connection.abort()
            raise
