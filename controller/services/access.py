"""Access keys: made, checked, revoked. A key is shown once, when it is made."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime

from controller.domain.access import Caller, Role
from controller.domain.errors import Fault, Invalid
from controller.store import accounts
from controller.store.pool import Database

FIRST_ACCOUNT = "admin"


def new_key() -> tuple[str, str, bytes]:
    """A fresh key: its id, its 256-bit secret, and what is stored of the secret (SHA-256)."""
    secret = secrets.token_urlsafe(32)
    return f"hk{secrets.token_hex(6)}", secret, _hash(secret)


async def authenticate(db: Database, key_id: str, secret: str, source: str) -> Caller | None:
    """The caller behind a key, None for an unknown, revoked or wrong one, or a disabled account."""
    row = await accounts.by_key(db, key_id)
    stored = row["secret_hash"] if row else bytes(32)
    if not hmac.compare_digest(_hash(secret), stored) or row is None:
        return None
    return Caller(row["account"], Role(row["role"]), row["contract"], key_id, source)


async def create_account(
    db: Database, account: str, role: Role, contract: str | None, name: str, *, caller: Caller, now: datetime
) -> None:
    """Raises Invalid (an operator needs a contract, others have none; devices are adapters, not accounts), Conflict."""
    if role in (Role.DEVICE, Role.CONTROLLER):
        fault = Fault("role", "Devices authenticate by their own keys; they have no accounts.")
        raise Invalid("This account cannot be made.", next_step="Choose another role.", faults=[fault])
    if (role is Role.OPERATOR) != (contract is not None):
        fault = Fault("contract", "An operator belongs to one contract; other roles to none.")
        raise Invalid("This account cannot be made.", next_step="Give, or leave out, the contract.", faults=[fault])
    await accounts.create_account(db, account, role, contract, name, caller=caller, now=now)


async def issue_key(db: Database, account: str, note: str, *, caller: Caller, now: datetime) -> str:
    """Make a key for the account; returns "<id>.<secret>", which nobody can read again. Raises NotFound."""
    key_id, secret, stored = new_key()
    await accounts.add_key(db, key_id, account, stored, note, caller=caller, now=now)
    return f"{key_id}.{secret}"


async def first_administrator(db: Database, now: datetime, keep: Callable[[str], None]) -> bool:
    """Make the first administrator with a key, when no administrator has a live key; False when one has.

    keep: puts "<id>.<secret>" where its owner finds it. Called before the key opens anything, so that a kill in
    between costs nothing: the next start makes another one. Also the way back in after the last key was lost.
    """
    if await accounts.has_administrator(db):
        return False
    key_id, secret, stored = new_key()
    keep(f"{key_id}.{secret}")
    return await accounts.add_first_administrator(db, FIRST_ACCOUNT, key_id, stored, now=now)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
