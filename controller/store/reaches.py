"""The confirmed ways to adapters, and the controllers that hold tunnels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import ForeignKeyViolationError, Record

from controller.store.pool import Connection, Database
from protocol.ids import DistributionId

_BY_DISTRIBUTION_ID = """
    SELECT asked.n, a.serial, a.series, a.locked_out_at IS NOT NULL AS locked_out, r.code, r.since, r.rs_sa_key, c.kind,
           c.warm
    FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (distribution_id, n)
    JOIN adapter a ON a.distribution_id = asked.distribution_id
    LEFT JOIN registration r ON r.adapter = a.serial LEFT JOIN code c ON c.code = r.code"""


async def by_distribution_id(db: Database, distribution_id: DistributionId) -> Record | None:
    """The adapter with what its RS-SA key is checked against; None when unknown. code None: on no code."""
    return await db.together(_all_by_distribution_id, distribution_id)


async def _all_by_distribution_id(connection: Connection, ids: list[DistributionId]) -> list[Record | None]:
    rows: list[Record | None] = [None] * len(ids)
    for row in await connection.fetch(_BY_DISTRIBUTION_ID, [UUID(int=each.value) for each in ids]):
        rows[row["n"] - 1] = row
    return rows


async def former_keys(db: Database, distribution_id: DistributionId) -> list[bytes]:
    """The sealed RS-SA keys of earlier registrations that the adapter may still hold."""
    query = "SELECT k.rs_sa_key FROM former_key k JOIN adapter a ON a.serial = k.adapter WHERE a.distribution_id = $1"
    async with db.connection() as connection:
        return [row["rs_sa_key"] for row in await connection.fetch(query, UUID(int=distribution_id.value))]


async def certificate(db: Database, serial: str, code: str, since: datetime) -> str | None:
    """PEM of what the adapter of this registration shows as a TLS server; None when it has none, or is gone."""
    query = "SELECT sa_certificate FROM registration WHERE adapter = $1 AND code = $2 AND since = $3"
    async with db.connection() as connection:
        pem: str | None = await connection.fetchval(query, serial, code, since)
    return pem


# Registrations are locked in the order of codes, as an exchange locks them; controllers before connections, as
# forget_controllers does; connections in the order of serials, as heartbeats and closed tunnels lock them.
_CONFIRM = """
    WITH registrations AS (SELECT FROM registration WHERE code = ANY ($2) ORDER BY code FOR KEY SHARE),
         controllers AS (SELECT FROM controller WHERE id = ANY ($5) ORDER BY id FOR KEY SHARE)
    SELECT n, confirm_push(adapter, code, since, method, controller, tunnel, endpoint, source::inet, legacy, at)
           AS confirmed
    FROM (SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[],
                               $7::text[], $8::text[], $9::boolean[], $10::timestamptz[])
          WITH ORDINALITY AS heard (adapter, code, since, method, controller, tunnel, endpoint, source, legacy, at, n)
          WHERE (SELECT count(*) FROM registrations) + (SELECT count(*) FROM controllers) >= 0  -- first
          ORDER BY adapter, n) AS heard"""


async def confirm(
    db: Database,
    serial: str,
    code: str,
    since: datetime,
    *,
    method: str,
    controller: int | None,
    tunnel: int | None,
    endpoint: str | None,
    source: str | None,
    legacy: bool,
    now: datetime,
) -> bool:
    """Record that the adapter is reachable so, and what follows from it, in one transaction and round trip.

    False, and nothing is changed: the registration is no longer that one, the adapter was locked out, it has no
    certificate (https-simple), or this controller was taken for gone (`begin` anew).
    """
    values: tuple[object, ...] = (serial, code, since, method, controller, tunnel, endpoint, source, legacy, now)
    try:
        return await db.together(_confirm_all, values)
    except ForeignKeyViolationError:
        return False


async def _confirm_all(connection: Connection, heard: list[tuple[object, ...]]) -> list[bool]:
    confirmed = [False] * len(heard)
    for row in await connection.fetch(_CONFIRM, *map(list, zip(*heard, strict=True))):
        confirmed[row["n"] - 1] = row["confirmed"]
    return confirmed


async def closed(db: Database, controller: int, tunnels: list[int], now: datetime) -> None:
    """Forget tunnels that are closed; an adapter that has no other way has lost its tunnel now."""
    async with db.connection() as connection:
        await connection.execute("SELECT forget_tunnels($1, $2, $3)", controller, tunnels, now)


_STALE = """
    WITH held AS (
        SELECT adapter, code, since, tunnel FROM reach WHERE controller = $1
        UNION ALL
        SELECT * FROM unnest($3::text[], $4::text[], $5::timestamptz[], $6::bigint[])
    )
    SELECT h.tunnel FROM held h JOIN adapter a ON a.serial = h.adapter
    LEFT JOIN registration r ON r.adapter = h.adapter
    WHERE a.locked_out_at IS NOT NULL OR r.code IS NULL OR ((r.code, r.since) <> (h.code, h.since) AND r.since < $2)"""


async def stale(
    db: Database, controller: int, changed_before: datetime, unconfirmed: Sequence[tuple[str, str, datetime, int]] = ()
) -> list[int]:
    """Tunnels of a controller whose registration was replaced before that time, whose adapter is locked out, or that
    is on no code any more. unconfirmed: serial, code, since and number of tunnels that are not in the database."""
    columns = [list(column) for column in zip(*unconfirmed, strict=True)] if unconfirmed else [[], [], [], []]
    async with db.connection() as connection:
        return [row["tunnel"] for row in await connection.fetch(_STALE, controller, changed_before, *columns)]


_LOCKED_OUT = """
    SELECT a.serial FROM adapter a
    WHERE a.locked_out_at > $1 AND (a.serial = ANY ($3) OR EXISTS (
          SELECT FROM reach h WHERE h.adapter = a.serial AND h.controller = $2))"""


async def locked_out(db: Database, controller: int, since: datetime, unconfirmed: Sequence[str] = ()) -> list[str]:
    """Serials of those locked out since that time of which the controller holds a tunnel, or is said to hold one
    (unconfirmed). Costs nothing where nobody was, however many tunnels there are."""
    async with db.connection() as connection:
        rows = await connection.fetch(_LOCKED_OUT, since, controller, list(unconfirmed))
    return [row["serial"] for row in rows]


async def tunnels(db: Database, controller: int) -> list[int]:
    """All tunnels that a controller holds as far as the database knows."""
    async with db.connection() as connection:
        rows = await connection.fetch("SELECT tunnel FROM reach WHERE controller = $1", controller)
    return [row["tunnel"] for row in rows]


_OF = """
    SELECT h.method, h.confirmed_at, h.endpoint, h.controller, h.tunnel, h.legacy
    FROM reach h JOIN registration r ON (r.adapter, r.code, r.since) = (h.adapter, h.code, h.since)
    WHERE h.adapter = $1 ORDER BY h.id"""


async def of(db: Database, serial: str) -> list[Record]:
    """The ways there are to an adapter under its present registration, for people to look at; oldest first."""
    async with db.connection() as connection:
        return await connection.fetch(_OF, serial)


async def begin(db: Database, now: datetime, *, is_worker: bool = False) -> int:
    """A new controller, or a worker beside one; its id."""
    query = "INSERT INTO controller (started_at, seen_at, is_worker) VALUES ($1, $1, $2) RETURNING id"
    async with db.connection() as connection:
        return int(await connection.fetchval(query, now, is_worker))


async def seen(db: Database, controller: int, now: datetime) -> bool:
    """The controller is alive; False when it was taken for gone meanwhile."""
    query = "UPDATE controller SET seen_at = greatest(seen_at, $2) WHERE id = $1"
    async with db.connection() as connection:
        status: str = await connection.execute(query, controller, now)
    return status == "UPDATE 1"


async def end(db: Database, controller: int, now: datetime) -> None:
    """Forget a controller that stops, with its tunnels."""
    async with db.transaction() as tx:
        await tx.execute("UPDATE controller SET seen_at = '-infinity' WHERE id = $1", controller)
        await tx.execute("SELECT forget_controllers('-infinity', $1)", now)


async def take_over(db: Database, now: datetime) -> None:
    """Forget all controllers, with their tunnels. Workers could not say that they live while the database was away."""
    async with db.transaction() as tx:
        query = "UPDATE controller SET seen_at = CASE WHEN is_worker THEN greatest(seen_at, $1) ELSE '-infinity' END"
        await tx.execute(query, now)
        await tx.execute("SELECT forget_controllers('-infinity', $1)", now)


async def forget_gone(db: Database, now: datetime, unseen: timedelta) -> list[int]:
    """Forget controllers not seen for that long, and the tunnels they held; returns their ids."""
    async with db.connection() as connection:
        return list(await connection.fetchval("SELECT forget_controllers($1, $2)", now - unseen, now))
