"""Tasks under way that must not go on: their campaign was aborted, they were cancelled, their adapter was
locked out (R3.7), or their lease is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import structlog

from controller.store import campaigns, claims
from controller.store.pool import TROUBLE, Database, Row

log = structlog.get_logger()

LOOK_S = 0.5
"""How long an abort may go unnoticed whose notification was lost."""

_AGAIN_S = 1.0


@dataclass(slots=True)
class Stop:
    """One task's: set when it must not go on; why says why, in a sentence."""

    fence: int
    event: asyncio.Event = field(default_factory=asyncio.Event)
    why: str = ""


class Held:
    """The tasks that this process runs. unrecorded: those whose result it could not record."""

    def __init__(self) -> None:
        self._stops: dict[int, Stop] = {}
        self.unrecorded: set[int] = set()
        self.look = asyncio.Event()

    @property
    def count(self) -> int:
        """How many there are now."""
        return len(self._stops)

    @property
    def begun(self) -> set[int]:
        """Ids of all tasks that may be running in the database by what this process did."""
        return self.unrecorded | self._stops.keys()

    @contextmanager
    def holding(self, row: Row) -> Iterator[Stop]:
        """While the claimed task runs and is recorded."""
        stop = self._stops[row["id"]] = Stop(row["fence"])
        try:
            yield stop
        finally:
            if self._stops.get(row["id"]) is stop:  # else it was claimed anew
                del self._stops[row["id"]]

    async def check(self, db: Database) -> None:
        """Stop those that must not go on."""
        running = {task: stop.fence for task, stop in self._stops.items() if not stop.why}
        if not running:
            return
        for task, why in (await claims.to_stop(db, running)).items():
            stop = self._stops.get(task)
            if stop is not None and stop.fence == running[task]:
                stop.why = why
                stop.event.set()
                log.info("task is told to stop", task=task, why=why)


async def watch(db: Database, held: Held) -> None:
    """Look twice a second, and whenever somebody notifies; until cancelled."""
    listener = asyncio.create_task(_listen(db, held), name="aborts")
    try:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await held.look.wait()
            held.look.clear()
            try:
                await held.check(db)
            except TROUBLE as error:
                log.warning("cannot see which tasks to stop; trying again", error=str(error) or type(error).__name__)
                await asyncio.sleep(_AGAIN_S)
    finally:
        listener.cancel()
        await asyncio.wait({listener})


async def _listen(db: Database, held: Held) -> None:
    """Between two connections aborts are found by looking."""
    gone = asyncio.Event()
    while True:
        gone.clear()
        try:
            async with db.session() as session:
                session.add_termination_listener(lambda _: gone.set())
                await session.add_listener(campaigns.ABORT_CHANNEL, lambda *_: held.look.set())
                await gone.wait()
        except (*TROUBLE, TimeoutError) as error:
            log.info("not notified of aborts for now", error=str(error) or type(error).__name__)
        await asyncio.sleep(_AGAIN_S)
