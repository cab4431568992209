"""Making documents of signed metadata: new ones, and those that take their place.

What offline keys sign is made unsigned; its holders add their signatures one after the other (documents.sign).
Snapshot and timestamp come signed: the controller has their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from firmware_repo.documents import facts, load_root, load_snapshot, load_targets, releases, sign, signed_by
from firmware_repo.errors import WrongMetadata, said
from firmware_repo.releases import SERIES, Release
from firmware_repo.roles import MOST_SERIES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, TOP, Holders, Online, life


def new_root(root: Holders, targets: Holders, online: Online, *, now: datetime) -> bytes:
    """Version 1, not signed yet. Raises WrongMetadata when one key has two roles."""
    body = Root(version=1, expires=_until(ROOT, now), consistent_snapshot=True)
    _appoint(body, ROOT, root)
    _appoint(body, TARGETS, targets)
    _appoint(body, SNAPSHOT, Holders((online.snapshot,)))
    _appoint(body, TIMESTAMP, Holders((online.timestamp,)))
    _nobody_twice(body)
    return Metadata(body).to_bytes()


def next_root(
    document: bytes,
    *,
    now: datetime,
    root: Holders | None = None,
    targets: Holders | None = None,
    online: Online | None = None,
) -> bytes:
    """The version after `document`, not signed yet, with other holders where given.

    Nothing given: only its life begins anew. It needs the thresholds of the old holders and of the new ones.
    Raises WrongMetadata.
    """
    body = load_root(document).signed
    body.version, body.expires = body.version + 1, _until(ROOT, now)
    given = {ROOT: root, TARGETS: targets}
    if online is not None:
        given |= {SNAPSHOT: Holders((online.snapshot,)), TIMESTAMP: Holders((online.timestamp,))}
    for role, holders in given.items():
        if holders is not None:
            _appoint(body, role, holders)
    _nobody_twice(body)
    return Metadata(body).to_bytes()


def new_targets(of_series: Mapping[str, Holders], *, now: datetime) -> bytes:
    """Version 1 of the targets, not signed yet. Raises WrongMetadata."""
    body = Targets(version=1, expires=_until(TARGETS, now), delegations=Delegations({}, {}))
    return _with_series(body, of_series)


def next_targets(document: bytes, *, now: datetime, of_series: Mapping[str, Holders] | None = None) -> bytes:
    """The version after `document`, not signed yet; series given are added, or get other holders.

    Raises WrongMetadata.
    """
    body = load_targets(document).signed
    body.version, body.expires = body.version + 1, _until(TARGETS, now)
    return _with_series(body, of_series or {})


def new_series(name: str, named: Iterable[Release] = (), *, now: datetime, version: int = 1) -> bytes:
    """A series' document that names these releases, not signed yet. Raises WrongMetadata."""
    body = Targets(version=version, expires=_until(name, now))
    for release in named:
        if release.series != name:
            raise WrongMetadata(said("{path} cannot be signed for {series}.", path=release.path, series=name))
        hashes = {"sha256": release.sha256}
        fields = {"custom": release.custom()}
        body.targets[release.path] = TargetFile(release.size, hashes, release.path, fields)
    return Metadata(body).to_bytes()


def next_series(
    document: bytes, name: str, *, now: datetime, add: Sequence[Release] = (), remove: Sequence[str] = ()
) -> bytes:
    """The version after `document`, not signed yet. remove: versions of images that are named no longer.

    Raises WrongMetadata: one to remove is not there, or one to add is there with another sha256.
    """
    named = {release.version: release for release in releases(document, name)}
    for version in remove:
        if named.pop(version, None) is None:
            raise WrongMetadata(
                said(
                    "{series} {version} is not in the signed metadata. There is nothing to take out.",
                    series=name,
                    version=version,
                )
            )
    for release in add:
        if named.setdefault(release.version, release).sha256 != release.sha256:
            raise WrongMetadata(
                said(
                    "{series} {version} is signed with sha256 {signed}, not {given}. A version is never given another "
                    "content: release it under a new version.",
                    series=name,
                    version=release.version,
                    signed=named[release.version].sha256,
                    given=release.sha256,
                )
            )
        named[release.version] = release
    return new_series(name, named.values(), now=now, version=load_targets(document).signed.version + 1)


