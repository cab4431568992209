"""Credentials take the place of others: one, a contract's, or a whole file of them; asked first, if somebody likes.

The adapters themselves are not changed here: people (or a config push) give them the new one before or after. Until an
adapter has let us in with it, the one before it is tried second (view ssh_login), so the order does not matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO

from controller.domain.credential import Credential, fingerprint, of_public
from controller.domain.credential_file import read
from controller.domain.errors import Fault, Invalid
from controller.domain.inventory import is_address
from controller.domain.table_file import MAX_FAULTS
from controller.store import credentials, jump_hosts
from controller.store.credentials import Change, Scope, Sealed
from controller.store.jump_hosts import SealedJump
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did, or would do. rows: credentials given; changed: those that were not current already."""

    rows: int
    changed: int


async def put(
    db: Database, vault: Secrets, scope: Scope, credential: Credential, change: Change, *, dry_run: bool = False
) -> Rotated:
    """Make this the scope's current credential. Raises Invalid with every fault, NotFound.

    Given twice, the second time changes nothing, unless it says that no other may be tried (change.alone).
    """
    if faults := list(credential.faults()):
        raise Invalid("This credential cannot be used.", next_step="Mend what is named.", faults=faults)
    await credentials.exists(db, scope)
    return await _put(db, vault, {scope: credential}, change, dry_run)


async def import_file(
    db: Database, vault: Secrets, file: BinaryIO, change: Change, *, dry_run: bool = False
) -> Rotated:
    """One credential for each adapter of a CSV file, as one transaction. Raises Invalid with every fault.

    dry_run: read and compare, but write nothing.
    """
    found = await asyncio.to_thread(lambda: read(file.read()))
    names = await credentials.usernames(db, list(found.credentials))
    for serial, line in found.lines.items():
        if serial not in names:
            found.fault(line, "serial", "No adapter {serial}.", serial=serial[:64])
    if found.faults:
        raise Invalid(
            "The file has wrong cells; nothing was changed.",
            next_step="Mend the cells named and import the file again (of very many, the first {told} are named).",
            told=MAX_FAULTS,
            faults=sorted(found.faults, key=lambda fault: fault.line or 0),
        )
    wanted = {
        Scope(adapter=serial): one if one.username else replace(one, username=names[serial])
        for serial, one in found.credentials.items()
    }
    return await _put(db, vault, wanted, change, dry_run)


async def _put(
    db: Database, vault: Secrets, wanted: Mapping[Scope, Credential], change: Change, dry_run: bool
) -> Rotated:
    rows = await credentials.current(db, list(wanted))
    made = await asyncio.to_thread(_new, vault, wanted, rows, change.alone)
    if made and not dry_run:
        await credentials.put(db, made, change)
    return Rotated(len(wanted), len(made))


def _new(vault: Secrets, wanted: Mapping[Scope, Credential], rows: Iterable[Row], alone: bool) -> list[Sealed]:
    """Those that are not current already, sealed. In a thread: ten thousand keys take seconds."""
    present = {Scope(row["adapter"], row["contract"]): row for row in rows}
    return [
        _sealed(vault, scope, credential)
        for scope, credential in wanted.items()
        if scope not in present or not _is(vault, present[scope], credential) or (alone and not present[scope]["alone"])
    ]


def _is(vault: Secrets, row: Row, credential: Credential) -> bool:
    def opened(column: str) -> str:
        sealed = row[column]
        return "" if sealed is None else vault.open_text(sealed, purpose=_PURPOSES[column])

    return (row["username"], opened("password"), opened("private_key")) == (
        *(credential.username, credential.password, credential.private_key),
    )


_PURPOSES = {"password": "credential-password", "private_key": "credential-private-key"}


def _sealed(vault: Secrets, scope: Scope, credential: Credential) -> Sealed:
    return Sealed(
        scope,
        credential.username,
        vault.seal(credential.password, purpose="credential-password") if credential.password else None,
        vault.seal(credential.private_key, purpose="credential-private-key") if credential.private_key else None,
        fingerprint(credential.private_key),
    )


@dataclass(frozen=True, slots=True)
class JumpHost:
    """address: numeric, since nothing here asks the DNS. host_key: as in authorized_keys; it is pinned."""

    address: str
    port: int
    credential: Credential
    host_key: str


async def set_jump_host(db: Database, vault: Secrets, contract: str, jump: JumpHost, change: Change) -> None:
    """Every new session to the contract's adapters goes through it. Raises Invalid with every fault, NotFound."""
    faults = list(jump.credential.faults())
    if not is_address(jump.address):
        value = {"value": repr(jump.address)}
        faults.append(Fault("address", "A numeric IPv4 or IPv6 address is wanted, not {value}.", value))
    try:
        of_public(jump.host_key)
    except ValueError:
        faults.append(Fault("host_key", "A public key as in authorized_keys is wanted: ssh-ed25519 AAAA…"))
    if faults:
        raise Invalid("This jump host cannot be used.", next_step="Mend what is named.", faults=faults)
    login = jump.credential
    sealed = SealedJump(
        jump.address,
        jump.port,
        login.username,
        vault.seal(login.password, purpose="jump-password") if login.password else None,
        vault.seal(login.private_key, purpose="jump-private-key") if login.private_key else None,
        fingerprint(login.private_key),
        jump.host_key,
    )
    await jump_hosts.put(db, contract, sealed, caller=change.caller, now=change.now)
