"""Is what the repository says about its images signed as it must be? The whole chain, from a root that is trusted.

The rules are those of TUF's client workflow, carried out by python-tuf's own client; added are ours: a series' role
names images of its series only, keys are ed25519 with the id that follows from them, and what was believed before is
never older than what is shown now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from securesystemslib.exceptions import Error as KeyLibraryError
from securesystemslib.signer import Key
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from firmware_repo import documents
from firmware_repo.errors import Said, Untrusted, WrongMetadata, said
from firmware_repo.keys import key_id
from firmware_repo.releases import SERIES, Release
from firmware_repo.roles import MOST_SERIES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, TOP

LIMITS: Final = UpdaterConfig(
    max_root_rotations=64,
    max_delegations=MOST_SERIES + 2,
    root_max_length=128_000,
    timestamp_max_length=16_384,
    snapshot_max_length=128_000,
    targets_max_length=2_000_000,
)
"""How much is read of each document, in bytes, before it is refused."""

Read = Callable[[str], bytes | None]
"""A document by the name clients ask for ("2.root.json", "timestamp.json", "7.seil8.json"), None: there is none."""

_NOWHERE: Final = "https://repository.invalid/"


@dataclass(frozen=True, slots=True)
class Verified:
    """What the chain proves. releases: by target path; versions, expires: by role; root: the newest root, as it is.

    faults: series whose document must not be believed, and why; nothing of them is in the other members.
    """

    releases: Mapping[str, Release]
    versions: Mapping[str, int]
    expires: Mapping[str, datetime]
    root: bytes
    faults: Mapping[str, Untrusted] = field(default_factory=dict)


def verify(root: bytes, read: Read, now: datetime, previous: Mapping[str, int] | None = None) -> Verified:
    """As `check`, and every series must be whole, too: `faults` is empty."""
    verified = check(root, read, now, previous)
    for fault in verified.faults.values():
        raise fault
    return verified


def check(root: bytes, read: Read, now: datetime, previous: Mapping[str, int] | None = None) -> Verified:
    """Check everything that clients would, for every image. Blocks: 4 ms, and 4 ms more for each 100 images.

    A series whose document is at fault is told in `faults`, and the others go on: a client that wants an image asks
    for its own series only.
    root: one that is trusted already, of whatever version, expired or not; newer ones are followed.
    previous: `versions` of an earlier time; nothing may be older than that, or gone.
    Raises Untrusted for root, targets, snapshot and timestamp: which role, what is wrong and what to do. Nothing that
    was read may be used then. OSError: there is no room for temporary files.
    """
    with TemporaryDirectory(prefix="hikitsugi-chain-") as folder:
        fetcher = _Documents(read)
        try:
            verified = _walk(Path(folder), root, fetcher, now)
        except _REFUSALS as error:
            raise _untrusted(error, fetcher.role) from error
    return _not_older(verified, previous or {})


_HOSTILE: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""What the library raises besides its own errors when a member of a document is of another type than it should be."""

_REFUSALS: Final = (WrongMetadata, RepositoryError, DownloadError, KeyLibraryError, *_HOSTILE)


def _walk(folder: Path, root: bytes, fetcher: _Documents, now: datetime) -> Verified:
    updater = Updater(str(folder), _NOWHERE, fetcher=fetcher, config=LIMITS, bootstrap=root)
    # there is no public way to give the clock; pyproject.toml keeps tuf below the version this was looked up in
    updater._trusted_set.reference_time = now
    updater.refresh()
    found = {role: (folder / f"{role}.json").read_bytes() for role in TOP}
    _refuse_odd_keys(ROOT, documents.load_root(found[ROOT]).signed.keys)
    facts = {}
    for fetcher.role, document in found.items():
        facts[fetcher.role] = documents.facts(document)
    releases: dict[str, Release] = {}
    faults: dict[str, Untrusted] = {}
    fetcher.role = TARGETS
    for series in _series(found[TARGETS]):
        fetcher.role = series
        try:
            facts[series], named = _of_series(updater, folder, series)
        except Untrusted as error:
            faults[series] = error
        except _REFUSALS as error:
            faults[series] = _untrusted(error, series)
        else:
            releases |= {release.path: release for release in named}
    return Verified(
        releases,
        {role: fact.version for role, fact in facts.items()},
        {role: fact.expires for role, fact in facts.items()},
        found[ROOT],
        faults,
    )


def _of_series(updater: Updater, folder: Path, series: str) -> tuple[documents.Facts, tuple[Release, ...]]:
    updater.get_targetinfo(f"{series}/-")  # fetches and checks the series' document; the path itself is nobody's
    document = (folder / f"{series}.json").read_bytes()
    return documents.facts(document), tuple(_named(updater, document, series))


