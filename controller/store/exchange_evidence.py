"""Evidence of outgoing adapters: what is known of them, the collection, and what a case has."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.domain.evidence import Evidence
from controller.store.pool import Connection, Database, Row

_SEEN = """
    SELECT a.serial, a.series, r.code, c.contract,
           a.locked_out_at IS NULL AND (
               EXISTS (SELECT FROM reach o WHERE o.adapter = r.adapter AND o.code = r.code AND o.since = r.since)
               OR coalesce(a.ssh_address, k.last_address) IS NOT NULL AND a.ssh_host_key <> '') AS has_way,
           coalesce(n.state = 'connected', false) AS connected,
           CASE WHEN n.state = 'disconnected' AND n.cause <> '' THEN n.since END AS gone_at,
           greatest(k.last_pull_at, n.last_heartbeat_at, CASE WHEN n.state = 'connected' THEN n.since END) AS heard_at
    FROM registration r JOIN adapter a ON a.serial = r.adapter JOIN code c ON c.code = r.code
    LEFT JOIN contact k ON k.adapter = r.adapter LEFT JOIN connection n ON n.adapter = r.adapter"""


async def seen(tx: Connection, code: str, adapter: str) -> Row | None:
    """What is known of an adapter that sits on a code: serial, series, code, contract, and the fields of
    domain/evidence.Seen. None when it does not sit there."""
    return await tx.fetchrow(f"{_SEEN} WHERE r.code = $1 AND r.adapter = $2", code, adapter)


_CASE = """
    SELECT id, kind, contract, coalesce(entry, standby) AS code, old_adapter, state, account, of_exchange, changed_at,
           evidence, evidence_reason, evidence_campaign
    FROM exchange WHERE id = $1"""


async def case(connection: Connection, exchange: int) -> Row | None:
    """What evidence needs to know of a case. code: where the outgoing adapter sits, of a swap the entry."""
    return await connection.fetchrow(_CASE, exchange)


async def held(tx: Connection, exchange: int) -> Row | None:
    """The same row, locked for who changes it."""
    return await tx.fetchrow(f"{_CASE} FOR NO KEY UPDATE", exchange)


async def keep_config(tx: Connection, exchange: int, code: str) -> None:
    """Note which config revisions the code has now; what is noted already stays."""
    query = """INSERT INTO exchange_config (exchange, module, stage, revision)
        SELECT $1, module, stage, revision FROM config_stage WHERE code = $2 AND stage IN ('startup', 'running')
        ON CONFLICT DO NOTHING"""
    await tx.execute(query, exchange, code)


async def put(tx: Connection, exchange: int, evidence: Evidence, *, campaign: int | None = None) -> None:
    """Set what the case has. campaign: the collection, None to leave it as it is."""
    query = "UPDATE exchange SET evidence = $2, evidence_campaign = coalesce($3, evidence_campaign) WHERE id = $1"
    await tx.execute(query, exchange, evidence.value, campaign)


_ENDED = """
    SELECT x.id, x.kind, x.contract, coalesce(x.entry, x.standby) AS code, x.old_adapter, o.lines,
           (SELECT coalesce(array_agg(DISTINCT p.line), '{}') FROM campaign c JOIN task t ON t.campaign = c.id
            JOIN transcript p ON p.task = t.id WHERE c.exchange = x.id AND p.failure IS NULL) AS brought
    FROM exchange x JOIN campaign o ON o.id = x.evidence_campaign
    WHERE x.evidence = 'collecting' AND NOT EXISTS (
        SELECT FROM task t WHERE t.campaign = x.evidence_campaign AND t.state IN ('waiting', 'running'))
    ORDER BY x.id LIMIT $1"""


async def ended(db: Database, limit: int) -> list[Row]:
    """Cases whose collection has ended: id, kind, contract, code, old_adapter, the lines that were asked for, and those
    that all of their collections together have brought."""
    async with db.connection() as connection:
        return await connection.fetch(_ENDED, limit)


async def settle(tx: Connection, exchange: int, evidence: Evidence) -> bool:
    """The collection is over; False when somebody has said so already."""
    query = "UPDATE exchange SET evidence = $2 WHERE id = $1 AND evidence = 'collecting' RETURNING id"
    return await tx.fetchval(query, exchange, evidence.value) is not None


# Heard of since the last try, or since the opening when there was none; not more often than every while. The conditions
# on s are domain/evidence.may_answer: who would not be asked must not be looked at every second.
_AGAIN = f"""
    SELECT x.id FROM exchange x LEFT JOIN campaign t ON t.id = x.evidence_campaign
    CROSS JOIN LATERAL ({_SEEN} WHERE r.code = coalesce(x.entry, x.standby) AND r.adapter = x.old_adapter) s
    WHERE x.evidence IN ('unreachable', 'partial') AND x.changed_at IS NULL AND x.ended_at IS NULL
      AND x.kind IN ('send-back', 'on-site')
      AND s.has_way AND (s.connected OR s.heard_at >= $2 AND coalesce(s.gone_at <= s.heard_at, true))
      AND s.heard_at > coalesce(t.created_at, x.ordered_at) AND coalesce(t.created_at, x.ordered_at) <= $1
    ORDER BY x.id LIMIT $3"""  # noqa: S608 (constant text)


async def to_try_again(db: Database, tried_before: datetime, heard_since: datetime, limit: int) -> list[int]:
    """Cases that lack evidence, still have their adapter, and have heard of it since they were last tried."""
    async with db.connection() as connection:
        return [row["id"] for row in await connection.fetch(_AGAIN, tried_before, heard_since, limit)]


_TASKS = """
    SELECT t.id, t.contract, t.campaign, t.state, t.failure, t.detail, t.started_at, t.finished_at
    FROM task t JOIN campaign c ON c.id = t.campaign WHERE c.exchange = $1 ORDER BY t.id"""


async def tasks(db: Database, exchange: int) -> list[Row]:
    """The runs that collected for the case, in their order."""
    async with db.connection() as connection:
        return await connection.fetch(_TASKS, exchange)


async def configs(db: Database, exchange: int) -> list[Row]:
    """The config revisions noted at the opening: module, stage, revision, at, size, account; no bodies."""
    query = """SELECT x.module, x.stage, x.revision, v.at, length(v.body) AS size, v.account
        FROM exchange_config x JOIN config_revision v ON v.id = x.revision
        WHERE x.exchange = $1 ORDER BY x.module, x.stage"""
    async with db.connection() as connection:
        return await connection.fetch(query, exchange)


async def tell(tx: Connection, row: Row, evidence: Evidence, now: datetime) -> None:
    """Outbox and audit row of what the clock found out about a case's evidence. row: as `ended` gives."""
    payload: dict[str, Any] = {  # Any: JSON values
        "exchange": row["id"],
        "kind": row["kind"],
        "code": row["code"],
        "old_adapter": row["old_adapter"],
        "evidence": evidence.value,
    }
    await tx.execute(
        "INSERT INTO outbox (at, topic, subject, payload) VALUES ($1, 'exchange.evidence', $2, $3)",
        *(now, row["code"], payload),
    )
    await tx.execute(
        """INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
           VALUES ($1, 'controller', 'controller', 'exchange.evidence', $2, $3, 'done', $4)""",
        *(now, row["code"], row["contract"], payload),
    )
