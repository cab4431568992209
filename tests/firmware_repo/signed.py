"""A signed repository in memory, with every key at hand: what its holders do, and what thieves of its keys could."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firmware_repo import ceremony, chain, documents, keys, making
from firmware_repo.errors import Untrusted
from firmware_repo.keys import CryptoSigner
from firmware_repo.releases import Release
from firmware_repo.roles import TARGETS, TIMESTAMP, Online, file_name

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
SERIES = ("seil8", "seil6")


def release(version: str, *, series: str = "seil8", sha256: str = "", size: int = 1000) -> Release:
    return Release(series, version, sha256 or f"{abs(hash(version)) % 10**12:064x}", size, models=("X4",))


class Signed:
    """files: by the names that clients ask for. root: the first one, which clients have got with the device."""

    def __init__(self, *, root_keys: int = 3, threshold: int = 2, now: datetime = NOW) -> None:
        self.now = now
        self.offline = ceremony.make_keys(root_keys=root_keys, series=SERIES)
        self.snapshot_key, self.timestamp_key = keys.make(), keys.make()
        online = Online(self.snapshot_key.public_key, self.timestamp_key.public_key)
        first = ceremony.hold(self.offline, online, threshold=threshold, now=now)
        self.root = first.root
        self.files = first.files()
        self.current = {TARGETS: first.targets, **first.series}
        self.online_version = 0
        self.turn()

    def turn(self) -> None:
        """What the controller does after each change, and each day."""
        self.online_version += 1
        version = self.online_version
        snapshot = making.make_snapshot(self.current, version=version, now=self.now, signer=self.snapshot_key)
        stamp = making.make_timestamp(snapshot, version=version, now=self.now, signer=self.timestamp_key)
        self.files |= {f"{version}.snapshot.json": snapshot, "timestamp.json": stamp}

    def put(self, role: str, document: bytes, *, turn: bool = True) -> None:
        """A new version of the targets, or of a series."""
        self.current[role] = document
        self.files[file_name(role, documents.facts(document).version)] = document
        if turn:
            self.turn()

    def name(self, *named: Release, by: CryptoSigner | None = None) -> None:
        """The holder of a series' key names these images; by: somebody else does."""
        series = named[0].series
        document = making.next_series(self.current[series], series, now=self.now, add=named)
        self.put(series, documents.sign(document, [by or self.offline.series[series]]))

    def after(self, **time: float) -> None:
        """Time passes."""
        self.now += timedelta(**time)

    def new_root(self, by: Sequence[CryptoSigner], **changes: Any) -> None:
        """Any: what making.next_root takes."""
        newest = max(
            (name for name in self.files if name.endswith(".root.json")), key=lambda name: int(name.split(".")[0])
        )
        document = documents.sign(making.next_root(self.files[newest], now=self.now, **changes), by)
        self.files[file_name("root", documents.facts(document).version)] = document

    def verify(self, previous: chain.Verified | None = None) -> chain.Verified:
        return chain.verify(self.root, self.files.get, self.now, previous.versions if previous else None)

    def forge(self, name: str, change: Callable[[Any], None], by: Sequence[CryptoSigner] = ()) -> None:
        """Change a document's JSON; by: whose keys sign what comes of it, else the signatures stay. Any: JSON."""
        value = json.loads(self.files[name])
        change(value)
        document = json.dumps(value).encode()
        if by:
            value["signatures"] = []
            document = documents.sign(json.dumps(value).encode(), by)
        self.files[name] = document


__all__ = ["NOW", "SERIES", "TIMESTAMP", "Signed", "release"]


def refused(repository: Signed, role: str, words: str = "", previous: chain.Verified | None = None) -> Untrusted:
    """It is, because of that role, and these words say why."""
    with pytest.raises(Untrusted) as caught:
        repository.verify(previous)
    assert caught.value.role == role, caught.value.detail
    assert words in caught.value.detail
    assert caught.value.detail.startswith(f"{role}: ")
    return caught.value
