"""Share links: results for somebody without an account, for a time, with who and where taken out, each access recorded.

A link shows what whoever made it may read, and ends with that account. One that has ended answers like one that never
was.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.access import Caller, Role
from controller.domain.errors import Conflict, NotFound
from controller.series.redaction import Redaction
from controller.services import exports
from controller.services.export_formats import Format
from controller.services.exports import Subject
from controller.store import shares
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets

MAX_HOURS = 24 * 90
_TOKEN_BYTES = 32
_PURPOSE = "share.pseudonym-key"


@dataclass(frozen=True, slots=True)
class Created:
    """token: nobody can read it again."""

    share: int
    token: str
    expires_at: datetime


async def create(
    db: Database,
    vault: Secrets,
    subject: Subject,
    *,
    hours: int,
    redact: bool,
    note: str,
    caller: Caller,
    now: datetime,
) -> Created:
    """Make a link that ends after `hours` (1 to MAX_HOURS). Raises NotFound, Forbidden (R2.2)."""
    await exports.of(db, subject, caller)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    key = vault.seal(secrets.token_bytes(32), purpose=_PURPOSE) if redact else None
    async with db.connection() as connection:
        tasks = await shares.tasks_of(
            connection, campaign=subject.campaign, task=subject.task, contract=caller.contract
        )
    contracts = {task["contract"] for task in tasks}
    contract = contracts.pop() if len(contracts) == 1 else None
    expires_at = now + timedelta(hours=hours)
    new = shares.New(_hash(token), subject.campaign, subject.task, contract, key, note, expires_at)
    return Created(await shares.create(db, new, caller=caller, now=now), token, expires_at)


async def show(
    db: Database, vault: Secrets, token: str, kind: Format, *, source: str, agent: str, now: datetime
) -> AsyncGenerator[bytes]:
    """The file behind the link, in chunks; that it was followed is recorded before the first one.

    source: address of who follows it; agent: what their browser calls itself. Raises NotFound, with the first chunk,
    for a token that never was and for one that has ended.
    """
    row = await shares.by_token(db, _hash(token))
    if row is None:
        raise _nothing()
    outcome = _outcome(row, now)
    agent = "".join(character for character in agent[:200] if character.isprintable())
    await shares.accessed(db, row["id"], source=source, agent=agent, outcome=outcome, kind=kind, now=now)
    if outcome != "shown":
        raise _nothing()
    subject = Subject(row["campaign"], row["task"])
    maker = Caller(row["account"], Role(row["role"]), row["own_contract"], "", source)
    redaction = Redaction(vault.open(row["pseudonym_key"], purpose=_PURPOSE)) if row["redact"] else None
    try:
        head = await exports.of(db, subject, maker)
    except NotFound as error:
        raise _nothing() from error
    async for chunk in exports.written(db, subject, kind, head, reader=maker, now=now, redaction=redaction):
        yield chunk


async def revoke(db: Database, share: int, *, caller: Caller, now: datetime) -> None:
    """End a link of the caller's before its time. Raises NotFound, Conflict when that was done already."""
    if not await shares.revoke(db, await own(db, share, caller), caller=caller, now=now):
        raise Conflict("Share {share} was revoked already.", next_step="Nothing more needs doing.", share=share)


async def own(db: Database, share: int, caller: Caller) -> Row:
    """The link's row if the caller may know of it: administrators all, operators their contract's, support staff those
    they made. Raises NotFound."""
    row = await shares.one(db, share, **scope(caller))
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="share", name=share)
    return row


def scope(caller: Caller) -> dict[str, str | None]:
    """Which links the caller may know of, for the store."""
    return {"contract": caller.contract, "account": caller.account if caller.role is Role.SUPPORT else None}


def _outcome(row: Row, now: datetime) -> str:
    if row["revoked_at"] is not None:
        return "revoked"
    if row["disabled_at"] is not None:
        return "account-disabled"
    return "shown" if now < row["expires_at"] else "expired"


def _nothing() -> NotFound:
    return NotFound(
        "This link leads to nothing: there never was one, or it has ended.",
        next_step="Ask whoever sent it for a new one.",
    )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
