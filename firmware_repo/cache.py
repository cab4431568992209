"""Images that are kept elsewhere, as far as there is room here: those used longest ago make room for others.

Whoever has one open holds a lock on its file, which dies with the process; so several processes may share the folder,
and none takes away what another one is sending.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from firmware_repo.blobs import Blob, Blobs, OpenBlob, Readable
from firmware_repo.errors import Damaged, NoSuchBlob, StoreFull

_log = structlog.stdlib.get_logger("hikitsugi.firmware")


class Cache:
    """In front of `blobs`. most_bytes: 0 for no bound but the disk's.

    is_kept: is this blob elsewhere, too? One that is not is never let go: it may be the last copy.
    """

    def __init__(self, blobs: Blobs, most_bytes: int, is_kept: Callable[[Blob], bool]) -> None:
        self._blobs, self._most, self._is_kept = blobs, most_bytes, is_kept
        self._lock = threading.Lock()
        self._coming = 0

    def open(self, sha256: str) -> OpenBlob:
        """Raises NoSuchBlob; also for one that was cut: it can be had again."""
        try:
            opened = self._blobs.open(sha256)
        except Damaged as damage:
            _log.warning("An image in the cache is damaged; it is fetched again", sha256=sha256, detail=damage.detail)
            self.forget(sha256)
            raise NoSuchBlob(damage.detail) from damage
        if not _lock(opened.file.fileno(), fcntl.LOCK_SH):
            opened.file.close()
            raise NoSuchBlob(f"The image with sha256 {sha256} is just being removed from the cache.")
        with suppress(OSError):  # it would only look older than it is
            now = time.time_ns()  # finer than the kernel's own, which may be that of a file written a moment ago
            os.utime(opened.file.fileno(), ns=(now, now))
        return opened

    def take(self, body: Readable, sha256: str, size: int) -> Blob:
        """Put it in, checked. Raises WrongContent, StoreFull."""
        with self._room(size):
            return self._blobs.add(body, sha256, size)

    def check(self, sha256: str) -> None:
        """Read what is here of it, if anything; what is damaged is removed."""
        try:
            self._blobs.verify(sha256)
        except NoSuchBlob:
            return
        except Damaged as damage:
            _log.warning("An image in the cache is damaged; it was removed", sha256=sha256, detail=damage.detail)
            self.forget(sha256)

    def forget(self, sha256: str) -> None:
        """Remove it, whoever is sending it."""
        for _, blob in list(self._blobs.held()):
            if blob.sha256 == sha256:
                self._blobs.remove(blob)

    def path(self, blob: Blob) -> Path:
        """As `Blobs.path`."""
        return self._blobs.path(blob)

    @contextmanager
    def _room(self, size: int) -> Iterator[None]:
        with self._lock:
            if self._most:
                self._make_room(size)
            self._coming += size
        try:
            yield
        finally:
            with self._lock:
                self._coming -= size

    def _make_room(self, size: int) -> None:
        if size > self._most:
            raise StoreFull(f"An image of {size} bytes does not fit into a cache of {self._most}. Make it larger.")
        held = sorted(self._blobs.held(), key=lambda each: (each[0], each[1].sha256))
        over = sum(blob.size for _, blob in held) + self._coming + size - self._most
        for _, blob in held:
            if over <= 0:
                return
            if self._let_go(blob):
                over -= blob.size
        if over > 0:
            raise StoreFull(
                f"No room for an image of {size} bytes: all that is in the cache of {self._most} bytes is being sent, "
                "or kept nowhere else. Wait, or make the cache larger."
            )

    def _let_go(self, blob: Blob) -> bool:
        try:
            file = self._blobs.path(blob).open("rb")
        except FileNotFoundError:
            return True
        with file:
            if not _lock(file.fileno(), fcntl.LOCK_EX):
                return False
            if not self._is_kept(blob):
                _log.warning("An image is in the cache only; import it again, or remove its file", sha256=blob.sha256)
                return False
            self._blobs.remove(blob)
        _log.info("An image was removed from the cache", sha256=blob.sha256, size=blob.size)
        return True


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(descriptor).st_nlink > 0
