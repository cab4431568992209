"""Contracts, accounts and access keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asyncpg import ForeignKeyViolationError, Record, UniqueViolationError

from controller.domain.access import Caller, Role
from controller.domain.errors import Conflict, Invalid, NotFound
from controller.store import audit
from controller.store.pool import Connection, Database


async def create_contract(db: Database, contract: str, name: str, *, caller: Caller, now: datetime) -> None:
    """Raises Conflict when the contract exists."""
    async with db.transaction() as tx:
        try:
            await tx.execute(
                "INSERT INTO contract (contract, name, created_at) VALUES ($1, $2, $3)", contract, name, now
            )
        except UniqueViolationError as error:
            raise Conflict(
                "Contract {contract} exists already.", next_step="Choose another number.", contract=contract
            ) from error
        await audit.write(tx, caller, "contract.create", contract, now=now, contract=contract)


async def contracts(db: Database, *, contract: str | None, after: str | None, limit: int) -> list[Record]:
    """Contracts in order of number, with how many codes each has."""
    query = """SELECT contract, name, created_at, command_classes, tasks_at_once, delivery_address, ultra_send_back,
            (SELECT count(*) FROM code WHERE code.contract = contract.contract AND kind = 'entry') AS entries,
            (SELECT count(*) FROM code WHERE code.contract = contract.contract AND kind = 'standby') AS standbys
        FROM contract WHERE ($1::text IS NULL OR contract = $1) AND ($2::text IS NULL OR contract > $2)
        ORDER BY contract LIMIT $3"""
    async with db.connection() as connection:
        return await connection.fetch(query, contract, after, limit)


async def set_policy(
    db: Database,
    contract: str,
    classes: Sequence[str],
    tasks_at_once: int | None,
    *,
    caller: Caller,
    now: datetime,
) -> None:
    """What the contract lets its operators run, and how many of its adapters may be busy at once. Raises NotFound."""
    query = """UPDATE contract c SET command_classes = $2, tasks_at_once = $3 FROM contract old
        WHERE c.contract = $1 AND old.contract = $1 RETURNING old.command_classes, old.tasks_at_once"""
    async with db.transaction() as tx:
        was = await tx.fetchrow(query, contract, list(classes), tasks_at_once)
        if was is None:
            raise NotFound("No {what} {name}.", next_step="Check the name.", what="contract", name=contract)
        detail = {"was": dict(was.items()), "is": {"command_classes": list(classes), "tasks_at_once": tasks_at_once}}
        await audit.write(tx, caller, "contract.policy", contract, now=now, contract=contract, detail=detail)


async def set_maintenance(
    db: Database, contract: str, delivery_address: str, ultra_send_back: bool, *, caller: Caller, now: datetime
) -> None:
    """Where its replacements go (R3.5), and whether it has the option that on-site exchange needs (R3.15).

    Exchanges that are under way keep what they began with. Raises NotFound.
    """
    query = """UPDATE contract c SET delivery_address = $2, ultra_send_back = $3 FROM contract old
        WHERE c.contract = $1 AND old.contract = $1 RETURNING old.delivery_address, old.ultra_send_back"""
    async with db.transaction() as tx:
        was = await tx.fetchrow(query, contract, delivery_address, ultra_send_back)
        if was is None:
            raise NotFound("No {what} {name}.", next_step="Check the name.", what="contract", name=contract)
        detail = {
            "was": dict(was.items()),
            "is": {"delivery_address": delivery_address, "ultra_send_back": ultra_send_back},
        }
        await audit.write(tx, caller, "contract.maintenance", contract, now=now, contract=contract, detail=detail)


async def command_classes(connection: Connection, contract: str) -> frozenset[str]:
    """The command classes that the contract lets its operators run; none for a contract that does not exist."""
    found = await connection.fetchval("SELECT command_classes FROM contract WHERE contract = $1", contract)
    return frozenset(found or ())


async def create_account(
    db: Database, account: str, role: Role, contract: str | None, name: str, *, caller: Caller, now: datetime
) -> None:
    """Raises Conflict (exists), Invalid (no such contract)."""
    async with db.transaction() as tx:
        try:
            await tx.execute(
                "INSERT INTO account (account, role, contract, name, created_at) VALUES ($1, $2, $3, $4, $5)",
                *(account, role.value, contract, name, now),
            )
        except UniqueViolationError as error:
            raise Conflict(
                "Account {account} exists already.", next_step="Choose another name.", account=account
            ) from error
        except ForeignKeyViolationError as error:
            raise Invalid(
                "There is no contract {contract}.",
                next_step="Create it first: hikitsugi contract create {contract}.",
                contract=contract,
            ) from error
        await audit.write(
            tx, caller, "account.create", account, now=now, contract=contract, detail={"role": role.value}
        )


async def accounts(db: Database, *, after: str | None, limit: int) -> list[Record]:
    """Accounts in order of name, with how many keys of each still open something."""
    query = """SELECT account, role, contract, name, created_at, disabled_at,
            (SELECT count(*) FROM access_key k WHERE k.account = a.account AND revoked_at IS NULL) AS keys
        FROM account a WHERE ($1::text IS NULL OR account > $1) ORDER BY account LIMIT $2"""
    async with db.connection() as connection:
        return await connection.fetch(query, after, limit)


async def set_disabled(db: Database, account: str, disabled: bool, *, caller: Caller, now: datetime) -> None:
    """Disable or enable an account; its keys open nothing while it is disabled. Raises NotFound."""
    query = """UPDATE account SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, $3) END
               WHERE account = $1 RETURNING contract"""
    async with db.transaction() as tx:
        row = await tx.fetchrow(query, account, disabled, now)
        if row is None:
            raise NotFound("No account {account}.", next_step="hikitsugi account ls lists them.", account=account)
        action = "account.disable" if disabled else "account.enable"
        await audit.write(tx, caller, action, account, now=now, contract=row["contract"])


async def add_key(
    db: Database, key_id: str, account: str, secret_hash: bytes, note: str, *, caller: Caller, now: datetime
) -> None:
    """Store the hash of a new access key. Raises NotFound when there is no such account."""
    async with db.transaction() as tx:
        try:
            await tx.execute(
                "INSERT INTO access_key (access_key, account, secret_hash, note, created_at) VALUES ($1,$2,$3,$4,$5)",
                *(key_id, account, secret_hash, note, now),
            )
        except ForeignKeyViolationError as error:
            raise NotFound(
                "No account {account}.", next_step="hikitsugi account ls lists them.", account=account
            ) from error
        await audit.write(tx, caller, "key.create", account, now=now, detail={"key": key_id})


async def revoke_key(db: Database, key_id: str, *, caller: Caller, now: datetime) -> None:
    """Revoke an access key; revoking twice changes nothing. Raises NotFound."""
    query = """UPDATE access_key SET revoked_at = coalesce(revoked_at, $2) WHERE access_key = $1 RETURNING account"""
    async with db.transaction() as tx:
        row = await tx.fetchrow(query, key_id, now)
        if row is None:
            raise NotFound("No access key {key}.", next_step="hikitsugi key ls lists them.", key=key_id)
        await audit.write(tx, caller, "key.revoke", row["account"], now=now, detail={"key": key_id})


async def keys(db: Database, *, account: str | None, after: str | None, limit: int) -> list[Record]:
    """Access keys without their hashes."""
    query = """SELECT access_key, account, note, created_at, revoked_at FROM access_key
        WHERE ($1::text IS NULL OR account = $1) AND ($2::text IS NULL OR access_key > $2)
        ORDER BY access_key LIMIT $3"""
    async with db.connection() as connection:
        return await connection.fetch(query, account, after, limit)


async def by_key(db: Database, key_id: str) -> Record | None:
    """The account behind a live key with its secret's hash; None when unknown, revoked or disabled."""
    query = """SELECT a.account, a.role, a.contract, k.secret_hash FROM access_key k JOIN account a USING (account)
        WHERE k.access_key = $1 AND k.revoked_at IS NULL AND a.disabled_at IS NULL"""
    async with db.connection() as connection:
        return await connection.fetchrow(query, key_id)


