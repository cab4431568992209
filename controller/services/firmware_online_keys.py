"""The controller's own keys for firmware metadata: they say which signed documents are current, and nothing else.

Who steals them can show an old state for some days, and add no image: that takes the offline keys. A new pair counts
from the root on that names it. They are sealed with a key file of their own (setting firmware_signing_key_file), which
controllers have and nobody else: what serves images or works on tasks has the database and secrets.key, and cannot
sign.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from controller.domain.access import Caller
from controller.domain.errors import Conflict
from controller.startup import CannotStart
from controller.store import audit
from controller.store import firmware_metadata as store
from controller.store.pool import Connection, Database
from controller.store.secrets import CannotOpen, Secrets
from firmware_repo import documents, keys
from firmware_repo.errors import RepositoryError, said
from firmware_repo.roles import SNAPSHOT, TIMESTAMP

_PURPOSE: Final = "firmware_online_key.private"


class CannotSign(RepositoryError):
    """The controller has not the key that the root names, or cannot open it."""


class Safe:
    """Where the keys are sealed: the key file, which is made when the first key is."""

    def __init__(self, file: Path | None) -> None:
        """None: there is none, and nothing can be sealed or opened."""
        self._file = file

    def seal(self, plain: bytes) -> bytes:
        """Blocks on the disk. Raises Conflict: the file cannot be read or written."""
        try:
            return self._keys(make=True).seal(plain, purpose=_PURPOSE)
        except CannotStart as error:
            raise Conflict("The controller's keys cannot be kept: {why}", why=str(error)) from error

    def open(self, sealed: bytes) -> bytes:
        """Blocks on the disk. Raises CannotSign."""
        try:
            return self._keys(make=False).open(sealed, purpose=_PURPOSE)
        except CannotStart as error:
            raise CannotSign(
                said(
                    "The key file {file} is missing or cannot be used. Copy it from another controller or its backup; "
                    "if it is lost, make new keys: hikitsugi firmware trust online-keys, then firmware root rotate.",
                    file=str(self._file),
                )
            ) from error
        except CannotOpen as error:
            raise CannotSign(
                said("{file} does not open the controller's key: {why}", file=str(self._file), why=str(error))
            ) from error

    def _keys(self, *, make: bool) -> Secrets:
        if self._file is None:
            raise CannotStart("No key file is set.")
        return Secrets.at(self._file, make=make)


@dataclass(frozen=True, slots=True)
class Signers:
    """Both keys, in memory."""

    snapshot: keys.CryptoSigner
    timestamp: keys.CryptoSigner


async def make(db: Database, safe: Safe, *, caller: Caller, now: datetime) -> dict[str, Mapping[str, Any]]:
    """A new pair; the public parts by role, for the next root (Any: as root metadata has a key).

    One transaction with its audit row. The pair in use stays until a root names the new one.
    """
    public: dict[str, Mapping[str, Any]] = {}
    async with db.transaction() as tx:
        for role in (SNAPSHOT, TIMESTAMP):
            signer = keys.make()
            public[role] = keys.public(signer)
            sealed = await asyncio.to_thread(safe.seal, signer.private_bytes)
            await store.add_key(tx, role, public[role], sealed, caller.account, now)
        detail = {role: key["keyid"] for role, key in public.items()}
        await audit.write(tx, caller, "firmware.online-keys", "firmware", now=now, detail=detail)
    return public


async def signers(tx: Connection, safe: Safe, root: bytes) -> Signers:
    """The keys that this root names. Raises CannotSign."""
    held = {row["keyid"]: row["sealed"] for row in await store.online_keys(tx)}
    return await asyncio.to_thread(
        lambda: Signers(*(_signer(safe, root, role, held) for role in (SNAPSHOT, TIMESTAMP)))
    )


def in_use(root: bytes) -> tuple[str, ...]:
    """Key ids of the online roles. Raises WrongMetadata."""
    return tuple(key.keyid for role in (SNAPSHOT, TIMESTAMP) for key in documents.holders(root, role).keys)


def _signer(safe: Safe, root: bytes, role: str, held: Mapping[str, bytes]) -> keys.CryptoSigner:
    try:
        wanted = [key.keyid for key in documents.holders(root, role).keys]
        sealed = next((held[keyid] for keyid in wanted if keyid in held), None)
        if sealed is None:
            raise CannotSign(
                said(
                    "The root names {keys} for it, and this controller has no such key. Make the root with the keys "
                    "that hikitsugi firmware trust online-keys gives.",
                    keys=", ".join(wanted)[:200],
                )
            )
        return keys.open_key(safe.open(sealed), None)
    except RepositoryError as error:
        raise CannotSign(said("The controller cannot sign {role}: {why}", role=role, why=error.detail)) from error
