"""Links to results for people without an account, and who followed them. A token is kept as its SHA-256 only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from controller.domain.access import Caller
from controller.store import audit
from controller.store.pool import Connection, Database


async def subject(connection: Connection, *, campaign: int | None, task: int | None) -> Record | None:
    """The campaign, or the task's: id, account, reason, investigation, lines, created_at; None when there is none."""
    query = """SELECT c.id, c.account, c.reason, c.investigation, c.lines, c.created_at FROM campaign c
        WHERE c.id = coalesce($1, (SELECT t.campaign FROM task t WHERE t.id = $2))"""
    return await connection.fetchrow(query, campaign, task)


async def tasks_of(
    connection: Connection, *, campaign: int | None, task: int | None, contract: str | None
) -> list[Record]:
    """id and contract of the tasks that it is about; contract: only that one's."""
    query = """SELECT id, contract FROM task
        WHERE (campaign = $1 OR id = $2) AND ($3::text IS NULL OR contract = $3) ORDER BY id"""
    return await connection.fetch(query, campaign, task, contract)


@dataclass(frozen=True, slots=True)
class New:
    """A link to be made. contract: whose results it shows, None when several. pseudonym_key: sealed, for redact."""

    token_hash: bytes
    campaign: int | None
    task: int | None
    contract: str | None
    pseudonym_key: bytes | None
    note: str
    expires_at: datetime


async def create(db: Database, new: New, *, caller: Caller, now: datetime) -> int:
    """Its id."""
    query = """INSERT INTO share (token_hash, campaign, task, contract, redact, pseudonym_key, note, account,
            created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id"""
    redact = new.pseudonym_key is not None
    async with db.transaction() as tx:
        share: int = await tx.fetchval(
            query,
            *(new.token_hash, new.campaign, new.task, new.contract, redact, new.pseudonym_key, new.note),
            *(caller.account, now, new.expires_at),
        )
        detail = {"campaign": new.campaign, "task": new.task, "redact": redact, "note": new.note}
        until = {"expires_at": new.expires_at.isoformat()}
        await audit.write(
            tx, caller, "share.create", f"share {share}", now=now, contract=new.contract, detail=detail | until
        )
    return share


_COLUMNS = """s.id, s.campaign, s.task, s.contract, s.redact, s.note, s.account, s.created_at, s.expires_at,
    s.revoked_at, (SELECT count(*) FROM share_access x WHERE x.share = s.id AND x.outcome = 'shown') AS shown"""
_VISIBLE = "($1::text IS NULL OR s.contract = $1) AND ($2::text IS NULL OR s.account = $2)"


async def page(
    db: Database, *, contract: str | None, account: str | None, before: int | None, limit: int
) -> list[Record]:
    """Links, newest first: of one contract, of one account, None for all."""
    query = f"""SELECT {_COLUMNS} FROM share s WHERE {_VISIBLE} AND ($3::bigint IS NULL OR s.id < $3)
        ORDER BY s.id DESC LIMIT $4"""  # noqa: S608 (constant text)
    async with db.connection() as connection:
        return await connection.fetch(query, contract, account, before, limit)


async def one(db: Database, share: int, *, contract: str | None, account: str | None) -> Record | None:
    """One link; None when there is none of this contract and account."""
    query = f"SELECT {_COLUMNS} FROM share s WHERE {_VISIBLE} AND s.id = $3"  # noqa: S608 (constant text)
    async with db.connection() as connection:
        return await connection.fetchrow(query, contract, account, share)


async def by_token(db: Database, token_hash: bytes) -> Record | None:
    """The link behind a token, in whatever state, with role, own_contract and disabled_at of who made it."""
    query = """SELECT s.*, a.role, a.contract AS own_contract, a.disabled_at FROM share s JOIN account a USING (account)
        WHERE s.token_hash = $1"""
    async with db.connection() as connection:
        return await connection.fetchrow(query, token_hash)


async def revoke(db: Database, row: Record, *, caller: Caller, now: datetime) -> bool:
    """End it now; False when it was revoked already."""
    query = "UPDATE share SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING id"
    async with db.transaction() as tx:
        if await tx.fetchval(query, row["id"], now) is None:
            return False
        await audit.write(tx, caller, "share.revoke", f"share {row['id']}", now=now, contract=row["contract"])
    return True


_ACCESS = """
    WITH access AS (
        INSERT INTO share_access (share, at, source, agent, outcome) VALUES ($1, $2, $3, $4, $5)
    )
    INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
    SELECT $2, 'share ' || id, 'link', $3, 'transcript.read',
           CASE WHEN task IS NULL THEN 'campaign ' || campaign ELSE 'task ' || task END, contract,
           CASE WHEN $5 = 'shown' THEN 'done' ELSE 'refused' END,
           jsonb_build_object('how', 'share', 'share', id, 'format', $6::text, 'was', $5::text)
    FROM share WHERE id = $1"""


async def accessed(
    db: Database, share: int, *, source: str, agent: str, outcome: str, kind: str, now: datetime
) -> None:
    """Record that somebody followed the link. outcome: shown, expired, revoked, account-disabled."""
    async with db.connection() as connection:
        await connection.execute(_ACCESS, share, now, source, agent, outcome, kind)


async def accesses(db: Database, share: int, *, before: int | None, limit: int) -> list[Record]:
    """Who followed it, newest first."""
    query = """SELECT id, at, source, agent, outcome FROM share_access
        WHERE share = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"""
    async with db.connection() as connection:
        return await connection.fetch(query, share, before, limit)
