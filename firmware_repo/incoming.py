"""An image on its way in: a temporary file that either becomes whole and durable, or disappears.

A crash leaves the temporary file, and only that. Its writer holds a lock on it, which dies with the process; `sweep`
removes the files that nobody holds, so a second process that starts on the same folder does not disturb an upload.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_repo.errors import StoreFull, WrongContent

_SUFFIX = ".part"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Incoming:
    """One upload into `folder`: `write` every chunk, then `move` to where it belongs. A context manager.

    sha256 (64 lower-case hexadecimal digits) and size (bytes) are what was announced; nothing else gets through.
    """

    def __init__(self, folder: Path, *, sha256: str, size: int) -> None:
        self._folder, self._sha256, self._size = folder, sha256, size
        self._hash = hashlib.sha256()
        self._received = 0
        with self._needing_room():
            if shutil.disk_usage(folder).free < size:  # before megabytes travel for nothing
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._descriptor, self._path = _locked_file(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def write(self, chunk: bytes) -> None:
        """Append. Raises WrongContent at the first byte too many, StoreFull."""
        self._received += len(chunk)
        if self._received > self._size:
            raise WrongContent(f"The file is longer than the announced {self._size} bytes. Announce its whole size.")
        self._hash.update(chunk)
        rest = memoryview(chunk)
        with self._needing_room():
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def move(self, destination: Path) -> None:
        """Check, make durable, and put in place in one step; what was at `destination` is replaced.

        Raises WrongContent when size or sha256 differ from what was announced, StoreFull.
        """
        if self._received != self._size:
            raise WrongContent(
                f"The file ended after {self._received} of the announced {self._size} bytes. Send it again."
            )
        if (found := self._hash.hexdigest()) != self._sha256:
            raise WrongContent(
                f"The file has sha256 {found}, announced was {self._sha256}. "
                "Get the file again, or compare the digest with the vendor's."
            )
        with self._needing_room():
            os.fchmod(self._descriptor, 0o640)
            os.fsync(self._descriptor)
            destination.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(destination)
            for folder in (destination.parent, destination.parent.parent, destination.parent.parent.parent):
                _sync(folder)

    @contextmanager
    def _needing_room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise StoreFull(
                f"No room for an image of {self._size} bytes in {self._folder.parent}: {error.strerror} "
                f"({shutil.disk_usage(self._folder).free} bytes free). Nothing was stored; make room and import again."
            ) from error


def sweep(folder: Path) -> int:
    """Remove the temporary files that no living process is writing; returns how many."""
    removed = 0
    for path in folder.glob(f"*{_SUFFIX}"):
        with path.open("rb") as file:
            if _lock(file.fileno()):
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def _locked_file(folder: Path) -> tuple[int, Path]:
    while True:
        descriptor, name = tempfile.mkstemp(suffix=_SUFFIX, dir=folder)
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:
            return descriptor, Path(name)
        os.close(descriptor)  # a sweep came between making and locking, and took the file for a dead one's


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(folder: Path) -> None:
    """A new name survives a power cut only when the folder that holds it is written too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
