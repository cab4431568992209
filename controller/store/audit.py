"""The audit trail: who did, or was refused, what, on what, from where. Append-only."""

from __future__ import annotations

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
) -> None:
    """Record a refusal in a transaction of its own (there is no change it could belong to)."""
    async with db.connection() as connection:
        await write(connection, caller, action, subject, now=now, contract=contract, detail=detail, refused=True)


async def page(
    db: Database, *, contract: str | None, subject: str | None, before: int | None, limit: int
) -> list[Record]:
    """Rows, newest first; contract: only rows about that contract, None for all."""
    query = """SELECT id, at, account, role, source, action, subject, contract, outcome, detail FROM audit
        WHERE ($1::text IS NULL OR contract = $1) AND ($2::text IS NULL OR subject = $2)
          AND ($3::bigint IS NULL OR id < $3) ORDER BY id DESC LIMIT $4"""
    async with db.connection() as connection:
        return await connection.fetch(query, contract, subject, before, limit)
