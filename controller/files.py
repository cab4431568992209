"""Small files that must be whole or absent, whatever happens while they are written: keys and certificates."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_new(path: Path, body: bytes, *, mode: int = 0o600) -> None:
    """Raises FileExistsError when the file is there already: of two controllers that make one, the second reads it."""
    with _draft(path, body, mode) as draft:
        path.hardlink_to(draft)


def replace(path: Path, body: bytes, *, mode: int = 0o600) -> None:
    """Write the file, in place of an older one. Raises OSError, and the older one is untouched."""
    with _draft(path, body, mode) as draft:
        draft.replace(path)


@contextmanager
def _draft(path: Path, body: bytes, mode: int) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        draft.unlink(missing_ok=True)  # of a process that was killed and had our id
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(descriptor)
        yield draft
        _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """A rename survives a power cut only when its folder is written too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
