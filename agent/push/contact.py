"""How one adapter is in touch with its server: tunnels or a listener, what goes on through them, heartbeats.

Made when the server has said how it will push, ended by a pull, a restart or a power cut, which end everything at once.
An idle contact has no task: a socket for each tunnel, and two timers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.adapter import Adapter
from agent.push import pulse
from agent.push.host import Host
from agent.reaction import Next, Step, about
from protocol.arms.messages import DoneRequest, Kind

if TYPE_CHECKING:
    from agent.push.simple import Listener
    from agent.push.tunnel import Tunnel

TUNNEL = "https-tunnel"
SIMPLE = "https-simple"

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Transaction:
    """An asynchronous operation. outcome: what is to be reported, None while it is being done.

    is_taken_back: a configure whose config was rolled back; it is not rolled back again.
    """

    kind: Kind
    id: int
    outcome: DoneRequest | None = None
    is_taken_back: bool = False


class Contact:
    """See the module.

    turn: which of the methods is tried or in use. tries: in a row without success. was_confirmed: by this contact at
    some time. configuring: the configure whose outcome has not been taken yet. is_busy: with a request, so that the
    adapter, which has one thread, neither sends echoes nor heartbeats.
    """

    __slots__ = (
        "_in_touch",
        "_lock",
        "_tasks",
        "adapter",
        "beats",
        "configuring",
        "host",
        "is_busy",
        "is_confirming",
        "is_over",
        "listener",
        "pulse",
        "pulse_is_late",
        "transactions",
        "tries",
        "tunnels",
        "turn",
        "waiting",
        "was_confirmed",
    )

    def __init__(self, adapter: Adapter, host: Host) -> None:
        self.adapter, self.host = adapter, host
        self.turn = self.tries = self.waiting = self.beats = 0
        self.tunnels: dict[str, Tunnel] = {}
        self.listener: Listener | None = None
        self.transactions: dict[int, Transaction] = {}
        self.configuring: Transaction | None = None
        self.was_confirmed = self.is_confirming = self.is_busy = self.is_over = False
        self.pulse: asyncio.TimerHandle | None = None
        self.pulse_is_late = False
        self._in_touch: asyncio.Event | None = None
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] | None = None

    @property
    def method(self) -> str:
        methods = self.adapter.volatile.terms.methods
        return methods[self.turn] if self.turn < len(methods) else ""

    @property
    def is_up(self) -> bool:
        """The server has shown that it can push."""
        return any(each.is_confirmed for each in self.tunnels.values()) or bool(
            self.listener and self.listener.is_confirmed
        )

    @property
    def state(self) -> str:
        """In a word, for people."""
        if self.configuring:
            return "configuring"
        return "up" if self.is_up else "down" if self.was_confirmed else "confirming"

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Do this beside everything else; it ends with the contact at the latest."""
        if self._tasks is None:
            self._tasks = set()
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    @contextlib.asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """One request after the other; echoes and heartbeats that are due meanwhile go out afterwards."""
        async with self._lock:
            self.is_busy = True
            try:
                yield
            finally:
                self.is_busy = False
                for tunnel in list(self.tunnels.values()):
                    tunnel.catch_up()
                pulse.catch_up(self)

    def begin(self, kind: Kind) -> Transaction:
        """A new transaction, under a number of 31 random bits."""
        number = secrets.randbelow(2**31 - 1) + 1
        self.transactions[number] = transaction = Transaction(kind, number)
        return transaction

    async def in_touch(self) -> None:
        """Wait until the server can push again."""
        while not self.is_up:
            self._in_touch = self._in_touch or asyncio.Event()
            await self._in_touch.wait()

    def is_confirmed_now(self) -> None:
        """The server can push: whoever waits for that goes on, and heartbeats begin."""
        self.was_confirmed, self.tries = True, 0
        if self._in_touch:
            self._in_touch.set()
            self._in_touch = None
        pulse.start(self)

    def lost(self, tunnel: Tunnel, why: str) -> None:
        """A tunnel has broken, not by our doing: it is made again after the retry interval."""
        if self.tunnels.get(tunnel.url) is tunnel:
            del self.tunnels[tunnel.url]
            self.adapter.log("warning", "system", f"tunnel lost: {why}")
            if not self.is_confirming:  # else whoever confirms sees it
                self.host.go(self.adapter, Next(Step.CONFIRM, self.retry_s))

    @property
    def retry_s(self) -> float:
        """Device seconds until the next try, a tenth more or less."""
        server = self.adapter.volatile.server
        return about(self.adapter, server.retry_interval_s if server else 1.0)

    def hang_up(self, *, orderly: bool = True) -> None:
        """Close tunnels and listener; transactions live on. orderly: say good-bye with the zero chunk."""
        tunnels, self.tunnels = list(self.tunnels.values()), {}
        for tunnel in tunnels:
            tunnel.close(orderly=orderly)
        if self.listener:
            self.listener.close()
            self.listener = None

    def leave(self, upcoming: Next | None) -> None:
        """End in good order and do something else."""
        self.end()
        self.host.go(self.adapter, upcoming)

    def end(self, *, power_cut: bool = False) -> None:
        """It is over. power_cut: every connection breaks off where it is."""
        self.is_over = True
        for tunnel in self.tunnels.values() if power_cut else ():
            tunnel.abort()
        if power_cut and self.listener:
            self.listener.abort()
        self.hang_up()
        pulse.stop(self)
        self.transactions.clear()
        current = asyncio.current_task()
        for task in list(self._tasks or ()):
            if task is not current:
                task.cancel()
        if self.adapter.contact is self:
            self.adapter.contact = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._tasks:
            self._tasks.discard(task)
        if not self._tasks:
            self._tasks = None
        if not task.cancelled() and (error := task.exception()):
            _log.error("work of %s ended by a bug", self.adapter.serial, exc_info=error)
