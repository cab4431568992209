"""Keys that sign metadata: ed25519, each in a file of its own, and what others may know of it.

A private key is a PEM file (PKCS #8, AES-256, as `openssl pkey -in FILE` reads it). OpenSSL's 2,048 rounds of PBKDF2
slow a guesser down little, so the passphrase has to be long. A public key is JSON as in TUF's root metadata, with its
key id. Nothing here reads or writes files: ceremony.py and the command line do.
"""

from __future__ import annotations

import json
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from firmware_repo.errors import WrongKey, said

__all__ = ["SHORTEST_PASSPHRASE", "CryptoSigner", "Key", "from_public", "key_id", "make", "open_key", "public", "seal"]

SHORTEST_PASSPHRASE: Final = 16
_LARGEST_FILE: Final = 16_384


def make() -> CryptoSigner:
    """A new key that signs. It is in memory only: `seal` makes a file of it."""
    return CryptoSigner.generate_ed25519()


def seal(signer: CryptoSigner, passphrase: str) -> bytes:
    """The private key as an encrypted PEM file. Raises WrongKey for a passphrase shorter than 16 characters."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise WrongKey(said("A passphrase needs {least} characters or more.", least=SHORTEST_PASSPHRASE))
    private = load_pem_private_key(signer.private_bytes, None)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))


def open_key(pem: bytes, passphrase: str | None) -> CryptoSigner:
    """The key of a PEM file; passphrase None: of one that is not encrypted (the controller keeps its own in the vault).

    Raises WrongKey: the passphrase is another one, or the file holds no ed25519 key.
    """
    try:
        private = load_pem_private_key(pem[:_LARGEST_FILE], passphrase.encode() if passphrase is not None else None)
    except TypeError as error:  # encrypted and no passphrase, or the other way round
        raise WrongKey(said("The key file cannot be opened: {reason}", reason=error)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise WrongKey(
            said(
                "The key file cannot be opened with this passphrase, or is damaged. Try the passphrase again; "
                "if it stays wrong, take the copy of the file."
            )
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise WrongKey(
            said("The file holds another kind of key, not ed25519. Make one with hikitsugi firmware key make.")
        )
    return CryptoSigner(private)


def public(key: Key | CryptoSigner) -> dict[str, object]:
    """What others may know of a key: {"keyid", "keytype", "scheme", "keyval": {"public": 64 hexadecimal digits}}."""
    known = key.public_key if isinstance(key, CryptoSigner) else key
    return {"keyid": known.keyid, **known.to_dict()}


def from_public(document: bytes | str | object) -> Key:
    """The key of a public JSON document, or of its value. Raises WrongKey.

    The key id must be the one that follows from the key: so one key cannot pass for two and meet a threshold alone.
    """
    try:
        value: Any = json.loads(document) if isinstance(document, bytes | str) else document  # Any: a stranger's JSON
        stated = {name: value[name] for name in ("keytype", "scheme", "keyval")}
        key = SSlibKey(value["keyid"], **stated)
        expected = key_id(key)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WrongKey(said("This is no public key: JSON with keyid, keytype, scheme and keyval is wanted.")) from error
    if key.keyid != expected:
        raise WrongKey(
            said(
                "The key id {stated} is not this key's: {expected}. Ask its holder for the file again.",
                stated=str(key.keyid)[:64],
                expected=expected,
            )
        )
    return key


def key_id(key: Key) -> str:
    """The id that follows from the key. Raises ValueError, TypeError, KeyError for one that is no ed25519 key."""
    if (key.keytype, key.scheme) != ("ed25519", "ed25519"):
        raise ValueError("not ed25519")
    raw = bytes.fromhex(key.keyval["public"])
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw)).keyid
