"""Starts PostgreSQL's programs so that they cannot outlive the controller, whatever ends it."""

import asyncio
import ctypes
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.store.postgres_binaries import Account

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}  # no PG* variable of the caller leaks in
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)


async def spawn(
    program: Path, cluster: Path, *arguments: str, account: Account, if_orphaned: signal.Signals
) -> Process:
    """Start `program -D cluster …` as `account`, in its own session, with stderr piped to us. Raises OSError.

    if_orphaned: what the kernel sends it when the *thread* that called this ends; so call it on the main thread only.
    """
    with _followable(cluster, account) as (name, descriptors):
        return await asyncio.create_subprocess_exec(
            program,
            *("-D", name),
            *arguments,
            cwd="/",  # initdb up to version 15 changes folders and must be able to come back
            env=_ENVIRONMENT,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            limit=1 << 20,
            pass_fds=descriptors,
            start_new_session=True,  # Ctrl-C at the terminal is for the controller, which stops the server last
            preexec_fn=_signal_when_orphaned(if_orphaned),
            **account.run_as(),
        )


@contextmanager
def _followable(folder: Path, account: Account) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A name for `folder` that the account can follow, and the descriptors to pass on for it.

    Root hands over an open descriptor: /proc leads to its folder even below one closed to the account, such as /root.
    """
    if not account.run_as():
        yield str(folder), ()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _signal_when_orphaned(signal_: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def in_the_child() -> None:  # runs after the change of uid, which would have cleared it again
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal_), 0, 0, 0)
        if os.getppid() != parent:  # orphaned before it was set
            os._exit(1)

    return in_the_child
