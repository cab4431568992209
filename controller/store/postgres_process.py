"""Starts PostgreSQL's programs so that they cannot outlive the controller, whatever ends it."""

import asyncio
import ctypes
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from pathlib import Path

from controller.store.postgres_binaries import Account

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}  # no PG* variable of the caller leaks in
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)


async def spawn(
    program: Path, *arguments: str, cwd: Path, account: Account, if_orphaned: signal.Signals, stdout: int = DEVNULL
) -> Process:
    """Start `program` as `account` in its own session with stderr piped to us. Raises OSError.

    if_orphaned: what the kernel sends it when the *thread* that called this ends; so call it on the main thread only.
    """
    return await asyncio.create_subprocess_exec(
        program,
        *arguments,
        cwd=cwd,
        env=_ENVIRONMENT,
        stdin=DEVNULL,
        stdout=stdout,
        stderr=PIPE,
        limit=1 << 20,
        start_new_session=True,  # Ctrl-C at the terminal is for the controller, which stops the server last
        preexec_fn=_signal_when_orphaned(if_orphaned),
        **account.run_as(),
    )


def data_directory(folder: Path, account: Account) -> str:
    """How to name `folder`, which must also be the working directory, on a command line.

    As root, by a name that the account can follow even when `folder` lies below a folder closed to it, such as /root.
    """
    return "/proc/self/cwd" if account.run_as() else str(folder)


def _signal_when_orphaned(signal_: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def in_the_child() -> None:  # runs after the change of uid, which would have cleared it again
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal_), 0, 0, 0)
        if os.getppid() != parent:  # orphaned before it was set
            os._exit(1)

    return in_the_child
