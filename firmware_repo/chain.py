"""Is what the repository says about its images signed as it must be? The whole chain, from a root that is trusted.

The rules are those of TUF's client workflow, carried out by python-tuf's own client; added are ours: a series' role
names images of its series only, keys are ed25519 with the id that follows from them, and what was believed before is
never older than what is shown now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
    """What the chain proves. releases: by target path; versions, expires: by role; root: the newest root, as it is."""

    releases: Mapping[str, Release]
    versions: Mapping[str, int]
    expires: Mapping[str, datetime]
    root: bytes


def verify(root: bytes, read: Read, now: datetime, previous: Mapping[str, int] | None = None) -> Verified:
    """Check everything that clients would, for every image. Blocks: 4 ms, and 4 ms more for each 100 images.

    root: one that is trusted already, of whatever version, expired or not; newer ones are followed.
    previous: `versions` of an earlier time; nothing may be older than that, or gone.
    Raises Untrusted: which role, what is wrong and what to do. Nothing that was read may be used then. OSError: there
    is no room for temporary files.
    """
    with TemporaryDirectory(prefix="hikitsugi-chain-") as folder:
        fetcher = _Documents(read)
        try:
            verified = _walk(Path(folder), root, fetcher, now)
        except WrongMetadata as error:
            raise Untrusted(fetcher.role, error.detail) from error
        except (RepositoryError, DownloadError, KeyLibraryError, *_HOSTILE) as error:
            raise Untrusted(*_told(error, fetcher.role)) from error
    _refuse_older(verified, previous or {})
    return verified


_HOSTILE: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""What the library raises besides its own errors when a member of a document is of another type than it should be."""


def _walk(folder: Path, root: bytes, fetcher: _Documents, now: datetime) -> Verified:
    updater = Updater(str(folder), _NOWHERE, fetcher=fetcher, config=LIMITS, bootstrap=root)
    # there is no public way to give the clock; pyproject.toml keeps tuf below the version this was looked up in
    updater._trusted_set.reference_time = now
    updater.refresh()
    found = {role: (folder / f"{role}.json").read_bytes() for role in TOP}
    _refuse_odd_keys(ROOT, documents.load_root(found[ROOT]).signed.keys)
    releases: dict[str, Release] = {}
    for series in _series(found[TARGETS]):
        fetcher.role = series
        updater.get_targetinfo(f"{series}/-")  # fetches and checks the series' document; the path itself is nobody's
        found[series] = (folder / f"{series}.json").read_bytes()
        for release in _named(updater, found[series], series):
            releases[release.path] = release
    facts = {}
    for fetcher.role, document in found.items():
        facts[fetcher.role] = documents.facts(document)
    return Verified(
        releases,
        {role: fact.version for role, fact in facts.items()},
        {role: fact.expires for role, fact in facts.items()},
        found[ROOT],
    )


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


def _refuse_older(verified: Verified, previous: Mapping[str, int]) -> None:
    for role in (*reversed(TOP), *sorted(previous.keys() - set(TOP))):  # the timestamp first: it leads to all others
        version = previous.get(role, 0)
        shown = verified.versions.get(role, 0)
        if shown < version:
            raise Untrusted(role, _older(shown, version))


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
