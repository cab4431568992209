"""Single flight: however many want the same at once, it is done once; what failed is not tried again at once."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from firmware_repo.errors import RepositoryError, Unavailable, said

_AT_ONCE = 4
_RECALLED_S = 10.0
_MANY = 1024

_Outcome = RepositoryError | None


class Flights:
    """`carry` is called in a thread for each key that is asked for, four at a time.

    The threads are daemons: at the end of the process they end as a crash would end them, which carry must survive.
    """

    def __init__(self, carry: Callable[[str], object], *, recalled_s: float = _RECALLED_S) -> None:
        self._carry, self._recalled_s = carry, recalled_s
        self._lock, self._few = threading.Lock(), threading.BoundedSemaphore(_AT_ONCE)
        self._under_way: dict[str, Future[_Outcome]] = {}
        self._failed: dict[str, tuple[float, RepositoryError]] = {}

    async def board(self, key: str, *, wait_s: float) -> None:
        """Wait until it is done. Raises the RepositoryError that carry raised, now or a few seconds ago; Unavailable
        when it takes longer: it goes on, so come back."""
        landing = asyncio.wrap_future(self._flight(key))
        done, _ = await asyncio.wait({landing}, timeout=wait_s)
        if not done:
            raise Unavailable(said("It is still being fetched. Try again in a few seconds."))
        if (error := landing.result()) is not None:
            raise type(error)(error.detail) from error

    def forget(self, key: str) -> None:
        """That it failed; something has changed."""
        with self._lock:
            self._failed.pop(key, None)

    def _flight(self, key: str) -> Future[_Outcome]:
        with self._lock:
            if (under_way := self._under_way.get(key)) is not None:
                return under_way
            flight: Future[_Outcome] = Future()
            flight.set_running_or_notify_cancel()  # or one who stops waiting would cancel it for all
            until, error = self._failed.get(key, (0.0, None))
            if error is not None and time.monotonic() < until:
                flight.set_result(error)
                return flight
            self._under_way[key] = flight
        threading.Thread(target=self._fly, args=(key, flight), name=f"fetch {key[:8]}", daemon=True).start()
        return flight

    def _fly(self, key: str, flight: Future[_Outcome]) -> None:
        outcome: _Outcome = None
        try:
            with self._few:
                self._carry(key)
        except RepositoryError as error:
            outcome = error
        except BaseException as error:
            self._land(key, None)
            flight.set_exception(error)
            return
        self._land(key, outcome)
        flight.set_result(outcome)

    def _land(self, key: str, error: _Outcome) -> None:
        with self._lock:
            del self._under_way[key]
            self._failed.pop(key, None)
            if error is not None:
                if len(self._failed) >= _MANY:
                    self._failed.clear()
                self._failed[key] = time.monotonic() + self._recalled_s, error
