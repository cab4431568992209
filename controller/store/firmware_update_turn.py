"""What the clock looks for among firmware updates: those whose time has come, and what is seen of those under way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from controller.store.pool import Connection, Database, Row

_SEEN_WITHIN = timedelta(seconds=30)  # as claims.UNSEEN

# Whose time has come, in turn. The registrations of their codes and of their pairs are locked in the order of codes, as
# exchanges lock them: two of a pair cannot begin at one moment, and no exchange begins meanwhile.
_DUE = """
    SELECT id, code FROM firmware_update WHERE state = 'scheduled' AND due_at <= $1
    ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED"""
_DUE_ONE = "SELECT id, code FROM firmware_update WHERE state = 'scheduled' AND due_at <= $1 AND id = $2 FOR UPDATE"
_LOCK = """
    SELECT r.code FROM registration r
    WHERE r.code IN (SELECT unnest($1::text[]) UNION SELECT partner FROM pair WHERE code = ANY ($1))
    ORDER BY r.code FOR NO KEY UPDATE"""

_FACTS = """
    SELECT u.*, c.firmware_target, r.since IS NOT NULL AS in_place, a.locked_out_at IS NOT NULL AS locked_out,
           coalesce(k.firmware, '') AS running, held_by_exchange(u.code) AS exchange,
           p.id AS partner_update, p.code AS partner, p.since AS partner_since, p.is_idle AS partner_is_idle,
           i.sha256 IS NOT NULL AS is_offered,
           EXISTS (SELECT FROM reach w WHERE w.adapter = u.adapter AND w.code = u.code AND w.since = u.registered_since)
               AS has_way,
           (SELECT array_agg(partner) FROM pair WHERE pair.code = u.code) AS partners
    FROM firmware_update u JOIN code c ON c.code = u.code JOIN adapter a ON a.serial = u.adapter
    LEFT JOIN registration r ON (r.code, r.adapter, r.since) = (u.code, u.adapter, u.registered_since)
    LEFT JOIN contact k ON k.adapter = u.adapter
    LEFT JOIN firmware_image i ON i.series = u.series AND i.version = u.version
    LEFT JOIN LATERAL (
        SELECT o.id, o.code, o.ordered_at AS since,
               o.state = 'ordered' AND o.told_at IS NULL AND o.asked_at IS NULL
                 AND coalesce(h.last_pull_at < o.step_at, true)
                 AND NOT EXISTS (SELECT FROM firmware_download f
                                 WHERE f.adapter = o.adapter AND f.sha256 = o.sha256 AND f.last_at >= o.step_at)
                 AND (o.start = 'next-boot' OR NOT EXISTS (
                     SELECT FROM reach w
                     WHERE w.adapter = o.adapter AND w.code = o.code AND w.since = o.registered_since)) AS is_idle
        FROM pair JOIN firmware_update o ON o.code = pair.partner LEFT JOIN contact h ON h.adapter = o.adapter
        WHERE pair.code = u.code AND o.state IN ('ordered', 'downloading', 'flashing', 'checking')
        ORDER BY o.id LIMIT 1) p ON true
    WHERE u.id = ANY ($1) ORDER BY u.due_at, u.id"""


async def due(tx: Connection, now: datetime, *, limit: int, only: int | None = None) -> list[Row]:
    """Scheduled updates whose time has come, locked with the registrations they depend on. only: at most this one.

    All columns, and: firmware_target of the code; in_place: the registration still holds; locked_out; running; what is
    in the way: exchange, partner_update with its code partner, partner_since, partner_is_idle (its adapter has not been
    told, and has not pulled since); is_offered: the version; has_way: it can be pushed to;
    partners: codes that it is never updated together with.
    """
    found = await tx.fetch(*((_DUE, now, limit) if only is None else (_DUE_ONE, now, only)))
    if not found:
        return []
    await tx.fetch(_LOCK, [row["code"] for row in found])
    return await tx.fetch(_FACTS, [row["id"] for row in found])


async def image(tx: Connection, series: str, version: str) -> Row | None:
    """sha256 and size of what may be offered; None when it may not."""
    query = "SELECT sha256, size FROM firmware_image WHERE series = $1 AND version = $2"
    return await tx.fetchrow(query, series, version)


# Of the pulls the newest twenty are enough: what came before has been looked at already.
_SEEN = """
    SELECT u.*, c.firmware_target, r.since IS NOT NULL AS in_place, said.firmware AS said, said.at AS said_at,
           refused.trigger AS refusal, k.in_service_at, d.reached, d.last_at AS fetched_at, whole.at AS whole_at,
           w.way_at, w.way_at IS NOT NULL AS has_way
    FROM firmware_update u JOIN code c ON c.code = u.code
    LEFT JOIN registration r ON (r.code, r.adapter, r.since) = (u.code, u.adapter, u.registered_since)
    LEFT JOIN contact k ON k.adapter = u.adapter
    LEFT JOIN LATERAL (
        SELECT p.firmware, p.at FROM (SELECT * FROM pull WHERE adapter = u.adapter ORDER BY id DESC LIMIT 20) p
        WHERE p.message = 'config-solicitation' AND p.result = 100 AND p.code = u.code AND p.at >= u.step_at
        ORDER BY p.id DESC LIMIT 1) said ON k.last_pull_at >= u.step_at
    LEFT JOIN LATERAL (
        SELECT p.trigger FROM (SELECT * FROM pull WHERE adapter = u.adapter ORDER BY id DESC LIMIT 20) p
        WHERE p.at >= u.step_at AND starts_with(p.trigger, 'firmware ' || u.fetches || ' refused')
        ORDER BY p.id DESC LIMIT 1) refused ON k.last_pull_at >= u.step_at
    LEFT JOIN LATERAL (
        SELECT f.reached, f.last_at FROM firmware_download f
        WHERE f.adapter = u.adapter AND f.sha256 = u.sha256 AND f.last_at >= u.step_at
        ORDER BY f.id DESC LIMIT 1) d ON true
    LEFT JOIN LATERAL (
        SELECT min(f.last_at) AS at FROM firmware_download f
        WHERE f.adapter = u.adapter AND f.sha256 = u.sha256 AND f.last_at >= u.step_at AND f.outcome = 'complete'
        ) whole ON d.last_at IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT max(o.confirmed_at) AS way_at FROM reach o
        WHERE o.adapter = u.adapter AND o.code = u.code AND o.since = u.registered_since) w ON true
    WHERE u.id > $1 AND u.state IN ('ordered', 'downloading', 'flashing', 'checking')
    ORDER BY u.id LIMIT $2"""


async def seen(db: Database, after: int, *, limit: int) -> list[Row]:
    """Updates under way, by id after this one, with what is known of their adapters since their present step.

    All columns, and: firmware_target; in_place; said, said_at: the newest pull of a config; refusal: what it wrote of
    refusing the image; in_service_at; reached, fetched_at: of the newest download; whole_at: the first time that the
    whole image was out; way_at, has_way.
    """
    async with db.transaction() as tx:
        # By index whatever the statistics say: after a burst they are a minute old, and 2,000 scans of pulls take 20 s.
        await tx.execute("SET LOCAL enable_seqscan = off")
        return await tx.fetch(_SEEN, after, limit)


async def note_progress(db: Database, progress: Sequence[tuple[int, datetime, int, datetime | None]]) -> None:
    """(update, step_at, bytes, deadline), of those with more bytes than at the last look; deadline: None, as it is.

    Bytes of a step that is over by now are nobody's progress.

    What somebody else moves now is left to the next look: two who lock many in any order may wait for each other.
    """
    query = """WITH news AS (
            SELECT u.id, s.bytes, s.deadline_at
            FROM firmware_update u
            JOIN unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::timestamptz[])
                 AS s (id, step_at, bytes, deadline_at) USING (id, step_at)
            WHERE u.bytes < s.bytes AND u.ended_at IS NULL ORDER BY u.id FOR NO KEY UPDATE OF u SKIP LOCKED)
        UPDATE firmware_update u SET bytes = n.bytes, deadline_at = coalesce(n.deadline_at, u.deadline_at)
        FROM news n WHERE u.id = n.id"""
    if progress:
        async with db.connection() as connection:
            await connection.execute(query, *map(list, zip(*progress, strict=True)))


async def give_time(db: Database, now: datetime, *, beside_others: datetime, alone: datetime) -> None:
    """Make deadlines of what is under way at least the former; the latter where no controller was there just now."""
    query = """UPDATE firmware_update SET deadline_at = greatest(deadline_at, g.at)
        FROM (SELECT CASE WHEN EXISTS (SELECT FROM controller WHERE started_at < $1 AND seen_at > $1)
                          THEN $2::timestamptz ELSE $3 END AS at) g
        WHERE state IN ('ordered', 'downloading', 'flashing', 'checking') AND deadline_at IS NOT NULL"""
    async with db.connection() as connection:
        await connection.execute(query, now - _SEEN_WITHIN, beside_others, alone)


async def still(tx: Connection, rows: Sequence[Row]) -> set[int]:
    """Those of these that are as they were seen (state, step, how often told), locked; without those that somebody else
    moves now."""
    query = """SELECT id FROM firmware_update u
        JOIN unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::integer[])
            AS s (id, state, step_at, told_again) USING (id, state, step_at, told_again)
        ORDER BY id FOR UPDATE OF u SKIP LOCKED"""
    as_seen = ([row[name] for row in rows] for name in ("id", "state", "step_at", "told_again"))
    return {row["id"] for row in await tx.fetch(query, *as_seen)}


async def put_off(tx: Connection, updates: Sequence[tuple[int, datetime, object]]) -> None:
    """Look at these later: (id, when, what it waits for as domain/why.py has it, or None)."""
    for update, due_at, waits in updates:
        query = "UPDATE firmware_update SET due_at = $2, waits = $3 WHERE id = $1"
        await tx.execute(query, update, due_at, waits)
