"""A lock file: one process at a time, released by the kernel when the holder ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.startup import CannotStart


@contextmanager
def exclusive(path: Path, *, wait: bool = False, hint: str = "Stop it first.") -> Iterator[None]:
    """Hold the lock file `path` (made when missing, mode 0600; it stays, holding the last holder's process id).

    wait: wait for the holder, without limit. Otherwise raises CannotStart that names the holder and ends in `hint`.
    Also raises CannotStart when the file cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise CannotStart(
            f"Cannot open the lock file {path}: {error.strerror}. Give this account write access."
        ) from error
    try:
        _take(descriptor, path, wait, hint)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, wait: bool, hint: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        raise CannotStart(f"{path.parent} is in use by another controller (process {holder}). {hint}") from error
