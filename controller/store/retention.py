"""The end of evidence by policy: the only statements that delete transcripts and outputs (migration 0011)."""

from __future__ import annotations

from datetime import datetime

from asyncpg import Record

from controller.store.pool import Connection, Database

# Held: what ran under an open investigation, or is pointed at in one, and the evidence of an open exchange or of one
# whose return is open. OFFSET 0 keeps each condition a look-up of
# its own: the scan goes along transcript_by_time and ends with enough rows.
_EXPIRED = """
    WITH old AS (
        SELECT p.ctid FROM transcript p
        WHERE p.started_at < $1
          AND NOT EXISTS (
              SELECT FROM task t JOIN campaign c ON c.id = t.campaign JOIN investigation i ON i.id = c.investigation
              WHERE t.id = p.task AND i.closed_at IS NULL AND i.expires_at > $2 OFFSET 0)
          AND NOT EXISTS (
              SELECT FROM investigation_result r JOIN investigation i ON i.id = r.investigation
              WHERE r.task = p.task AND i.closed_at IS NULL AND i.expires_at > $2 OFFSET 0)
          AND NOT EXISTS (
              SELECT FROM task t JOIN campaign c ON c.id = t.campaign JOIN exchange x ON x.id = c.exchange
              WHERE t.id = p.task AND (x.ended_at IS NULL OR EXISTS (
                  SELECT FROM exchange b WHERE b.of_exchange = x.id AND b.ended_at IS NULL)) OFFSET 0)
        ORDER BY p.started_at LIMIT $3 FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM transcript p USING old WHERE p.ctid = old.ctid RETURNING p.task, p.sha256
    )
    SELECT t.contract, count(*) AS transcripts, array_agg(DISTINCT g.sha256) AS hashes
    FROM gone g JOIN task t ON t.id = g.task GROUP BY t.contract"""

_ORPHANED = """
    WITH orphaned AS MATERIALIZED (
        SELECT o.sha256 FROM output o
        WHERE o.sha256 = ANY ($1) AND NOT EXISTS (SELECT FROM transcript p WHERE p.sha256 = o.sha256)
        ORDER BY o.sha256 FOR UPDATE)
    DELETE FROM output o USING orphaned u WHERE o.sha256 = u.sha256 RETURNING o.size"""

_NOTE = """
    INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
    SELECT $1, 'controller', 'controller', 'transcript.expire', 'transcripts', contract, 'done',
           jsonb_build_object('transcripts', transcripts, 'before', $2::timestamptz)
    FROM unnest($3::text[], $4::bigint[]) AS u (contract, transcripts)"""


async def expire(db: Database, before: datetime, now: datetime, limit: int) -> int:
    """Delete up to `limit` of the oldest transcripts begun before then, with an audit row per contract, and the outputs
    that no transcript names any more, with their readings. Returns how many transcripts went.

    A worker that stores the same output again meanwhile waits for the end of the transaction, or we for its: an output
    is never missing from under a transcript.
    """
    async with db.transaction() as tx:
        await _let_through(tx)
        rows = await tx.fetch(_EXPIRED, before, now, limit)
        if not rows:
            return 0
        await tx.execute(_NOTE, now, before, *_counts(rows))
        await tx.execute("LOCK TABLE output IN SHARE ROW EXCLUSIVE MODE")
        await tx.fetch(_ORPHANED, [sha256 for row in rows for sha256 in row["hashes"]])
    return sum(row["transcripts"] for row in rows)


async def _let_through(tx: Connection) -> None:
    """For this transaction only: the trigger compares its number."""
    await tx.execute("SELECT set_config('hikitsugi.retention', pg_current_xact_id()::text, true)")


def _counts(rows: list[Record]) -> tuple[list[str], list[int]]:
    return [row["contract"] for row in rows], [row["transcripts"] for row in rows]
