"""A small repository with real keys, and what thieves and liars make of it. It puts its files on an ArmsServer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from agent.inventory import Row
from firmware_repo import documents, keys, making
from firmware_repo.ceremony import OfflineKeys, hold, make_keys
from firmware_repo.releases import Release
from firmware_repo.roles import Online
from tests.agent.conftest import ArmsServer

SERIES = ("seil3", "seil6", "seil8")


def release(row: Row, version: str, image: bytes, **facts: object) -> Release:
    """As it would be signed for this row's adapter."""
    named = {"series": row.series, "models": (row.model,), **facts}
    return Release(version=version, sha256=hashlib.sha256(image).hexdigest(), size=len(image), **named)


@dataclass
class Repository:
    """files: what is published, by name. current: the newest document of each role below the snapshot."""

    arms: ArmsServer
    now: datetime
    offline: OfflineKeys = field(default_factory=lambda: make_keys(root_keys=3, series=SERIES))
    snapshot_key: keys.CryptoSigner = field(default_factory=keys.make)
    timestamp_key: keys.CryptoSigner = field(default_factory=keys.make)
    version: int = 0
    root: bytes = b""
    current: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = hold(self.offline, self.online, threshold=2, now=self.now)
        self.root = made.root
        self.current = {"targets": made.targets, **made.series}
        self.files.update(made.files())
        self.publish()

    @property
    def online(self) -> Online:
        return Online(self.snapshot_key.public_key, self.timestamp_key.public_key)

    def sign(self, *releases: Release, remove: tuple[str, ...] = ()) -> None:
        """The series' holder signs them (and takes versions out), the controller publishes."""
        series = releases[0].series
        made = making.next_series(self.current[series], series, now=self.now, add=releases, remove=remove)
        self.put(series, documents.sign(made, [self.offline.series[series]]))
        self.publish()

    def put(self, role: str, document: bytes) -> None:
        self.current[role] = document
        self.files[f"{documents.facts(document).version}.{role}.json"] = document

    def publish(self) -> None:
        """Snapshot and timestamp anew, and everything on the server."""
        self.version += 1
        at = {"version": self.version, "now": self.now}
        snapshot = making.make_snapshot(self.current, **at, signer=self.snapshot_key)
        self.files[f"{self.version}.snapshot.json"] = snapshot
        self.files["timestamp.json"] = making.make_timestamp(snapshot, **at, signer=self.timestamp_key)
        self.show()

    def rotate_online(self) -> None:
        """Two holders of the root name other online keys."""
        self.snapshot_key, self.timestamp_key = keys.make(), keys.make()
        made = making.next_root(self.root, now=self.now, online=self.online)
        self.root = documents.sign(made, self.offline.root[:2])
        self.files[f"{documents.facts(self.root).version}.root.json"] = self.root
        self.publish()

    def show(self) -> None:
        for name, document in self.files.items():
            self.arms.images[f"/firmware/metadata/{name}"] = document
