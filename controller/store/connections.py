"""What is known of each adapter's connection: the state, its changes, and how far a boot came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from controller.domain.liveness import Known, Rule, State, Verdict
from controller.store.pool import Connection, Database, Row


class Heard(NamedTuple):
    """One verified heartbeat. since: of the registration whose passphrase verified it.

    cpu, memory, disk: percent used, None where it does not say. datagram: as received.
    """

    at: datetime
    serial: str
    code: str
    since: datetime
    source: str
    cpu: int | None
    memory: int | None
    disk: int | None
    datagram: bytes


_HEARD = """
    WITH present AS (
        SELECT h.adapter, h.since, h.at, h.source::inet AS source
        FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[]) AS h (adapter, since, at, source)
        JOIN registration r ON r.adapter = h.adapter AND r.since = h.since
        JOIN adapter a ON a.serial = h.adapter AND a.locked_out_at IS NULL
    ), noted AS (
        INSERT INTO connection (adapter, since, last_heartbeat_at, heartbeat_source)
        SELECT adapter, at, at, source FROM present ORDER BY adapter
        ON CONFLICT (adapter) DO UPDATE SET heartbeat_source = excluded.heartbeat_source,
            last_heartbeat_at = greatest(connection.last_heartbeat_at, excluded.last_heartbeat_at)
    )
    SELECT adapter, since FROM present"""


async def heard(tx: Connection, newest: Sequence[Heard]) -> set[tuple[str, datetime]]:
    """Note the newest heartbeat of each registration; the rows are locked in the order of serials.

    Returns serial and since of those whose registration still holds and who are not locked out; nothing is noted for
    the others.
    """
    rows = await tx.fetch(
        _HEARD,
        [each.serial for each in newest],
        [each.since for each in newest],
        [each.at for each in newest],
        [each.source for each in newest],
    )
    return {(row["adapter"], row["since"]) for row in rows}


_TO_JUDGE = """
    SELECT c.adapter, c.state, c.downs, c.checked_at, c.last_heartbeat_at, c.tunnel_lost_at,
           EXISTS (SELECT FROM reach t WHERE t.adapter = c.adapter AND t.method = 'https-tunnel') AS holds_tunnel
    FROM connection c
    WHERE c.adapter > $1 AND (c.checked_at IS NULL OR c.checked_at <= $2 OR c.checked_at >= $3
                              OR c.tunnel_lost_at <= $4 AND c.state = 'connected')
      AND (c.state = 'connected' OR NOT EXISTS (
           SELECT FROM adapter a WHERE a.serial = c.adapter AND a.locked_out_at IS NOT NULL))
    ORDER BY c.adapter LIMIT $5 FOR UPDATE OF c SKIP LOCKED"""


async def to_judge(tx: Connection, rule: Rule, now: datetime, *, after: str, limit: int) -> dict[str, Known]:
    """Adapters a verdict may be due for, by serial, in its order from `after` on; their rows stay locked.

    Who is locked out and disconnected is judged when it is let in again.
    """
    rows = await tx.fetch(_TO_JUDGE, after, now - rule.check, now + rule.check, now - rule.tunnel_grace, limit)
    return {row["adapter"]: _known(row) for row in rows}


def _known(row: Row) -> Known:
    return Known(
        State(row["state"]),
        row["downs"],
        row["checked_at"],
        row["last_heartbeat_at"],
        row["holds_tunnel"],
        row["tunnel_lost_at"],
    )


_RECORD = """
    WITH verdict AS (
        SELECT * FROM unnest($2::text[], $3::text[], $4::smallint[], $5::text[], $6::boolean[], $7::boolean[])
                      AS v (adapter, state, downs, cause, checked, loss_settled)
    ), written AS (
        UPDATE connection c SET state = v.state, downs = v.downs,
            since = CASE WHEN v.cause IS NULL THEN c.since ELSE $1 END, cause = coalesce(v.cause, c.cause),
            checked_at = CASE WHEN v.checked THEN $1 ELSE c.checked_at END,
            tunnel_lost_at = CASE WHEN v.loss_settled THEN NULL ELSE c.tunnel_lost_at END
        FROM verdict v WHERE c.adapter = v.adapter
    ), changed AS (
        SELECT v.adapter, v.state, v.cause, r.code FROM verdict v LEFT JOIN registration r ON r.adapter = v.adapter
        WHERE v.cause IS NOT NULL
    ), event AS (
        INSERT INTO connection_event (at, adapter, code, state, cause)
        SELECT $1, adapter, code, state, cause FROM changed
    )
    INSERT INTO outbox (at, topic, subject, payload)
    SELECT $1, 'connection.' || state, adapter, jsonb_build_object('code', code, 'cause', cause) FROM changed"""


async def record(tx: Connection, verdicts: Mapping[str, Verdict], now: datetime) -> None:
    """Write verdicts by serial; each change with its event and its outbox row."""
    given = verdicts.values()
    await tx.execute(
        _RECORD,
        now,
        list(verdicts),
        [v.state.value for v in given],
        [v.downs for v in given],
        [v.cause and v.cause.value for v in given],
        [v.checked for v in given],
        [v.loss_settled for v in given],
    )


# Each time is of the newest successful step; first_heartbeat_at: the first one since the config was pulled.
_OF = """
    SELECT a.serial AS adapter, coalesce(c.state, 'disconnected') AS state, c.since, coalesce(c.cause, '') AS cause,
           c.last_heartbeat_at, host(c.heartbeat_source) AS heartbeat_source,
           coalesce(c.downs, 0) AS downs, c.checked_at, c.tunnel_lost_at,
           coalesce(w.methods, '{}') AS methods, located.at AS located_at, config.at AS config_pulled_at,
           query.at AS method_query_at, w.confirmed_at AS push_confirmed_at, first.at AS first_heartbeat_at
    FROM adapter a
    LEFT JOIN connection c ON c.adapter = a.serial
    LEFT JOIN LATERAL (SELECT array_agg(DISTINCT t.method ORDER BY t.method) AS methods,
                              max(t.confirmed_at) AS confirmed_at FROM reach t WHERE t.adapter = a.serial) w ON true
    LEFT JOIN LATERAL (SELECT p.at FROM pull p WHERE p.adapter = a.serial AND p.message = 'rs-solicitation'
                       AND p.result = 100 ORDER BY p.id DESC LIMIT 1) located ON true
    LEFT JOIN LATERAL (SELECT p.at FROM pull p WHERE p.adapter = a.serial AND p.message = 'config-solicitation'
                       AND p.result = 100 ORDER BY p.id DESC LIMIT 1) config ON true
    LEFT JOIN LATERAL (SELECT p.at FROM pull p WHERE p.adapter = a.serial AND p.message = 'push-method-query'
                       AND p.result = 100 ORDER BY p.id DESC LIMIT 1) query ON true
    LEFT JOIN LATERAL (SELECT h.at FROM heartbeat h WHERE h.adapter = a.serial AND h.at >= config.at
                       ORDER BY h.at LIMIT 1) first ON true
    WHERE a.serial = $1"""


async def of(db: Database, serial: str) -> Row | None:
    """One adapter's connection and the steps of its newest boot; None when there is no such adapter.

    adapter, state, since and cause of the state (since None and cause "": never connected), last_heartbeat_at,
    heartbeat_source (numeric address), downs, checked_at, tunnel_lost_at, methods (confirmed ones, sorted), and the
    times located_at (LS), config_pulled_at (RS), method_query_at, push_confirmed_at, first_heartbeat_at (since the
    config was pulled). A time before the one of an earlier step belongs to an earlier boot. A client that kept the
    LS's answer skips it.
    """
    async with db.connection() as connection:
        return await connection.fetchrow(_OF, serial)


async def events(
    db: Database, *, adapter: str | None, code: str | None, contract: str | None, before: int | None, limit: int
) -> list[Row]:
    """Changes of the connection, newest first: id, at, adapter, code, state, cause.

    contract: only those of adapters that one of its codes held then, None for all; before: id of the last one seen.
    """
    query = """SELECT id, at, adapter, code, state, cause FROM connection_event
        WHERE ($1::text IS NULL OR adapter = $1) AND ($2::text IS NULL OR code = $2) AND ($3::bigint IS NULL OR id < $3)
          AND ($4::text IS NULL OR code IN (SELECT code FROM code WHERE contract = $4))
        ORDER BY id DESC LIMIT $5"""
    async with db.connection() as connection:
        return await connection.fetch(query, adapter, code, before, contract, limit)


async def forget_before(db: Database, at: datetime, *, limit: int = 10_000) -> int:
    """Delete events older than `at`, at most `limit` at once; returns how many went."""
    query = (
        "DELETE FROM connection_event WHERE id IN (SELECT id FROM connection_event WHERE at < $1 ORDER BY at LIMIT $2)"
    )
    async with db.connection() as connection:
        status: str = await connection.execute(query, at, limit)
    return int(status.rsplit(" ", 1)[-1])
