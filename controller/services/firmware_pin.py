"""The root of trust as this controller knows it by itself: a file beside the data, which no database can change.

What the database says about firmware is checked from here. The file holds the newest root that was believed; a newer
one takes its place when the thresholds of both have signed it (TUF specification 5.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog

from controller.files import replace
from firmware_repo import documents
from firmware_repo.errors import Said, Untrusted, WrongMetadata, said

log = structlog.get_logger("hikitsugi.firmware")


def anchor(path: Path | None, roots: Mapping[int, bytes], *, first: bool = False) -> bytes:
    """The root to check from. path: of the file, None: this process keeps none. roots: of the database, by version.

    Without a file the oldest root in the database is believed, and the log says so, unless it is the first day.
    Blocks on the disk.
    Raises Untrusted: the database has another root of that version than the file, or only older ones.
    """
    pinned = _read(path)
    if pinned is None:
        if not roots:
            raise Untrusted("root", said("there is none in the database. Restore it from a backup."))
        if path is not None and not first:
            log.warning("no root of trust is pinned here: the database's is believed", file=str(path))
        return roots[min(roots)]
    version = _version(path, pinned)
    same = roots.get(version)
    if same != pinned:
        raise Untrusted("root", _differs(version, path, is_there=same is not None))
    return pinned


def _differs(version: int, path: Path | None, *, is_there: bool) -> Said:
    if is_there:
        return said(
            "version {version} is pinned in {file}, and the database has another one. The database was changed: "
            "restore the pinned one. Delete the file only when you know why they differ.",
            version=version,
            file=str(path),
        )
    return said(
        "version {version} is pinned in {file}, and the database does not have it. The database was restored from an "
        "old backup, or changed: publish the missing roots. Delete the file only when you know why they differ.",
        version=version,
        file=str(path),
    )


def keep(path: Path | None, root: bytes) -> None:
    """Pin a root that was verified; an unchanged file is left alone. A file that cannot be written is logged."""
    if path is None or _read(path) == root:
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace(path, root)
    except OSError as error:
        log.warning("the root of trust cannot be pinned; trying again", file=str(path), why=error.strerror)
        return
    log.info("the root of trust is pinned", file=str(path), version=documents.facts(root).version)


def _read(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path is not None else None
    except FileNotFoundError:
        return None
    except OSError as error:
        why = said(
            "{file} cannot be read: {reason}. Give this account read access.", file=str(path), reason=error.strerror
        )
        raise Untrusted("root", why) from error


def _version(path: Path | None, pinned: bytes) -> int:
    try:
        return documents.facts(pinned).version
    except WrongMetadata as error:
        why = said("{file} holds no root metadata. Restore it: it is 1.root.json or newer.", file=str(path))
        raise Untrusted("root", why) from error
