"""How workers take on what is due: claim rows, carry out each in a task of its own, record it, wait for more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from controller.store.pool import TROUBLE, Row

log = structlog.get_logger()

_T = TypeVar("_T")

_RECORD_S = 20.0  # less than a lease's margin: a result that comes late still counts
_PAUSE_S = 2.0  # after the database refused: it is restarting, or gone


async def run(
    what: str,
    claim: Callable[[int], Awaitable[list[Row]]],
    carry_out: Callable[[Row], Coroutine[None, None, None]],
    *,
    concurrency: int,
    poll_s: float,
    gather_s: float = 0.0,
    spacing_s: float = 0.0,
    wake: asyncio.Event,
    stopping: asyncio.Event,
) -> None:
    """Claim rows and carry them out until `stopping` is set; then wait for what is under way.

    what: one of them, for the log. claim: is told how many at most. carry_out: may raise nothing but CancelledError.
    wake: set it when there is more; else it is found within poll_s. Places come free one by one, and claiming for each
    would be a round trip a row: gather_s passes for more of them. After a claim that found nothing the next one is
    spacing_s away at least, however often `wake` is set meanwhile.
    """
    busy: set[asyncio.Task[None]] = set()
    now = asyncio.get_running_loop().time
    async with asyncio.TaskGroup() as group:
        while not stopping.is_set():
            wake.clear()
            claimed_at = now()
            rows = await _claimed(what, claim, concurrency - len(busy))
            for row in rows:
                task = group.create_task(carry_out(row), name=f"{what} {row['id']}")
                busy.add(task)
                task.add_done_callback(busy.discard)
            if not rows:
                await _wait(wake, busy, poll_s, gather_s)
                await asyncio.sleep(max(0.0, claimed_at + spacing_s - now()))


async def recorded(record: Callable[[], Awaitable[_T]]) -> _T:
    """What the transaction returns, tried again and again for 20 s while the database is in trouble (TROUBLE)."""
    try:
        return await record()
    except TROUBLE:  # only now: going through tenacity is 5 % of the work of a run on a kept connection
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(TROUBLE),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            stop=stop_after_delay(_RECORD_S),
            reraise=True,
        )
        return await retrying(record)


async def _claimed(what: str, claim: Callable[[int], Awaitable[list[Row]]], limit: int) -> list[Row]:
    if limit <= 0:
        return []
    try:
        return await claim(limit)
    except TROUBLE as error:
        log.warning(f"{what}s cannot be claimed; trying again", error=str(error) or type(error).__name__)
        await asyncio.sleep(_PAUSE_S)
        return []


async def _wait(wake: asyncio.Event, busy: set[asyncio.Task[None]], poll_s: float, gather_s: float) -> None:
    woken = asyncio.ensure_future(wake.wait())
    try:
        await asyncio.wait({woken, *busy}, timeout=poll_s, return_when=asyncio.FIRST_COMPLETED)
        if gather_s and not woken.done() and busy:
            await asyncio.sleep(gather_s)
    finally:
        woken.cancel()