def make_snapshot(
    documents: Mapping[str, bytes], *, version: int, now: datetime, signer: CryptoSigner, before: bytes | None = None
) -> bytes:
    """Signed. documents: by role, the current targets and those of each series, exactly as they are published.

    before: the snapshot whose place it takes. What that one announced and is gone, older or changed now stays announced
    as it was: clients refuse a snapshot that goes back, and with it all series; so they miss that one document only.
    One that this key has not signed is not looked at.
    """
    meta = {
        f"{role}.json": MetaFile.from_data(facts(document).version, document, ["sha256"])
        for role, document in documents.items()
    }
    for name, announced in _announced(before, signer).items():
        if name not in meta or meta[name].version <= announced.version:
            meta[name] = announced
    return sign(Metadata(Snapshot(version=version, expires=_until(SNAPSHOT, now), meta=meta)).to_bytes(), [signer])


def _announced(before: bytes | None, signer: CryptoSigner) -> Mapping[str, MetaFile]:
    try:
        if before is None or not signed_by(before, [signer]):
            return {}
        return load_snapshot(before).signed.meta
    except WrongMetadata:
        return {}


def make_timestamp(snapshot: bytes, *, version: int, now: datetime, signer: CryptoSigner) -> bytes:
    """Signed. snapshot: as it is published."""
    meta = MetaFile.from_data(facts(snapshot).version, snapshot, ["sha256"])
    body = Timestamp(version=version, expires=_until(TIMESTAMP, now), snapshot_meta=meta)
    return sign(Metadata(body).to_bytes(), [signer])


def _until(role: str, now: datetime) -> datetime:
    return (now + life(role)).replace(microsecond=0)


def _appoint(body: Root, role: str, of: Holders) -> None:
    for keyid in list(body.roles[role].keyids):
        body.revoke_key(keyid, role)
    body.roles[role] = Role([], of.threshold)
    for key in of.keys:
        body.add_key(key, role)


def _nobody_twice(body: Root) -> None:
    """A thief of one key should get one role: least of all may an online key stand for an offline one."""
    seen: dict[str, str] = {}
    for role, of in body.roles.items():
        for keyid in of.keyids:
            if (other := seen.setdefault(keyid, role)) != role:
                raise WrongMetadata(
                    said(
                        "One key has the roles {one} and {other}. Make a key of its own for each.",
                        one=other,
                        other=role,
                    )
                )


def _with_series(body: Targets, of_series: Mapping[str, Holders]) -> bytes:
    delegations = body.delegations
    if delegations is None or delegations.roles is None:
        raise WrongMetadata(said("These targets delegate in a way this repository does not use."))
    for name, of in of_series.items():
        if not SERIES.fullmatch(name) or name in TOP:
            raise WrongMetadata(
                said(
                    "{name} cannot be the name of a series: lower-case letters and digits, 16 at most.", name=name[:40]
                )
            )
        role = DelegatedRole(name, [], of.threshold, terminating=True, paths=[f"{name}/*"])
        delegations.roles[name] = role
        for key in of.keys:
            body.add_key(key, name)
    _forget_unused(delegations)
    if len(delegations.roles) > MOST_SERIES:
        raise WrongMetadata(said("More than {most} series cannot be followed by clients.", most=MOST_SERIES))
    return Metadata(body).to_bytes()


def _forget_unused(delegations: Delegations) -> None:
    used = {keyid for role in (delegations.roles or {}).values() for keyid in role.keyids}
    for keyid in set(delegations.keys) - used:
        del delegations.keys[keyid]
