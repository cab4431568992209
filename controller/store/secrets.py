"""Encryption of secrets at rest (adapter keys, SSH passwords, private keys): AES-256-GCM under keys kept in a file.

The file, mode 0600, is a JSON object {"key id": "base64 of 32 bytes", …} in order of age. The last key seals, every key
opens; so rotation is: `rotate`, seal everything anew, drop the old line. A stolen database without this file is mute.
Nothing here hashes passwords or access keys, and nothing is authenticated by it but the sealed value itself.

Sealed: 0x01 · key id (4 bytes) · nonce (12 random bytes) · ciphertext · tag (16), so 33 bytes more than the secret. The
first five bytes and the purpose are authenticated too: a value moved to another column does not open. A random nonce is
good for 2**32 secrets per key (NIST SP 800-38D §8.3).
"""

import base64
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from controller.files import replace, write_new
from controller.startup import CannotStart
from controller.store.pool import Database

_FORM = b"\x01"
_ID, _NONCE, _KEY = 4, 12, 32  # bytes
_HEAD = len(_FORM) + _ID
_PROBE = "probe"


class CannotOpen(Exception):
    """A sealed value is not ours, was altered or moved, or its key is missing. The text says which."""


class Secrets:
    """Seals and opens. Immutable and safe in any thread; about 2 µs a call."""

    def __init__(self, keys: Mapping[bytes, bytes]) -> None:
        """keys: key id (4 bytes) → key (32 bytes), oldest first."""
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._head = _FORM + list(keys)[-1]
        self._seal = self._ciphers[list(keys)[-1]].encrypt

    @classmethod
    def at(cls, path: Path, *, make: bool) -> Self:
        """Read the key file.

        make: make a missing one, with one key. Only right while the database holds nothing sealed.
        Raises CannotStart when it is missing (and make is false), cannot be read or is damaged.
        """
        if make and not path.exists():
            with _writing(path), suppress(FileExistsError):  # another controller was faster: its key is ours, too
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_new(path, _with_one_more({}))
        return cls(_read(path))

    @classmethod
    def generate(cls) -> Self:
        """A key that lives as long as this object, for tests and benchmarks."""
        return cls({secrets.token_bytes(_ID): secrets.token_bytes(_KEY)})

    def seal(self, plain: str | bytes, *, purpose: str) -> bytes:
        """Encrypt. purpose: what the value is, e.g. "adapter.ls_sa_key"; opening needs the same."""
        nonce = os.urandom(_NONCE)
        body = plain.encode() if isinstance(plain, str) else plain
        return self._head + nonce + self._seal(nonce, body, self._head + purpose.encode())

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Decrypt. Raises CannotOpen."""
        head, nonce, body = sealed[:_HEAD], sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        cipher = self._ciphers.get(head[1:])
        if not sealed.startswith(_FORM) or len(nonce) < _NONCE:
            raise CannotOpen(f"The value stored as {purpose} was not sealed by this product.")
        if cipher is None:
            raise CannotOpen(
                f"The value stored as {purpose} was sealed with key {head[1:].hex()}, which is not in the key file. "
                "Restore the key file that belongs to this database."
            )
        try:
            return cipher.decrypt(nonce, body, head + purpose.encode())
        except InvalidTag as error:
            raise CannotOpen(f"The value stored as {purpose} was altered, or sealed for another purpose.") from error

    def open_text(self, sealed: bytes, *, purpose: str) -> str:
        """`open` for what was sealed as text."""
        return self.open(sealed, purpose=purpose).decode()

    def is_current(self, sealed: bytes) -> bool:
        """False when an older key sealed it: seal it anew, then that key can go."""
        return sealed.startswith(self._head)


async def unlock(database: Database, path: Path) -> Secrets:
    """The secrets of this database. The first start makes the key file, and the database remembers which one it was.

    Several controllers on one database share one key file; each has a copy of it. Raises CannotStart when the file is
    missing (after the first start), damaged, or belongs to another database.
    """
    async with database.transaction() as tx:
        await tx.execute("LOCK TABLE sealing IN SHARE ROW EXCLUSIVE MODE")  # of two first starts, one makes the key
        probe = await tx.fetchval("SELECT probe FROM sealing")
        found = Secrets.at(path, make=probe is None)
        if probe is not None:
            _check(found, probe, path)
        if probe is None or not found.is_current(probe):
            put = "INSERT INTO sealing (probe) VALUES ($1) ON CONFLICT (one) DO UPDATE SET probe = excluded.probe"
            await tx.execute(put, found.seal("hikitsugi", purpose=_PROBE))
    return found


async def unlock_beside(database: Database, path: Path) -> Secrets:
    """As `unlock`, for what runs beside a controller: it only reads. Raises CannotStart."""
    async with database.connection() as connection:
        probe = await connection.fetchval("SELECT probe FROM sealing")
    if probe is None:
        raise CannotStart("No controller has used this database yet. Start one first.")
    found = Secrets.at(path, make=False)
    _check(found, probe, path)
    return found


def _check(found: Secrets, probe: bytes, path: Path) -> None:
    try:
        found.open(probe, purpose=_PROBE)
    except CannotOpen as error:
        raise CannotStart(
            f"The key file {path} belongs to another database. Put the one there that was made with this "
            "database: from its backup, or from the other controllers that use it."
        ) from error


def rotate(path: Path) -> None:
    """Add a new key to the file; it seals from the next `Secrets.at` on. Raises CannotStart like `Secrets.at`."""
    with _writing(path):
        replace(path, _with_one_more(_read(path)))


def _with_one_more(keys: Mapping[bytes, bytes]) -> bytes:
    more = {**keys, secrets.token_bytes(_ID): secrets.token_bytes(_KEY)}
    listed = {key_id.hex(): base64.b64encode(key).decode() for key_id, key in more.items()}
    return json.dumps(listed, indent=1).encode() + b"\n"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotStart(f"Cannot write the key file {path}: {error.strerror}. Nothing was changed.") from error


def _read(path: Path) -> Mapping[bytes, bytes]:
    try:
        listed = json.loads(path.read_text())
        keys = {bytes.fromhex(key_id): base64.b64decode(key, validate=True) for key_id, key in listed.items()}
    except OSError as error:
        raise CannotStart(
            f"Cannot read the key file {path}: {error.strerror}. "
            "The secrets in the database open with it only; restore it, or copy it from a controller that has it."
        ) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise CannotStart(f"The key file {path} is damaged. Restore it from the backup of this database.") from error
    if not keys or any(len(key_id) != _ID or len(key) != _KEY for key_id, key in keys.items()):
        raise CannotStart(f"The key file {path} holds no usable key. Restore it from the backup of this database.")
    if path.stat().st_mode & 0o077 and os.access(path, os.W_OK):
        path.chmod(0o600)
    return keys
