"""The audit trail: who did, or was refused, what, on what, from where. Append-only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from asyncpg import Record

from controller.domain.access import Caller
from controller.store.pool import Connection, Database

_WRITE = """
    INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""


async def write(
    connection: Connection,
    caller: Caller,
    action: str,
    subject: str,
    *,
    now: datetime,
    contract: str | None = None,
    detail: dict[str, Any] | None = None,
    refused: bool = False,
) -> None:
    """Add a row inside the caller's transaction. detail: JSON values, never a secret."""
    outcome = "refused" if refused else "done"
    await connection.execute(
        _WRITE, now, caller.account, caller.role.value, caller.source, action, subject, contract, outcome, detail or {}
    )


async def refused(
    db: Database,
    caller: Caller,
    action: str,
    subject: str,
    *,
    now: datetime,
    contract: str | None = None,
    detail: dict[str, Any] | None = None,
    told: dict[str, Any] | None = None,
) -> None:
    """Record a refusal in a transaction of its own (there is no change it could belong to).

    told: the detail that the contract's people read instead; then the whole is in a row for staff (contract NULL).
    """
    async with db.transaction() if told else db.connection() as connection:
        await refused_within(connection, caller, action, subject, now=now, contract=contract, detail=detail, told=told)


async def refused_within(
    connection: Connection,
    caller: Caller,
    action: str,
    subject: str,
    *,
    now: datetime,
    contract: str | None = None,
    detail: dict[str, Any] | None = None,
    told: dict[str, Any] | None = None,
) -> None:
    """The same inside the caller's transaction."""
    if contract is not None and told is not None:
        whole = {**(detail or {}), "contract": contract}
        await write(connection, caller, action, subject, now=now, detail=whole, refused=True)
        detail = told
    await write(connection, caller, action, subject, now=now, contract=contract, detail=detail, refused=True)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows; None: all. contract: only rows about that one. since is included, until is not."""

    contract: str | None = None
    subject: str | None = None
    account: str | None = None
    action: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_MATCHING = """
    SELECT id, at, account, role, source, action, subject, contract, outcome, detail FROM audit
    WHERE ($1::text IS NULL OR contract = $1) AND ($2::text IS NULL OR subject = $2)
      AND ($3::text IS NULL OR account = $3) AND ($4::text IS NULL OR action = $4)
      AND ($5::text IS NULL OR outcome = $5)
      AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)"""


async def page(
    db: Database,
    *,
    before: int | None,
    limit: int,
    contract: str | None = None,
    subject: str | None = None,
    account: str | None = None,
    action: str | None = None,
    outcome: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Record]:
    """Rows, newest first. The other arguments: see Filter."""
    wanted = Filter(contract, subject, account, action, outcome, since, until)
    query = _MATCHING + " AND ($8::bigint IS NULL OR id < $8) ORDER BY id DESC LIMIT $9"
    async with db.connection() as connection:
        return await connection.fetch(query, *astuple(wanted), before, limit)


async def export(db: Database, wanted: Filter, *, batch: int = 1000) -> AsyncIterator[Record]:
    """All rows, oldest first, of one moment; with chain_position and chain_hash where a row is sealed already.

    Read in batches, so that a slow reader holds no connection.
    """
    query = f"""SELECT m.*, c.position AS chain_position, c.hash AS chain_hash
        FROM ({_MATCHING} AND id > $8 AND id <= $9 ORDER BY id LIMIT $10) m
        LEFT JOIN audit_chain c ON c.audit = m.id ORDER BY m.id"""  # noqa: S608 (constant text)
    async with db.connection() as connection:
        last = await connection.fetchval("SELECT coalesce(max(id), 0) FROM audit")
    after = 0
    while True:
        async with db.connection() as connection:
            rows = await connection.fetch(query, *astuple(wanted), after, last, batch)
        for row in rows:
            yield row
        if len(rows) < batch:
            return
        after = rows[-1]["id"]
