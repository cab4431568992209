"""The controller's own keys for firmware metadata: they say which signed documents are current, and nothing else.

Who steals them can show an old state for some days, and add no image: that takes the offline keys. They are sealed like
all secrets at rest; a new pair counts from the root on that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from controller.domain.access import Caller
from controller.store import audit
from controller.store import firmware_metadata as store
from controller.store.pool import Connection, Database
from controller.store.secrets import CannotOpen, Secrets
from firmware_repo import documents, keys
from firmware_repo.errors import RepositoryError
from firmware_repo.roles import SNAPSHOT, TIMESTAMP

_PURPOSE: Final = "firmware_online_key.private"


class CannotSign(Exception):
    """The controller has not the key that the root names, or cannot open it. The text says which."""


@dataclass(frozen=True, slots=True)
class Signers:
    """Both keys, in memory."""

    snapshot: keys.CryptoSigner
    timestamp: keys.CryptoSigner


async def make(db: Database, vault: Secrets, *, caller: Caller, now: datetime) -> dict[str, Mapping[str, Any]]:
    """A new pair; the public parts by role, for the next root (Any: as root metadata has a key).

    One transaction with its audit row. The pair in use stays until a root names the new one.
    """
    public: dict[str, Mapping[str, Any]] = {}
    async with db.transaction() as tx:
        for role in (SNAPSHOT, TIMESTAMP):
            signer = keys.make()
            public[role] = keys.public(signer)
            sealed = vault.seal(signer.private_bytes, purpose=_PURPOSE)
            await store.add_key(tx, role, public[role], sealed, caller.account, now)
        detail = {role: key["keyid"] for role, key in public.items()}
        await audit.write(tx, caller, "firmware.online-keys", "firmware", now=now, detail=detail)
    return public


async def signers(tx: Connection, vault: Secrets, root: bytes) -> Signers:
    """The keys that this root names. Raises CannotSign."""
    held = {row["keyid"]: row["sealed"] for row in await store.online_keys(tx)}
    return Signers(*(_signer(vault, root, role, held) for role in (SNAPSHOT, TIMESTAMP)))


def in_use(root: bytes) -> tuple[str, ...]:
    """Key ids of the online roles. Raises WrongMetadata."""
    return tuple(key.keyid for role in (SNAPSHOT, TIMESTAMP) for key in documents.holders(root, role).keys)


def _signer(vault: Secrets, root: bytes, role: str, held: Mapping[str, bytes]) -> keys.CryptoSigner:
    try:
        wanted = [key.keyid for key in documents.holders(root, role).keys]
        sealed = next((held[keyid] for keyid in wanted if keyid in held), None)
        if sealed is None:
            raise CannotSign(
                f"The root names {', '.join(wanted)[:200]} for {role}, and this controller has no such key. "
                "Make the root with the keys that hikitsugi firmware trust online-keys gives."
            )
        return keys.open_key(vault.open(sealed, purpose=_PURPOSE), None)
    except (CannotOpen, RepositoryError) as error:
        raise CannotSign(f"The controller cannot sign {role}: {error}") from error
