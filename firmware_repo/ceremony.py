"""The first day of a repository's keys: all offline keys, the first root, the first targets and a role for each series.

Holders of the root that never meet make their keys by themselves: `hold` takes the public parts, and they sign the
root in turn (documents.sign). Nothing here touches a disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from firmware_repo import documents, keys, making
from firmware_repo.errors import WrongMetadata, said
from firmware_repo.keys import CryptoSigner, Key
from firmware_repo.roles import ROOT, TARGETS, Holders, Online


@dataclass(frozen=True, slots=True)
class OfflineKeys:
    """The keys that people keep. series: one key for each, by its name."""

    root: tuple[CryptoSigner, ...]
    targets: CryptoSigner
    series: Mapping[str, CryptoSigner] = field(default_factory=dict)

    def named(self) -> dict[str, CryptoSigner]:
        """Each key by the name of its file: root-1, root-2, targets, seil8, …"""
        roots = {f"root-{number}": signer for number, signer in enumerate(self.root, 1)}
        return {**roots, "targets": self.targets, **self.series}


@dataclass(frozen=True, slots=True)
class Established:
    """The first documents, as they are published. series: by name."""

    root: bytes
    targets: bytes
    series: Mapping[str, bytes]

    def files(self) -> dict[str, bytes]:
        """By the names that clients ask for: 1.root.json, 1.targets.json, 1.seil8.json, …"""
        named = {ROOT: self.root, TARGETS: self.targets, **self.series}
        return {f"1.{role}.json": document for role, document in named.items()}


def make_keys(*, root_keys: int, series: Sequence[str]) -> OfflineKeys:
    """New keys, in memory only. root_keys: 0 when their holders have made them elsewhere.

    Raises WrongMetadata: more than 20 root keys, or a series named twice.
    """
    if not 0 <= root_keys <= 20 or len(set(series)) != len(series):
        raise WrongMetadata(said("At most 20 root keys are made, and one key for each series."))
    return OfflineKeys(
        tuple(keys.make() for _ in range(root_keys)), keys.make(), {name: keys.make() for name in series}
    )


def hold(
    offline: OfflineKeys, online: Online, *, threshold: int, now: datetime, root_elsewhere: Sequence[Key] = ()
) -> Established:
    """Make everything, and sign it with the keys that are here. Raises WrongMetadata.

    root_elsewhere: further root keys; their holders sign the root afterwards.
    """
    root = making.new_root(
        Holders((*_public(offline.root), *root_elsewhere), threshold),
        Holders(_public([offline.targets])),
        online,
        now=now,
    )
    targets = making.new_targets({name: Holders(_public([key])) for name, key in offline.series.items()}, now=now)
    return Established(
        documents.sign(root, offline.root),
        documents.sign(targets, [offline.targets]),
        {name: documents.sign(making.new_series(name, now=now), [key]) for name, key in offline.series.items()},
    )


def _public(signers: Sequence[CryptoSigner]) -> tuple[Key, ...]:
    return tuple(signer.public_key for signer in signers)
