"""Blobs that are being read now: many readers of one share a descriptor, and none stays open when nobody reads.

A range is asked for some five hundred times before an image is whole; looking for its file each time would cost more
than sending it.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_repo.blobs import OpenBlob
from firmware_repo.images import Images

_IDLE_S = 1.0


class _Shared:
    """A blob held open by `readers`."""

    def __init__(self, blob: OpenBlob) -> None:
        self.blob, self.readers = blob, 0

    @property
    def is_sound(self) -> bool:
        """It is still what its path names, and as long as it was stored."""
        found = os.fstat(self.blob.file.fileno())
        return found.st_nlink > 0 and found.st_size == self.blob.blob.size


class Opened:
    """In front of a store, for one event loop."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._held: dict[str, _Shared] = {}

    @contextmanager
    def open(self, sha256: str) -> Iterator[OpenBlob]:
        """As `Images.open`: raises NoSuchBlob, Damaged. Positions of the file are nobody's."""
        shared = self._held.get(sha256)
        if shared is None or not shared.is_sound:
            shared = self._held[sha256] = _Shared(self._images.open(sha256))
            asyncio.get_running_loop().call_later(_IDLE_S, self._let_go, sha256, shared)
        shared.readers += 1
        try:
            yield shared.blob
        finally:
            shared.readers -= 1
            if not shared.readers and self._held.get(sha256) is not shared:
                shared.blob.file.close()

    def _let_go(self, sha256: str, shared: _Shared) -> None:
        """From now on it is opened anew; whoever reads this one closes it."""
        if self._held.get(sha256) is shared:
            del self._held[sha256]
        if not shared.readers:
            shared.blob.file.close()
