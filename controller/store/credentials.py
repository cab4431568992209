"""Credentials and jump hosts: set, taken back, forgotten. Secrets come and go sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asyncpg import Record

from controller.domain.access import Caller
from controller.domain.errors import NotFound
from controller.store import audit
from controller.store.pool import Connection, Database

_LOCK_KEY = 0x435245444E  # "CREDN": changes are rare, and one after the other they cannot deadlock over adapters


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose a credential is: an adapter's (by serial) or a contract's; exactly one of the two is given."""

    adapter: str | None = None
    contract: str | None = None

    @property
    def subject(self) -> str:
        return self.adapter or f"contract {self.contract}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A credential ready to be stored."""

    scope: Scope
    username: str
    password: bytes | None = field(repr=False)
    private_key: bytes | None = field(repr=False)
    key_fingerprint: str


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes it, when and why. alone: what was before is not tried any more, and is deleted."""

    reason: str
    caller: Caller
    now: datetime
    alone: bool = False


async def exists(db: Database, scope: Scope) -> None:
    """Raises NotFound when there is no such adapter or contract."""
    async with db.connection() as connection:
        await _owners(connection, [scope])


async def current(db: Database, scopes: Sequence[Scope]) -> list[Record]:
    """The current credentials of these scopes, sealed."""
    query = """SELECT * FROM credential
               WHERE superseded_at IS NULL AND (adapter = ANY ($1::text[]) OR contract = ANY ($2::text[]))"""
    adapters, contracts = [s.adapter for s in scopes if s.adapter], [s.contract for s in scopes if s.contract]
    async with db.connection() as connection:
        return await connection.fetch(query, adapters, contracts)


async def usernames(db: Database, serials: Sequence[str]) -> dict[str, str]:
    """The user name that each of these adapters is logged in to with now; absent when there is no such adapter."""
    query = """SELECT u.serial, l.username FROM unnest($1::text[]) AS u (serial)
               JOIN LATERAL (SELECT username FROM ssh_login v WHERE v.adapter = u.serial OFFSET 0) l ON true"""
    async with db.connection() as connection:
        return {row["serial"]: row["username"] for row in await connection.fetch(query, serials)}


async def put(db: Database, made: Sequence[Sealed], change: Change) -> None:
    """Make these the current ones of their scopes, which are different; what was current is superseded.

    Raises NotFound when there is no such adapter or contract. One transaction, one audit row a contract.
    """
    async with db.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
        for contract, serials in (await _owners(tx, [one.scope for one in made])).items():
            subject = made[0].scope.subject if len(made) == 1 else f"{len(serials)} adapters"
            mine = frozenset(serials)
            names = sorted({one.username for one in made if not one.scope.adapter or one.scope.adapter in mine})
            detail = {"adapters": serials, "reason": change.reason, "alone": change.alone, "usernames": names[:10]}
            await _audit(tx, change, "credential.set", subject, contract, detail)
        await _remember_inventory(tx, [one.scope for one in made])
        await _supersede(tx, [one.scope for one in made], change)
        await tx.executemany(_INSERT, [_values(one, change) for one in made])


_INSERT = """
    INSERT INTO credential (adapter, contract, username, password, private_key, key_fingerprint, alone, reason, account,
        set_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""


def _values(one: Sealed, change: Change) -> tuple[object, ...]:
    secrets = (one.username, one.password, one.private_key, one.key_fingerprint)
    return (
        one.scope.adapter,
        one.scope.contract,
        *secrets,
        change.alone,
        change.reason,
        change.caller.account,
        change.now,
    )


async def _owners(tx: Connection, scopes: Sequence[Scope]) -> dict[str | None, list[str]]:
    """Serials by the contract they are on (None: in stock); a contract's own scope has none. Raises NotFound."""
    adapters, contracts = [s.adapter for s in scopes if s.adapter], {s.contract for s in scopes if s.contract}
    rows = await tx.fetch(
        """SELECT a.serial, c.contract FROM adapter a LEFT JOIN registration r ON r.adapter = a.serial
           LEFT JOIN code c ON c.code = r.code WHERE a.serial = ANY ($1) ORDER BY a.serial""",
        adapters,
    )
    known = await tx.fetch("SELECT contract FROM contract WHERE contract = ANY ($1)", list(contracts))
    owners: dict[str | None, list[str]] = {row["contract"]: [] for row in known}
    for row in rows:
        owners.setdefault(row["contract"], []).append(row["serial"])
    for serial in sorted(set(adapters) - {row["serial"] for row in rows}):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="adapter", name=serial)
    for contract in sorted(contracts - {row["contract"] for row in known}):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="contract", name=contract)
    return owners


