"""The SSH host that leads to a contract's adapters. Secrets come and go sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from asyncpg import ForeignKeyViolationError, Record

from controller.domain.access import Caller
from controller.domain.errors import NotFound
from controller.store import audit
from controller.store.pool import Database


@dataclass(frozen=True, slots=True)
class SealedJump:
    """address: numeric. host_key: pinned, as in authorized_keys."""

    address: str
    port: int
    username: str
    password: bytes | None = field(repr=False)
    private_key: bytes | None = field(repr=False)
    key_fingerprint: str
    host_key: str


async def of(db: Database, contract: str) -> Record | None:
    """The contract's jump host without its secrets; None: its adapters are connected to straight."""
    query = """SELECT contract, host(address) AS address, port, username, password IS NOT NULL AS has_password,
                   key_fingerprint, host_key, account, set_at FROM jump_host WHERE contract = $1"""
    async with db.connection() as connection:
        return await connection.fetchrow(query, contract)


async def put(db: Database, contract: str, jump: SealedJump, *, caller: Caller, now: datetime) -> None:
    """Every new session to the contract's adapters goes through it. Raises NotFound."""
    query = """INSERT INTO jump_host (contract, address, port, username, password, private_key, key_fingerprint,
                   host_key, account, set_at) VALUES ($1, $2::text::inet, $3, $4, $5, $6, $7, $8, $9, $10)
               ON CONFLICT (contract) DO UPDATE SET address = excluded.address, port = excluded.port,
                   username = excluded.username, password = excluded.password, private_key = excluded.private_key,
                   key_fingerprint = excluded.key_fingerprint, host_key = excluded.host_key,
                   account = excluded.account, set_at = excluded.set_at"""
    values = (jump.address, jump.port, jump.username, jump.password, jump.private_key, jump.key_fingerprint)
    detail = {"address": jump.address, "port": jump.port, "username": jump.username, "host_key": jump.host_key}
    try:
        async with db.transaction() as tx:
            await tx.execute(query, contract, *values, jump.host_key, caller.account, now)
            await audit.write(tx, caller, "jump-host.set", contract, now=now, contract=contract, detail=detail)
    except ForeignKeyViolationError as error:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="contract", name=contract) from error


async def remove(db: Database, contract: str, *, caller: Caller, now: datetime) -> None:
    """The contract's adapters are connected to straight again. Raises NotFound when it has none."""
    async with db.transaction() as tx:
        gone = await tx.fetchval("DELETE FROM jump_host WHERE contract = $1 RETURNING host(address)", contract)
        if gone is None:
            raise NotFound(
                "Contract {contract} has no jump host.", next_step="There is nothing to remove.", contract=contract
            )
        await audit.write(
            tx, caller, "jump-host.remove", contract, now=now, contract=contract, detail={"address": gone}
        )
