"""`admit` for many adapters: a bounded queue in which addresses take turns (turns.py), and bytes per second that they
share (bandwidth.py)."""

import asyncio
import random
from collections.abc import Callable
from functools import partial

from firmware_repo.bandwidth import Bandwidth
from firmware_repo.hooks import Asker, Refusal, Turn
from firmware_repo.turns import Turns

WAIT_S = 20.0
"""The longest wait for a turn: an adapter's own patience is not much longer."""
MOST_WAITING = 8192
_RETRY_S = 5, 30

_Granted = asyncio.Future[None]


class Fairness:
    """downloads, per_address: bodies at one time. bytes_per_second, per second of one address: 0 for no bound.

    Many adapters behind one NAT share an address, and what it may have.
    """

    def __init__(
        self,
        downloads: int,
        per_address: int,
        bytes_per_second: int = 0,
        bytes_per_second_per_address: int = 0,
        *,
        wait_s: float = WAIT_S,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._turns: Turns[_Granted] = Turns(downloads, per_address, most_waiting)
        self._wait_s = wait_s
        is_bounded = bytes_per_second or bytes_per_second_per_address
        self._shares = Shares(bytes_per_second, bytes_per_second_per_address) if is_bounded else None

    @property
    def running(self) -> int:
        return self._turns.running

    @property
    def waiting(self) -> int:
        return self._turns.waiting

    async def admit(self, asker: Asker, count: int) -> Turn | Refusal:
        """A turn, now or within wait_s. 429 when the address has all that one may have, 503 when everybody has."""
        address = asker.source
        if not self._turns.begin(address):
            granted: _Granted = asyncio.get_running_loop().create_future()
            if not self._turns.wait(address, granted):
                return self._refused(address)
            self._call()
            if not await self._granted(address, granted):
                return self._refused(address)
        share = partial(self._shares.share, address) if self._shares else None
        return Turn(share, _once(partial(self._over, address)))

    async def _granted(self, address: str, granted: _Granted) -> bool:
        try:
            async with asyncio.timeout(self._wait_s):
                await granted
        except TimeoutError:
            return granted.done() and not granted.cancelled()
        except BaseException:
            if granted.done() and not granted.cancelled():
                self._over(address)
            raise
        finally:
            if granted.cancelled():
                self._turns.leave(address, granted)
        return True

    def _over(self, address: str) -> None:
        self._turns.end(address)
        self._call()

    def _call(self) -> None:
        while (called := self._turns.next()) is not None:
            address, granted = called
            if granted.done():  # it has just given up
                self._turns.end(address)
            else:
                granted.set_result(None)

    def _refused(self, address: str) -> Refusal:
        # Not the same second for everybody, or they all come back at once.
        retry = {"Retry-After": str(random.randint(*_RETRY_S))}  # noqa: S311
        if self._turns.is_full(address):
            return Refusal(429, "Too many downloads from this address; come back later.", retry)
        return Refusal(503, "Too many downloads are running; come back later.", retry)


class Shares:
    """Bytes per second in front of a timer."""

    def __init__(self, total: int, per_address: int) -> None:
        self._bandwidth: Bandwidth[_Granted] = Bandwidth(total, per_address)
        self._timer: asyncio.TimerHandle | None = None

    async def share(self, address: str, count: int) -> None:
        """Wait until so many bytes may go to the address."""
        loop = asyncio.get_running_loop()
        granted: _Granted = loop.create_future()
        self._bandwidth.want(address, count, granted, loop.time())
        self._call()
        try:
            await granted
        finally:
            if granted.cancelled():
                self._bandwidth.leave(address, granted)

    def _call(self) -> None:
        loop = asyncio.get_running_loop()
        while (granted := self._bandwidth.next(loop.time())) is not None:
            if not granted.done():
                granted.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
        due_at = self._bandwidth.due_at()
        self._timer = loop.call_at(due_at, self._call) if due_at is not None else None


def _once(over: Callable[[], None]) -> Callable[[], None]:
    called = False

    def call() -> None:
        nonlocal called
        if not called:
            called = True
            over()

    return call
