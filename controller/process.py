"""What every long-running process of the controller does about itself: when it ends, and what it may use."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.stdlib.get_logger("controller")

_CANCELLED_WITHIN_S = 1.5


def told_to_stop(stop: asyncio.Event, *, within_s: float, also: Callable[[], object] = lambda: None) -> None:
    """From now on SIGTERM and SIGINT set `stop` and call `also`; within_s later the process ends whatever hangs."""

    def told() -> None:
        _end_not_later_than(within_s)
        stop.set()
        also()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)


@asynccontextmanager
async def until_told(stop: asyncio.Event, endless: Sequence[asyncio.Future[Any]]) -> AsyncIterator[None]:
    """Wait until told to stop; the block then lets end what is under way, and after it all is cut off.

    endless: what must not end (Any: so it has no result). Raises what ended one of them, without the block.
    """
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({told, *endless}, return_when=asyncio.FIRST_COMPLETED)
        for part in endless:
            if part.done():
                part.result()
        yield
    finally:
        for part in (told, *endless):
            part.cancel()
        await asyncio.wait({told, *endless}, timeout=_CANCELLED_WITHIN_S)


def as_many_descriptors_as_allowed() -> None:
    """Each tunnel and each session takes one, and the usual soft limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def collect_garbage_seldom() -> None:
    """Cycles are rare here, and looking for them takes a tenth of a boot's CPU time with Python's own thresholds.

    What the start has made stays for good, so it is not looked at again; and 20,000 new objects instead of 700 are a
    few megabytes, or what a few hundred connections leave behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _end_not_later_than(wait_s: float) -> None:
    """The last resort against whatever hangs at the stop, threads included. It leaves what a kill leaves: nothing that
    the next start cannot handle."""

    def end() -> None:
        log.warning("Not everything ended in time; cut off.")
        os._exit(0)

    timer = threading.Timer(wait_s, end)
    timer.daemon = True
    timer.start()
