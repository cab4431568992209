"""Exchanges: what a plan is made from, the exchanging transaction, and the questions people ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from asyncpg import UniqueViolationError

from controller.domain.access import Caller
from controller.domain.exchange import State
from controller.store.pool import Database, Row

_PAIR = """
    SELECT c.code, c.contract, c.kind, c.firmware_target, c.warm,
           a.serial, a.series, a.model, a.hardware_revision, a.locked_out_at IS NOT NULL AS locked_out,
           coalesce(k.firmware, '') AS firmware,
           (SELECT count(*) FROM task t WHERE t.code = c.code AND t.state IN ('waiting', 'running')) AS open_tasks,
           x.id AS open_exchange, x.ordered_at AS open_since,
           (SELECT json_agg(json_build_array(i.version, i.sha256, i.size, i.models, i.hardware_revisions))
              FROM firmware_image i WHERE i.series = a.series AND c.kind = 'entry') AS images
    FROM code c
    LEFT JOIN registration r ON r.code = c.code
    LEFT JOIN adapter a ON a.serial = r.adapter
    LEFT JOIN contact k ON k.adapter = a.serial
    LEFT JOIN LATERAL (
        SELECT id, ordered_at FROM exchange WHERE entry = c.code AND entry <> '' AND state IN ('ordered', 'pulled')
        UNION ALL
        SELECT id, ordered_at FROM exchange WHERE standby = c.code AND standby <> '' AND state IN ('ordered', 'pulled')
        LIMIT 1) x ON true
    WHERE c.code IN ($1, $2)"""


async def pair(db: Database, entry: str, standby: str) -> dict[str, Row]:
    """The rows of the two codes by code, each with its adapter, open tasks and open exchange; absent when unknown.

    images: of the entry's series, [version, sha256, size, models, hardware_revisions] each; None for none.
    """
    async with db.connection() as connection:
        return {row["code"]: row for row in await connection.fetch(_PAIR, entry, standby)}


@dataclass(frozen=True, slots=True)
class Keys:
    """Sealed secrets of the two new registrations (store/secrets.py). The entry's key is its new adapter's own."""

    entry_passphrase: bytes
    standby_key: bytes
    standby_passphrase: bytes


_SWAP = "SELECT * FROM swap_registrations($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)"


async def swap(
    db: Database,
    entry: str,
    standby: str,
    keys: Keys,
    *,
    caller: Caller,
    reason: str,
    replaces: int | None,
    now: datetime,
    deadline_at: datetime,
) -> Row | None:
    """Exchange the adapters of the two codes with ledger, outbox and audit rows and the orders to pull.

    One round trip and transaction.

    Returns exchange (its id), contract, firmware_target, open_tasks, new_adapter, new_model, new_firmware, old_adapter,
    old_model, was_warm (the standby); None, and nothing is changed, when a condition of domain/swap.plan does not hold.
    """
    arguments = (
        *(entry, standby, caller.contract, replaces, now, deadline_at),
        *(keys.entry_passphrase, keys.standby_key, keys.standby_passphrase),
        *(caller.account, caller.role.value, caller.source, reason),
    )
    try:
        async with db.connection() as connection:
            row = await connection.fetchrow(_SWAP, *arguments)
    except UniqueViolationError:  # an exchange is open on one of the codes
        return None
    return row if row and row["exchange"] is not None else None


_LAPSE = """
    WITH due AS (
        UPDATE exchange SET state = 'lapsed', lapsed_at = $1
        WHERE id IN (SELECT id FROM exchange
                     WHERE state IN ('ordered', 'pulled') AND lapsed_at IS NULL AND deadline_at <= $1
                     ORDER BY deadline_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING id, contract, entry
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT $1, 'exchange.lapsed', entry, jsonb_build_object('exchange', id) FROM due
    ), trail AS (
        INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
        SELECT $1, 'controller', 'controller', 'exchange.lapsed', entry, contract, 'done',
               jsonb_build_object('exchange', id) FROM due
    )
    SELECT id, entry FROM due"""


async def lapse(db: Database, now: datetime, *, limit: int = 500) -> list[tuple[int, str]]:
    """Move exchanges whose deadline passed to LAPSED; returns (id, entry) of each, at most `limit`."""
    async with db.connection() as connection:
        return [(row["id"], row["entry"]) for row in await connection.fetch(_LAPSE, now, limit)]


_COLUMNS = """id, kind, contract, entry, standby, new_adapter, old_adapter, firmware_target, state, ordered_at,
    deadline_at, pulled_at, confirmed_at, lapsed_at, superseded_at, account, reason"""


async def one(db: Database, exchange: int) -> Row | None:
    """One exchange, None when there is no such id."""
    async with db.connection() as connection:
        return await connection.fetchrow(f"SELECT {_COLUMNS} FROM exchange WHERE id = $1", exchange)  # noqa: S608


async def page(
    db: Database, *, contract: str | None, code: str | None, state: State | None, before: int | None, limit: int
) -> list[Row]:
    """Exchanges, newest first. contract, code, state: None for all; before: id of the last one already seen."""
    query = f"""SELECT {_COLUMNS} FROM exchange
        WHERE ($1::text IS NULL OR contract = $1) AND ($2::text IS NULL OR entry = $2 OR standby = $2)
          AND ($3::text IS NULL OR state = $3) AND ($4::bigint IS NULL OR id < $4)
        ORDER BY id DESC LIMIT $5"""  # noqa: S608 (constant column list)
    async with db.connection() as connection:
        return await connection.fetch(query, contract, code, state, before, limit)
