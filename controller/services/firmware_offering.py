"""Which releases may be offered: those that signed metadata names exactly as the catalogue has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from controller.store import firmware_metadata as store
from controller.store.pool import Connection, Row
from firmware_repo.releases import Release

log = structlog.get_logger("hikitsugi.firmware")

Key = tuple[str, str]
"""Series and version."""

_COMPARED = ("sha256", "size", "models", "hardware_revisions", "hardware_lowest", "from_lowest")


@dataclass(frozen=True, slots=True)
class Judged:
    """signed: offered from now on (or, withdrawn, found in the metadata). unsigned: offered no longer. differing: named
    with other facts than the catalogue has; never offered."""

    signed: tuple[Key, ...] = ()
    unsigned: tuple[Key, ...] = ()
    differing: tuple[tuple[str, str, str], ...] = ()


def judge(rows: Iterable[Row], named: Mapping[str, Release]) -> Judged:
    """What has to change. rows: of the catalogue. named: by target path, of a verified chain."""
    signed, unsigned, differing = [], [], []
    for row in rows:
        key = (row["series"], row["version"])
        release = named.get(f"{key[0]}/{key[1]}.img")
        what = _difference(row, release) if release else None
        if what:
            differing.append((*key, what))
        if release and not what:
            if row["signed_at"] is None or row["state"] == "unsigned":
                signed.append(key)
        elif row["signed_at"] is not None or row["state"] == "available":
            unsigned.append(key)
    return Judged(tuple(signed), tuple(unsigned), tuple(differing))


async def settle(tx: Connection, named: Mapping[str, Release], now: datetime) -> Judged:
    """Make it so, in the caller's transaction. named: nothing, when the chain cannot be believed."""
    judged = judge(await store.catalogued(tx), named)
    await store.mark(tx, signed=judged.signed, unsigned=judged.unsigned, now=now)
    for series, version in judged.unsigned:
        log.warning("firmware is no longer offered: no signed metadata names it", series=series, version=version)
    return judged


def _difference(row: Row, release: Release) -> str | None:
    """The name of the first fact that is another one."""
    for name in _COMPARED:
        stored, signed = row[name], getattr(release, name)
        if (tuple(stored) if isinstance(stored, list) else stored or None) != (
            signed if isinstance(signed, tuple) else signed or None
        ):
            return name
    return None
