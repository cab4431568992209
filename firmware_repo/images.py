"""The port: what whoever imports, serves and checks images needs of the place where they are.

    blobs.py  files below a folder      s3.py  objects in a bucket, and files as far as they are asked for

Both are given an image by its sha256, and never give anything else for it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from firmware_repo.blobs import Blob, OpenBlob


class Images(Protocol):
    """Several threads may use one at once. `add`, `verify` and `stored` block, for minutes perhaps: call them in a
    thread. `open` and `path` do not."""

    def add(self, stream: BinaryIO, sha256: str, size: int) -> Blob:
        """Keep what `stream` (seekable) holds from its position on, if it is what was announced: nothing or all.

        The same again changes nothing, except that it heals what was damaged. Raises WrongContent, StoreFull,
        Unavailable; ValueError for a sha256 that is none.
        """

    def open(self, sha256: str) -> OpenBlob:
        """An image that is in a file here. Raises NoSuchBlob when it is not: `fetch` may bring it; Damaged."""

    async def fetch(self, sha256: str) -> None:
        """Bring it here, so that `open` finds it; however many ask, it is brought once. Waits 10 s at most.

        Raises NoSuchBlob (it is nowhere), Damaged, Unavailable (come back later), StoreFull.
        """

    def verify(self, sha256: str) -> Blob:
        """Read it whole, where it is kept, and compare. Raises NoSuchBlob, Damaged, Unavailable."""

    def stored(self) -> Iterator[str]:
        """The sha256 of every image that is kept, in order. Raises Unavailable."""

    def path(self, blob: Blob) -> Path:
        """Where its file is, or would be, for a web server that sends it itself after `open` found it."""

    async def check(self) -> None:
        """Can images be had at all? Raises Unavailable."""