def _series(targets: bytes) -> tuple[str, ...]:
    """The series that targets name, which are believed by now; refuses what this repository does not do."""
    signed = documents.load_targets(targets).signed
    if signed.targets:
        raise Untrusted(
            TARGETS, said("it names {path} itself. Sign images for their series.", path=next(iter(signed.targets))[:80])
        )
    given = signed.delegations
    if given is None:
        return ()
    _refuse_odd_keys(TARGETS, given.keys)
    for name, role in (given.roles or {}).items():
        if not SERIES.fullmatch(name) or name in TOP or role.paths != [f"{name}/*"] or not role.terminating:
            raise Untrusted(TARGETS, said("it gives {name} more or less than the images of a series.", name=name[:80]))
    if given.roles is None:
        raise Untrusted(TARGETS, said("it names no series. Sign it anew with hikitsugi firmware delegate."))
    return tuple(given.roles)


def _named(updater: Updater, document: bytes, series: str) -> Iterator[Release]:
    if documents.load_targets(document).signed.delegations is not None:
        raise Untrusted(series, said("it hands its right on to others. Sign it anew without delegations."))
    for release in documents.releases(document, series):
        if (target := updater.get_targetinfo(release.path)) is None or target.hashes["sha256"] != release.sha256:
            raise Untrusted(
                series,
                said("{path} is not for this role to name. Sign it with its own series' key.", path=release.path),
            )
        yield release


def _refuse_odd_keys(role: str, keys: Mapping[str, Key]) -> None:
    for stated, key in keys.items():
        if stated != key_id(key):
            raise Untrusted(
                role,
                said("key {key} has an id that is not its own, so it could be counted twice.", key=str(stated)[:16]),
            )


def _not_older(verified: Verified, previous: Mapping[str, int]) -> Verified:
    for role in reversed(TOP):  # the timestamp first: it leads to all others
        if verified.versions[role] < previous.get(role, 0):
            raise Untrusted(role, _older(verified.versions[role], previous[role]))
    older = {
        role: Untrusted(role, _older(verified.versions.get(role, 0), version))
        for role, version in sorted(previous.items())
        if verified.versions.get(role, 0) < version and role not in verified.faults
    }
    return _without(verified, older) if older else verified


def _without(verified: Verified, series: Mapping[str, Untrusted]) -> Verified:
    return Verified(
        {path: release for path, release in verified.releases.items() if release.series not in series},
        {role: version for role, version in verified.versions.items() if role not in series},
        {role: expires for role, expires in verified.expires.items() if role not in series},
        verified.root,
        {**verified.faults, **series},
    )


def _older(shown: int, version: int) -> Said:
    if not shown:
        return said("it was there before, and is gone. Restore the newest metadata.")
    return said(
        "version {shown} is shown, {version} was there before: an old state. Restore the newest metadata.",
        shown=shown,
        version=version,
    )


class _Documents(FetcherInterface):
    """Gives the client its documents; `role` is whose was asked for last, for telling what is wrong."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.role = ROOT

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.removeprefix(_NOWHERE)
        self.role = name.removesuffix(".json").lstrip("0123456789").lstrip(".") or name
        document = self._read(name)
        if document is None:
            raise DownloadHTTPError(f"{name} is missing", 404)
        return iter((document,))


def _untrusted(error: Exception, role: str) -> Untrusted:
    return Untrusted(role, error.detail) if isinstance(error, WrongMetadata) else Untrusted(*_told(error, role))


def _told(error: Exception, role: str) -> tuple[str, Said]:
    match error:
        case ExpiredMetadataError() if "root" in str(error):
            return ROOT, said("the newest one has expired. Its holders sign the next: hikitsugi firmware root rotate.")
        case ExpiredMetadataError() if role in (SNAPSHOT, TIMESTAMP):
            return role, said("it has expired: an old state is shown, or the controller no longer signs.")
        case ExpiredMetadataError():
            return role, said("it has expired. Its holder signs the next: hikitsugi firmware renew {role}", role=role)
        case UnsignedMetadataError():
            return role, said("too few of its keys have signed. Sign it with the keys that root or targets name.")
        case LengthOrHashMismatchError() | DownloadLengthMismatchError():
            return role, said("it is not the document that was announced: other length or sha256. Publish it anew.")
        case DeserializationError():
            return role, said("it is no signed metadata, or two signatures are of one key. Publish it anew.")
        case DownloadHTTPError():
            return role, said("it is missing. Publish it.")
        case _:
            return role, said("{reason}. Publish it anew.", reason=f"{error!s:.200} ({type(error).__name__})")
