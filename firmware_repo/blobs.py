"""The content-addressed store: files on disk, named by their sha256 and size.

    ROOT/sha256/ab/ab12…ef/33554432     one blob: its folder is its digest, its file name its size in bytes
    ROOT/incoming/….part                an image on its way in (incoming.py)

The name says how long the file must be, so a file that was cut or grew is noticed whenever it is opened, without any
record kept elsewhere. No catalogue here: which version a blob is, and whether anybody may have it, is not its business.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from firmware_repo.errors import Damaged, NoSuchBlob, Unavailable, said
from firmware_repo.incoming import Incoming, sweep

_CHUNK = 1 << 20
_NO_ROOM_HERE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Blob:
    """What is stored. sha256: 64 lower-case hexadecimal digits; size: bytes."""

    sha256: str
    size: int


class Readable(Protocol):
    """Where a blob comes from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class OpenBlob:
    """A blob held open; its `file` stays readable even when the blob is replaced meanwhile. A context manager."""

    blob: Blob
    file: FileIO

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()


class Blobs:
    """The store under `root`, which is made when missing. Several threads and processes may use it at once.

    Making one removes what a crash left in ROOT/incoming. All methods block on the disk.
    """

    def __init__(self, root: Path) -> None:
        self._stored, self._incoming = root / "sha256", root / "incoming"
        for folder in (self._stored, self._incoming):
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        sweep(self._incoming)

    def add(self, stream: Readable, sha256: str, size: int) -> Blob:
        """Store what `stream` holds from its position on, if it is what was announced.

        Storing what is there already changes nothing, except that it heals a damaged blob.
        Raises WrongContent, StoreFull: nothing was stored then. ValueError for a sha256 that is none.
        """
        blob = Blob(sha256, size)
        destination = self.path(blob)
        with Incoming(self._incoming, sha256=sha256, size=size) as incoming:
            while chunk := stream.read(_CHUNK):
                incoming.write(chunk)
            incoming.move(destination)
        return blob

    def open(self, sha256: str) -> OpenBlob:
        """Raises NoSuchBlob; Damaged when the file has not the size it was stored with; Unavailable when this process
        has no room for another open file."""
        try:
            blob = self._find(sha256)
            file = self.path(blob).open("rb", buffering=0)
        except OSError as error:
            if error.errno in _NO_ROOM_HERE:
                raise Unavailable(
                    said("Image {sha256} cannot be opened now: {why}.", sha256=sha256, why=error.strerror)
                ) from error
            raise _unreadable(sha256, error) from error
        if (size := os.fstat(file.fileno()).st_size) != blob.size:
            file.close()
            raise Damaged(
                said(
                    "Image {sha256} has {size} bytes on disk, stored were {stored}. Import the image again.",
                    sha256=sha256,
                    size=size,
                    stored=blob.size,
                )
            )
        return OpenBlob(blob, file)

    async def fetch(self, sha256: str) -> None:
        """There is no other place where it could be. Raises NoSuchBlob."""
        raise _missing(sha256)

    def verify(self, sha256: str) -> Blob:
        """Read the whole blob and compare. Raises NoSuchBlob, Damaged."""
        with self.open(sha256) as opened:
            try:
                found = hashlib.file_digest(opened.file, "sha256").hexdigest()
            except OSError as error:
                raise _unreadable(sha256, error) from error
        if found != sha256:
            raise Damaged(
                said(
                    "Image {sha256} now holds content with sha256 {found}. Import the image again.",
                    sha256=sha256,
                    found=found,
                )
            )
        return opened.blob

    def stored(self) -> Iterator[str]:
        """The sha256 of every blob, in order; whether each is sound is for `verify` to say."""
        for folder in sorted(self._stored.glob("??/*")):
            if _SHA256.fullmatch(folder.name) and any(folder.iterdir()):
                yield folder.name

    def path(self, blob: Blob) -> Path:
        """Where the blob is, or would be: for a web server that sends the file itself."""
        return self._folder(blob.sha256) / str(blob.size)

    async def check(self) -> None:
        """Nothing to ask: a disk that fails shows where it is read."""

    def held(self) -> Iterator[tuple[float, Blob]]:
        """Every file that may be a blob, with when it was last changed or touched (seconds since 1970)."""
        for path in self._stored.glob("??/*/*"):
            if _SHA256.fullmatch(path.parent.name) and path.name.isascii() and path.name.isdigit():
                with suppress(FileNotFoundError):  # removed meanwhile
                    yield path.stat().st_mtime, Blob(path.parent.name, int(path.name))

    def remove(self, blob: Blob) -> None:
        """Whoever has it open reads on. Its folder stays: somebody may be about to put the blob there again."""
        self.path(blob).unlink(missing_ok=True)

    def _find(self, sha256: str) -> Blob:
        folder = self._folder(sha256)
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        match names:
            case []:
                raise _missing(sha256)
            case [name] if name.isascii() and name.isdigit():
                return Blob(sha256, int(name))
            case _:
                raise Damaged(
                    said(
                        "{folder} must hold one file named by its size, not {names}. Remove the others.",
                        folder=str(folder),
                        names=", ".join(sorted(names)[:3]),
                    )
                )

    def _folder(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256[:80]!r} is not a sha256: 64 lower-case hexadecimal digits are wanted")
        return self._stored / sha256[:2] / sha256


def _missing(sha256: str) -> NoSuchBlob:
    return NoSuchBlob(said("No image with sha256 {sha256} is stored. Import it.", sha256=sha256))


def _unreadable(sha256: str, error: OSError) -> Damaged:
    return Damaged(
        said("Image {sha256} cannot be read: {why}. Import the image again.", sha256=sha256, why=error.strerror)
    )