_REMEMBER = """
    INSERT INTO credential_login AS w (adapter, at)
    SELECT a.serial, t.finished_at
    FROM (SELECT unnest($1::text[]) UNION SELECT r.adapter FROM code c JOIN registration r USING (code)
          WHERE c.contract = ANY ($2::text[])) a (serial)
    CROSS JOIN LATERAL (SELECT credential FROM ssh_login v WHERE v.adapter = a.serial OFFSET 0) l
    CROSS JOIN LATERAL (SELECT finished_at FROM task
                        WHERE adapter = a.serial AND state = 'done' AND via = 'ssh' ORDER BY id DESC LIMIT 1) t
    WHERE l.credential IS NULL
    ON CONFLICT (adapter) DO UPDATE SET at = excluded.at WHERE w.at IS NULL"""


async def _remember_inventory(tx: Connection, scopes: Sequence[Scope]) -> None:
    """Runs with the inventory's login write nothing about it; now that another one comes, it counts that it worked."""
    adapters, contracts = [s.adapter for s in scopes if s.adapter], [s.contract for s in scopes if s.contract]
    await tx.execute(_REMEMBER, adapters, contracts)


_ALL = "WHERE (adapter = ANY ($1::text[]) OR contract = ANY ($2::text[]))"
_DELETE_ALL = f"DELETE FROM credential {_ALL}"  # noqa: S608 (made of constants, here and below)
_SUPERSEDE_ALL = f"UPDATE credential SET superseded_at = $3 {_ALL} AND superseded_at IS NULL"  # noqa: S608


async def _supersede(tx: Connection, scopes: Sequence[Scope], change: Change) -> None:
    mine = [s.adapter for s in scopes if s.adapter], [s.contract for s in scopes if s.contract]
    if change.alone:
        await tx.execute(_DELETE_ALL, *mine)
    else:
        await tx.execute(_SUPERSEDE_ALL, *mine, change.now)


_MINE = "WHERE (adapter = $1 OR contract = $2)"
_WITHDRAW = f"UPDATE credential SET superseded_at = $3 {_MINE} AND superseded_at IS NULL RETURNING id"  # noqa: S608
_BEFORE = f"""
    SELECT id FROM credential {_MINE} AND superseded_at IS NOT NULL
    ORDER BY superseded_at DESC, id DESC LIMIT 1"""  # noqa: S608
_ALONE = f"UPDATE credential SET alone = true {_MINE} AND superseded_at IS NULL RETURNING id"  # noqa: S608
_FORGET_EARLIER = f"DELETE FROM credential {_MINE} AND superseded_at IS NOT NULL"  # noqa: S608


async def withdraw(db: Database, scope: Scope, change: Change) -> bool:
    """Take the current one back: the one before it is current again (True), or the scope has none of its own (False).

    Adapters that it has opened already are still tried with it, second. Raises NotFound when there is none.
    """
    async with db.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
        owners = await _owners(tx, [scope])
        mine = (scope.adapter, scope.contract)
        before = await tx.fetchval(_BEFORE, *mine)
        if await tx.fetchval(_WITHDRAW, *mine, change.now) is None:
            raise _none(scope)
        await tx.execute("UPDATE credential SET superseded_at = NULL, alone = false WHERE id = $1", before)
        detail = {"reason": change.reason, "earlier": before is not None}
        await _audit(tx, change, "credential.withdraw", scope.subject, next(iter(owners)), detail)
    return before is not None


async def forget_earlier(db: Database, scope: Scope, change: Change) -> None:
    """Only the current one is tried from now on; earlier ones are deleted. Raises NotFound when there is none."""
    async with db.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
        owners = await _owners(tx, [scope])
        mine = (scope.adapter, scope.contract)
        if await tx.fetchval(_ALONE, *mine) is None:
            raise _none(scope)
        await tx.execute(_FORGET_EARLIER, *mine)
        detail = {"reason": change.reason}
        await _audit(tx, change, "credential.forget", scope.subject, next(iter(owners)), detail)


def _none(scope: Scope) -> NotFound:
    return NotFound(
        "{subject} has no credential of its own.",
        next_step="hikitsugi credential ls shows what opens each adapter.",
        subject=scope.subject,
    )


async def _audit(
    tx: Connection, change: Change, action: str, subject: str, contract: str | None, detail: Mapping[str, Any]
) -> None:
    await audit.write(tx, change.caller, action, subject, now=change.now, contract=contract, detail=dict(detail))
