"""One document of signed metadata: what it says of itself, who has signed it, and one more signature on it.

Documents go in and out as bytes: what was hashed and published is never written anew by somebody else.
Nothing here says whether a document may be believed: that takes the whole chain (chain.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import CryptoSigner, Key
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets

from firmware_repo.errors import WrongMetadata, said
from firmware_repo.releases import Release
from firmware_repo.roles import Holders


@dataclass(frozen=True, slots=True)
class Facts:
    """What a document says of itself; nothing of it is checked. role is "targets" for each series."""

    role: str
    version: int
    expires: datetime
    signed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a document is: key ids that have signed rightly, those that could yet, and how many are wanted."""

    signed: tuple[str, ...]
    unsigned: tuple[str, ...]
    threshold: int

    @property
    def missing(self) -> int:
        return max(0, self.threshold - len(self.signed))


def facts(document: bytes) -> Facts:
    """Raises WrongMetadata: the bytes are no metadata."""
    loaded: Metadata[Any] = _load(document)  # Any: of whichever role
    signed = loaded.signed
    return Facts(signed.type, signed.version, signed.expires, tuple(loaded.signatures))


def releases(document: bytes, series: str) -> tuple[Release, ...]:
    """What a series' document names, in its order; nothing of it is checked but its shape. Raises WrongMetadata."""
    targets = load_targets(document).signed.targets
    found = tuple(
        Release.from_target(path, size=file.length, hashes=file.hashes, custom=file.custom)
        for path, file in targets.items()
    )
    if foreign := [release.path for release in found if release.series != series]:
        raise WrongMetadata(
            said("{path} is in the metadata of {series}, where it has no place.", path=foreign[0], series=series)
        )
    return found


def sign(document: bytes, signers: Iterable[CryptoSigner]) -> bytes:
    """The document with their signatures added; one that a key has made before is replaced."""
    loaded: Metadata[Any] = _load(document)  # Any: of whichever role
    for signer in signers:
        loaded.sign(signer, append=True)
    return loaded.to_bytes()


def standing(document: bytes, role: str, delegator: bytes) -> Standing:
    """Who of those that `delegator` names for `role` has signed. delegator: a root, or the targets for a series.

    Raises WrongMetadata.
    """
    loaded: Metadata[Any] = _load(document)  # Any: of whichever role
    giver: Metadata[Any] = _load(delegator)
    try:
        found = giver.signed.get_verification_result(role, loaded.signed_bytes, loaded.signatures)
    except (ValueError, AttributeError, TufError) as error:
        raise WrongMetadata(said("{role}: nobody is named who signs it.", role=role)) from error
    return Standing(tuple(found.signed), tuple(found.unsigned), found.threshold)


def signed_by(document: bytes, signers: Iterable[CryptoSigner]) -> tuple[str, ...]:
    """Which of these keys have signed it rightly, by key id: what a holder has signed before may be built on."""
    loaded: Metadata[Any] = _load(document)  # Any: of whichever role
    return tuple(signer.public_key.keyid for signer in signers if _holds(signer.public_key, loaded))


def holders(document: bytes, role: str) -> Holders:
    """Whom a root names for a top role, or the targets for a series. Raises WrongMetadata."""
    loaded: Metadata[Any] = _load(document)  # Any: a root or targets
    try:
        of = loaded.signed.get_delegated_role(role)
        return Holders(tuple(loaded.signed.get_key(keyid) for keyid in of.keyids), of.threshold)
    except (ValueError, AttributeError) as error:
        raise WrongMetadata(said("{role}: nobody is named who signs it.", role=role)) from error


def series(document: bytes) -> tuple[str, ...]:
    """Which series the targets name. Raises WrongMetadata."""
    delegations = load_targets(document).signed.delegations
    return tuple(delegations.roles or ()) if delegations else ()


def _holds(key: Key, loaded: Metadata[Any]) -> bool:  # Any: of whichever role
    try:
        key.verify_signature(loaded.signatures[key.keyid], loaded.signed_bytes)
    except (KeyError, UnverifiedSignatureError, VerificationError):
        return False
    return True


def load_root(document: bytes) -> Metadata[Root]:
    """Raises WrongMetadata."""
    return cast("Metadata[Root]", _load(document, Root))


def load_targets(document: bytes) -> Metadata[Targets]:
    """Of the targets or of a series. Raises WrongMetadata."""
    return cast("Metadata[Targets]", _load(document, Targets))


def load_snapshot(document: bytes) -> Metadata[Snapshot]:
    """Raises WrongMetadata."""
    return cast("Metadata[Snapshot]", _load(document, Snapshot))


def _load(document: bytes, kind: type | None = None) -> Metadata[Any]:  # Any: of whichever role
    try:
        loaded: Metadata[Any] = Metadata.from_bytes(document)
    except TufError as error:
        raise WrongMetadata(said("This is no signed metadata: TUF's JSON is wanted.")) from error
    if type(loaded.signed.version) is not int:  # the library takes fractions, and true for 1
        raise WrongMetadata(said("The version of {role} is no whole number.", role=loaded.signed.type))
    if kind is not None and not isinstance(loaded.signed, kind):
        raise WrongMetadata(
            said(
                "This is the metadata of {role}, not of {wanted}.",
                role=loaded.signed.type,
                wanted=kind.__name__.lower(),
            )
        )
    return loaded
