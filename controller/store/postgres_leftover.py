"""Ends what an earlier controller left running in *our* cluster folder, and nothing else.

A process is ours when it is called postgres and its working directory is that very folder (PostgreSQL's processes all
go there and stay): a process id alone may have been given to somebody else since.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from controller.startup import CannotStart

# fast shutdown → immediate shutdown → kill; seconds to wait after each
_STEPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


async def clear(cluster: Path) -> bool:
    """Stop every process that serves `cluster` and remove its dead postmaster.pid. True when something was running.

    Takes up to 20 s. Raises CannotStart when a process outlives SIGKILL (stuck in the kernel, e.g. on a dead disk).
    """
    was_running = bool(processes(cluster))
    for signal_, wait_s in _STEPS:
        running = processes(cluster)
        if not running:
            break
        postmaster = postmaster_of(cluster)
        everybody = signal_ == signal.SIGKILL or postmaster not in running
        for pid in running if everybody else (postmaster,):
            send(pid, signal_, cluster)
        await gone(cluster, wait_s)
    if processes(cluster):
        raise CannotStart(
            f"PostgreSQL processes {processes(cluster)} of {cluster} cannot be killed. "
            "Check the disk, or restart the machine."
        )
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    return was_running


def processes(cluster: Path) -> Sequence[int]:
    """Process ids of PostgreSQL's processes in `cluster`, ascending; empty when the folder does not exist."""
    try:
        home = cluster.stat()
    except FileNotFoundError:
        return ()
    return sorted(pid for pid in _all() if _serves(pid, home))


def postmaster_of(cluster: Path) -> int:
    """The process id in postmaster.pid, 0 when there is none to read. It may be long dead, or somebody else by now."""
    try:
        return int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return 0


def send(pid: int, signal_: signal.Signals, cluster: Path) -> None:
    """Signal `pid` if it still serves `cluster`; the descriptor bars a reuse of the id between look and signal."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if pid in processes(cluster):
            signal.pidfd_send_signal(handle, signal_)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


async def gone(cluster: Path, wait_s: float) -> None:
    """Return when nothing serves `cluster` any more, or after wait_s seconds."""
    until = time.monotonic() + wait_s
    while processes(cluster) and time.monotonic() < until:  # noqa: ASYNC110 - no event exists: not our children
        await asyncio.sleep(0.02)


def _all() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())


def _serves(pid: int, home: os.stat_result) -> bool:
    try:
        called_postgres = Path(f"/proc/{pid}/comm").read_text() == "postgres\n"
        return called_postgres and os.path.samestat(Path(f"/proc/{pid}/cwd").stat(), home)
    except OSError:  # it ended meanwhile, or belongs to somebody else
        return False
