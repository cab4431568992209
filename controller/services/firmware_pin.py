"""What this controller knows of signed firmware by itself: two files beside the data, which no database can change.

What the database says about firmware is checked from here. The one holds the newest root that was believed; a newer one
takes its place when the thresholds of both have signed it (TUF specification 5.3). The other, firmware-versions.json in
the same folder, holds the highest version of targets and of each series that was believed: a database that was put back
to an older state is noticed, after a restart too. To accept the older state on purpose: stop the controller, delete
that file, start it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from controller.files import replace
from firmware_repo import documents
from firmware_repo.chain import Verified
from firmware_repo.errors import Said, Untrusted, WrongMetadata, said
from firmware_repo.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP

_VERSIONS: Final = "firmware-versions.json"

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


def versions(path: Path | None) -> dict[str, int]:
    """The highest version of targets and of each series that was believed here. path: of the root's file.

    Blocks on the disk. Raises Untrusted: there is such a file, and it cannot be used.
    """
    found = _read(file := _versions_file(path))
    try:
        kept = json.loads(found) if found is not None else {}
    except (ValueError, RecursionError):
        kept = None
    if not isinstance(kept, dict) or not all(type(version) is int for version in kept.values()):
        raise Untrusted(
            TARGETS,
            said(
                "{file} is damaged. Restore it; delete it only when the database is known to be in its newest state.",
                file=str(file),
            ),
        )
    return kept


def keep(path: Path | None, verified: Verified) -> None:
    """Pin what was verified; an unchanged file is left alone. A file that cannot be written is logged, and the next
    turn tries again. Blocks on the disk."""
    if path is None:
        return
    if _written(path, verified.root):
        log.info("the root of trust is pinned", file=str(path), version=verified.versions[ROOT])
    offline = {role: each for role, each in verified.versions.items() if role not in (ROOT, SNAPSHOT, TIMESTAMP)}
    try:
        newest = versions(path) | offline  # of a series at fault, what was believed before
        _written(path.with_name(_VERSIONS), json.dumps(newest, sort_keys=True).encode() + b"\n")
    except Untrusted as error:
        log.warning("the versions of firmware metadata cannot be kept", why=error.detail)


def _written(path: Path, body: bytes) -> bool:
    try:
        if path.exists() and path.read_bytes() == body:
            return False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace(path, body)
    except OSError as error:
        log.warning("what is known of signed firmware cannot be pinned; trying again", file=str(path), why=str(error))
        return False
    return True


def _versions_file(path: Path | None) -> Path | None:
    return path.with_name(_VERSIONS) if path is not None else None


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
