"""What happens to a campaign, as it happens: how far it is, each task that ends, its end.

Read from the database by looking again and again, so any controller can tell it, and a reader who comes back to another
one misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from controller.domain.campaign import LIVE, State
from controller.domain.errors import NotFound
from controller.store import campaigns
from controller.store.pool import Database, Row

LOOK_S = 0.5
_PAGE = 1000
# Tasks do not become visible in the order of their times: commits take a while, and workers have clocks of their own.
_BELATED = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Position:
    """How much has been told: tasks that ended up to then. As text, what a reader gives to go on from there."""

    at: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    task: int = 0

    def __str__(self) -> str:
        return f"{int(self.at.timestamp() * 1_000_000)}-{self.task}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Raises ValueError for what `str` never gave."""
        micros, _, task = text.partition("-")
        if not (micros.isdecimal() and task.isdecimal() and micros.isascii() and task.isascii()):
            raise ValueError("not a position of this stream")
        if int(micros) >= 10**16 or int(task) >= 2**63:
            raise ValueError("not a position of this stream")
        return cls(datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(micros)), int(task))


@dataclass(frozen=True, slots=True)
class News:
    """kind and its row: "progress" and "end": the campaign with its counts; "task": one that has ended."""

    kind: Literal["progress", "task", "end"]
    row: Row
    position: Position


async def follow(
    db: Database,
    campaign: int,
    *,
    contract: str | None,
    after: Position,
    with_tasks: bool,
    stopping: asyncio.Event,
    silence_s: float,
    is_gone: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[News | None, None]:
    """What has happened after that position and what happens from now on, until the campaign has ended or `stopping`.

    contract: as in store/campaigns. None: nothing has happened for silence_s. is_gone: the reader does not listen any
    more, so that it need not be told something before that is noticed. A task may be told twice (around a
    position, times are not exact), and none is left out. Raises NotFound.
    """
    told: set[int] = set()
    position, quiet_s, shown = after, 0.0, None
    while not (stopping.is_set() or is_gone()):
        row = await campaigns.one(db, campaign, contract=contract)
        if row is None:
            raise NotFound("No {what} {name}.", next_step="Check the name.", what="campaign", name=campaign)
        over = State(row["state"]) not in LIVE and not row["waiting"] + row["running"]
        if with_tasks:
            begin = after if over else position  # the last look leaves out nothing that became visible late
            async for ended in _ended(db, campaign, contract, begin, told):
                position = max(position, Position(ended["finished_at"], ended["id"]), key=lambda p: (p.at, p.task))
                quiet_s = 0.0
                yield News("task", ended, position)
        if over or (progress := _progress(row)) != shown:
            yield News("end" if over else "progress", row, position)
            if over:
                return
            shown, quiet_s = progress, 0.0
        quiet_s += LOOK_S
        if quiet_s >= silence_s:
            quiet_s = 0.0
            yield None
        await _pause(stopping)


async def _ended(
    db: Database, campaign: int, contract: str | None, begin: Position, told: set[int]
) -> AsyncIterator[Row]:
    """Tasks that ended since shortly before that position and are not among `told`, to which they are added."""
    at = (begin.at - _BELATED, 0)
    while True:
        rows = await campaigns.ended_after(db, campaign, contract=contract, after=at, limit=_PAGE)
        for row in rows:
            if row["id"] not in told:
                told.add(row["id"])
                yield row
        if len(rows) < _PAGE:
            return
        at = (rows[-1]["finished_at"], rows[-1]["id"])


def _progress(row: Row) -> tuple[object, ...]:
    names = ("state", "why", "due_at", "waiting", "running", "done", "failed", "cancelled", "expired")
    return tuple(row[name] for name in names)


async def _pause(stopping: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await stopping.wait()
