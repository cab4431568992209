"""The process behind `fleet up`: in the foreground with a progress bar, or a daemon that its parent has seen listen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.fleet import Fleet
from agent.lifecycle import SETTLED
from agent.memory import StateInUse
from agent.ssh.door import CannotListen

if TYPE_CHECKING:
    from rich.progress import Progress

LOG = "fleet.log"
START_DEADLINE_S = 60.0

Report = Callable[[dict[str, Any]], None]
"""Takes {"event": "listening" | "settled" | "stopped", …}; Any: JSON."""


class CannotStart(Exception):
    """The fleet did not come up; the text says why and what to do."""


def run(fleet: Fleet, state: Path, report: Report, *, bar: bool) -> None:
    """Run until SIGTERM, SIGINT or `fleet down`. bar: show how many have booted, on stderr. Raises CannotStart."""
    _raise_file_limit()
    try:
        asyncio.run(_serve(fleet, state, report, bar))
    except (CannotListen, StateInUse) as error:
        raise CannotStart(str(error)) from error


def detach(fleet: Fleet, state: Path) -> dict[str, Any]:
    """Run in a process of its own; returns what it reported when it listened. Raises CannotStart."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        _become_daemon(fleet, state, writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        ready, _, _ = select.select([pipe], [], [], START_DEADLINE_S)
        told = json.loads((ready and pipe.readline()) or "{}")
    if "error" in told:
        raise CannotStart(told["error"])
    if not told:
        raise CannotStart(f"The fleet did not come up. {state / LOG} says more.")
    return dict(told)


def _become_daemon(fleet: Fleet, state: Path, writing: int) -> None:
    """In the child; never returns."""
    code = 1
    try:
        os.setsid()
        log = os.open(state / LOG, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for ours, standard in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(ours, standard)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
        run(fleet, state, lambda event: _tell(writing, event), bar=False)
        code = 0
    except CannotStart as error:
        _tell(writing, {"error": str(error)})
    except BaseException:
        logging.getLogger(__name__).exception("the fleet ended by a bug")
    finally:
        os._exit(code)


def _tell(writing: int, event: dict[str, Any]) -> None:
    """The parent reads one line and goes; later ones find nobody."""
    with contextlib.suppress(BrokenPipeError):
        os.write(writing, (json.dumps(event) + "\n").encode())


async def _serve(fleet: Fleet, state: Path, report: Report, bar: bool) -> None:
    began = time.monotonic()
    async with fleet:
        from agent.control import Control  # aiohttp is a third of a second, in which adapters can listen already

        control = Control(fleet, state)
        await control.open()
        try:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, control.down.set)
            report(_event("listening", fleet, began))
            await _watch_settling(fleet, control.down, bar)
            if not control.down.is_set():
                report(_event("settled", fleet, began))
                await control.down.wait()
        finally:
            await control.close()
    report({"event": "stopped"})


async def _watch_settling(fleet: Fleet, down: asyncio.Event, bar: bool) -> None:
    with _progress(bar) as progress:
        booting = progress.add_task("booted", total=len(fleet.adapters))
        while not down.is_set():
            counts = fleet.counts()
            progress.update(booting, completed=sum(counts[stage] for stage in SETTLED))
            if fleet.is_settled():
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(down.wait(), 0.1)


def _progress(bar: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(file=sys.stderr), disable=not bar)


def _event(name: str, fleet: Fleet, began: float) -> dict[str, Any]:
    stages = {stage.value: count for stage, count in sorted(fleet.counts().items())}
    return {
        "event": name,
        "pid": os.getpid(),
        "adapters": len(fleet.adapters),
        "stages": stages,
        "seconds": round(time.monotonic() - began, 3),
    }


def _raise_file_limit() -> None:
    """Thousands of connections need as many descriptors as we may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
