"""Jump hosts: one connection to each leads to any number of adapters behind it, as ssh's ProxyJump does.

The first adapter that needs one opens it; it is closed a while after the last one has gone. RFC 4254 section 7.2.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from controller.ports import Jump, Limits
from controller.transports.ssh.failures import NotOpened
from controller.transports.ssh.login import connect, deadlines
from controller.transports.ssh.tuned import TunedConnection

IDLE_S = 30.0
"""A jump host's connection is closed when nothing went through it for so long, twice as long at most."""

_KEEPALIVE_S, _KEEPALIVES = 15.0, 3

_REFUSED_FOR_S = 15.0
"""How long a failure is the answer to all adapters behind that host: tried for each, a wrong login would lock the
account. Another login, key or address is another jump host, and tried at once."""


@dataclass(slots=True)
class _Host:
    """A connection that is being opened, is there, has failed, or is over. asked_at: on the loop's clock."""

    opening: asyncio.Task[TunedConnection]
    asked_at: float = 0.0

    def is_over(self) -> bool:
        """Nothing can go through it any more."""
        task = self.opening
        return task.done() and (task.cancelled() or (task.exception() is None and task.result().is_closed()))


class JumpHosts:
    """The connections to jump hosts of one process."""

    def __init__(self) -> None:
        self._hosts: dict[Jump, _Host] = {}

    async def way(self, jump: Jump, limits: Limits) -> TunedConnection:
        """The connection to this jump host. Raises NotOpened with the jump host's failure.

        Adapters that ask in the same moment wait for the same login; one of them giving up does not end it.
        """
        loop = asyncio.get_running_loop()
        host = self._hosts.get(jump)
        if host is None or host.is_over():
            host = self._hosts[jump] = _Host(loop.create_task(_opened(jump, limits), name="jump host"))
            host.opening.add_done_callback(lambda task: self._opened(jump, task))
        host.asked_at = loop.time()
        try:
            return await asyncio.shield(host.opening)
        except NotOpened as reason:
            reason.at_jump_host = True
            raise reason.with_traceback(None) from None

    async def close(self) -> None:
        """Close all, whatever goes through them."""
        hosts, self._hosts = list(self._hosts.values()), {}
        for host in hosts:
            host.opening.cancel()
        opened = await asyncio.gather(*(host.opening for host in hosts), return_exceptions=True)
        for connection in opened:
            if isinstance(connection, TunedConnection):
                connection.close()
                await connection.wait_closed()

    def _opened(self, jump: Jump, task: asyncio.Task[TunedConnection]) -> None:
        loop = asyncio.get_running_loop()
        if task.cancelled():
            self._forget(jump, task)
        elif error := task.exception():
            may_pass = isinstance(error, NotOpened) and error.may_pass
            loop.call_later(0 if may_pass else _REFUSED_FOR_S, self._forget, jump, task)
        else:
            task.result().set_keepalive(_KEEPALIVE_S, _KEEPALIVES)
            loop.call_later(IDLE_S, self._look, jump, task)

    def _look(self, jump: Jump, task: asyncio.Task[TunedConnection]) -> None:
        """Close it when it has been idle, else look again."""
        host, connection = self._hosts.get(jump), task.result()
        loop = asyncio.get_running_loop()
        if host is None or host.opening is not task:
            return
        if connection.is_closed() or (connection.carries == 0 and loop.time() - host.asked_at >= IDLE_S):
            connection.close()
            self._forget(jump, task)
        else:
            loop.call_later(IDLE_S, self._look, jump, task)

    def _forget(self, jump: Jump, task: asyncio.Task[TunedConnection]) -> None:
        host = self._hosts.get(jump)
        if host is not None and host.opening is task:
            del self._hosts[jump]


async def _opened(jump: Jump, limits: Limits) -> TunedConnection:
    async with deadlines(jump, jump.login, limits) as owner:
        return await connect(owner)