async def has_administrator(db: Database) -> bool:
    """True when some live key of an administrator exists."""
    query = """SELECT EXISTS (SELECT FROM access_key k JOIN account a USING (account)
        WHERE a.role = 'administrator' AND k.revoked_at IS NULL AND a.disabled_at IS NULL)"""
    async with db.connection() as connection:
        return bool(await connection.fetchval(query))


async def add_first_administrator(
    db: Database, account: str, key_id: str, secret_hash: bytes, *, now: datetime
) -> bool:
    """Create the first administrator with its key, unless one exists (another controller was quicker)."""
    async with db.transaction() as tx:
        await tx.execute("LOCK TABLE access_key IN SHARE ROW EXCLUSIVE MODE")
        if await tx.fetchval(
            """SELECT EXISTS (SELECT FROM access_key k JOIN account a USING (account)
               WHERE a.role = 'administrator' AND k.revoked_at IS NULL AND a.disabled_at IS NULL)"""
        ):
            return False
        await tx.execute(
            """INSERT INTO account (account, role, created_at) VALUES ($1, 'administrator', $2)
               ON CONFLICT (account) DO UPDATE SET disabled_at = NULL""",
            *(account, now),
        )
        await tx.execute(
            "INSERT INTO access_key (access_key, account, secret_hash, note, created_at) VALUES ($1,$2,$3,$4,$5)",
            *(key_id, account, secret_hash, "first start", now),
        )
        by = Caller(account, Role.ADMINISTRATOR, None, key_id, "first start")
        await audit.write(tx, by, "key.create", account, now=now, detail={"key": key_id})
    return True
