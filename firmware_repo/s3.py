"""Images whose truth is a bucket (bucket.py); files here are copies of them (cache.py), for sending.

Any number of controllers and firmware servers share a bucket: what one has imported, every one serves. A copy is made
when an image is first asked for, compared by sha256 while it is made, and put in place only when it is right.
"""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import structlog

from firmware_repo.blobs import Blob, Blobs, OpenBlob, Readable
from firmware_repo.bucket import Bucket
from firmware_repo.cache import Cache
from firmware_repo.errors import Damaged, NoSuchBlob, StoreFull, Unavailable, WrongContent, said
from firmware_repo.flights import Flights

WAIT_S = 10.0
"""The longest wait of a request for the first copy; then the adapter is asked to come back."""
_CHECK_S = 4.0
_CHUNK = 1 << 20

_log = structlog.stdlib.get_logger("hikitsugi.firmware")


class BucketImages:
    """`Images` in a bucket. blobs: where copies go; cache_bytes: how many bytes of them at most, 0 for no bound."""

    def __init__(self, bucket: Bucket, blobs: Blobs, cache_bytes: int, *, wait_s: float = WAIT_S) -> None:
        self._bucket, self._wait_s = bucket, wait_s
        self._cache = Cache(blobs, cache_bytes, self._is_kept)
        self._copies = Flights(self._copy)
        self._checks = Flights(lambda _: bucket.check(), recalled_s=1.0)

    def add(self, stream: BinaryIO, sha256: str, size: int) -> Blob:
        """Compared before it is sent, and once more as the bucket gives it back."""
        start = stream.tell()
        self.path(Blob(sha256, size))
        if (found := _digest(stream)) != (sha256, size):
            raise WrongContent(
                f"The file has {found[1]} bytes and sha256 {found[0]}, announced were {size} and {sha256}. "
                "Get the file again, or compare the digest with the vendor's."
            )
        try:
            self._read_back(sha256)
        except (NoSuchBlob, Damaged):
            self._bucket.write(sha256, stream, start)
            self._read_back(sha256)
        self._copies.forget(sha256)
        return Blob(sha256, size)

    def open(self, sha256: str) -> OpenBlob:
        return self._cache.open(sha256)

    async def fetch(self, sha256: str) -> None:
        await self._copies.board(sha256, wait_s=self._wait_s)

    def verify(self, sha256: str) -> Blob:
        """The object in the bucket; a copy here that differs is removed, so that the next one is made anew."""
        self.path(Blob(sha256, 0))
        found, size = self._bucket.read(sha256, lambda body, _: _digest(body))
        if found != sha256:
            raise _differs(sha256, found)
        self._cache.check(sha256)
        return Blob(sha256, size)

    def stored(self) -> Iterator[str]:
        return self._bucket.names()

    def path(self, blob: Blob) -> Path:
        return self._cache.path(blob)

    async def check(self) -> None:
        await self._checks.board("", wait_s=_CHECK_S)

    def _copy(self, sha256: str) -> None:
        began = time.monotonic()

        def take(body: Readable, size: int) -> Blob:
            return self._cache.take(body, sha256, size)

        try:
            blob = self._bucket.read(sha256, take)
        except WrongContent as wrong:
            _log.error("The bucket holds another image than its name says", sha256=sha256, detail=wrong.detail)
            raise _differs(sha256, wrong.detail) from wrong
        _log.info("An image was copied from the bucket", sha256=sha256, size=blob.size, took_s=time.monotonic() - began)

    def _read_back(self, sha256: str) -> None:
        """Warms the cache, too; no room in it is no reason not to import."""
        try:
            self._copy(sha256)
        except StoreFull:
            self.verify(sha256)

    def _is_kept(self, blob: Blob) -> bool:
        try:
            return self._bucket.size(blob.sha256) == blob.size
        except (NoSuchBlob, Unavailable):
            return False


def _differs(sha256: str, found: str) -> Damaged:
    return Damaged(
        said(
            "The bucket holds another content as {sha256}: {found}. Import the image again.", sha256=sha256, found=found
        )
    )


def _digest(stream: Readable) -> tuple[str, int]:
    """sha256 and size of all that is left of a stream."""
    digest, size = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size
