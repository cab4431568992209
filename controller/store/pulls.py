"""What a pull is answered from, and the record of the answer. Pulls that come at once are looked up together, and
recorded together (Database.together)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record, UniqueViolationError

from controller.domain.exchange import Event, State
from controller.store.pool import Connection, Database
from protocol.ids import DistributionId

_BY_DISTRIBUTION_ID = """
    SELECT asked.n, a.serial, a.series, a.model, a.hardware_revision, a.ls_sa_key,
           a.locked_out_at IS NOT NULL AS locked_out,
           r.code, r.since, r.rs_sa_key, r.heartbeat_passphrase, r.sa_certificate, r.sa_private_key,
           c.kind, c.contract, c.warm, c.preferred_push_method, c.firmware_target,
           i.sha256 AS target_sha256, i.size AS target_size, i.from_lowest AS target_from_lowest,
           k.firmware AS last_firmware,
           k.last_result, k.last_pull_at, host(k.last_address) AS last_address,
           x.id AS exchange, x.kind AS exchange_kind, x.state AS exchange_state, x.pulled_at, x.confirmed_at,
           s.modules, s.bodies, s.revisions
    FROM unnest($1::uuid[], $2::boolean[]) WITH ORDINALITY AS asked (distribution_id, startup, n)
    JOIN adapter a ON a.distribution_id = asked.distribution_id
    LEFT JOIN registration r ON r.adapter = a.serial
    LEFT JOIN code c ON c.code = r.code
    LEFT JOIN contact k ON k.adapter = a.serial
    LEFT JOIN firmware_image i ON i.series = a.series AND i.version = c.firmware_target
         AND firmware_fits(i.models, i.hardware_revisions, i.hardware_lowest, a.model, a.hardware_revision)
    LEFT JOIN LATERAL (SELECT id, kind, state, new_adapter, pulled_at, confirmed_at FROM exchange
                       WHERE entry = r.code AND changed_at IS NOT NULL ORDER BY changed_at DESC, id DESC LIMIT 1) x
         ON x.new_adapter = a.serial
            AND (x.state IN ('ordered', 'pulled', 'lapsed') OR (x.kind <> 'swap' AND x.confirmed_at IS NULL))
    LEFT JOIN LATERAL (SELECT array_agg(t.module ORDER BY t.module) AS modules,
                              array_agg(v.body ORDER BY t.module) AS bodies,
                              array_agg(v.id ORDER BY t.module) AS revisions
                       FROM config_stage t JOIN config_revision v ON v.id = t.revision
                       WHERE asked.startup AND t.code = r.code AND t.stage = 'startup') s ON true"""


async def by_distribution_id(
    db: Database, distribution_id: DistributionId, *, with_startup: bool = False
) -> Record | None:
    """The adapter with its present registration, target image and unfinished exchange; None when unknown.

    with_startup: and the code's startup config: modules, bodies, revisions, one list each; None where there is none.
    """
    return await db.together(_all_by_distribution_id, (distribution_id, with_startup))


async def _all_by_distribution_id(
    connection: Connection, asked: list[tuple[DistributionId, bool]]
) -> list[Record | None]:
    rows: list[Record | None] = [None] * len(asked)
    ids, with_startup = [UUID(int=each.value) for each, _ in asked], [startup for _, startup in asked]
    for row in await connection.fetch(_BY_DISTRIBUTION_ID, ids, with_startup):
        rows[row["n"] - 1] = row
    return rows


async def keep_certificate(db: Database, row: Record, certificate: str, sealed_key: bytes) -> bool:
    """Keep what was issued for the registration of a row of `by_distribution_id`.

    False when that registration is another one by now, or its certificate is.
    """
    query = """UPDATE registration SET sa_certificate = $4, sa_private_key = $5
        WHERE code = $1 AND adapter = $2 AND since = $3 AND sa_certificate IS NOT DISTINCT FROM $6 RETURNING true"""
    given = (row["code"], row["serial"], row["since"], certificate, sealed_key, row["sa_certificate"])
    async with db.connection() as connection:
        return bool(await connection.fetchval(query, *given))


@dataclass(frozen=True, slots=True)
class Answered:
    """One answered pull. since: of the registration it was answered from; served: config revisions handed out.

    repeated: it was told the same as the last time; then it is no row of its own.
    """

    at: datetime
    adapter: str
    code: str | None
    since: datetime | None
    message: str
    source: str
    trigger: str
    firmware: str
    result: int
    served: tuple[int, ...] = ()
    in_service: bool = False
    exchange: int | None = None
    exchange_event: Event | None = None
    exchange_from: State | None = None
    exchange_to: State | None = None
    repeated: bool = False


# In the order of codes, as an exchange locks them: whoever locks several waits for nobody who waits for him.
_RECORD = """
    SELECT n, record_pull(at, adapter, code, since, message, source::inet, trigger, firmware, result, served::bigint[],
                          in_service, exchange, exchange_event, exchange_from, exchange_to, repeated) AS recorded
    FROM (SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[],
                               $7::text[], $8::text[], $9::integer[], $10::text[], $11::boolean[], $12::bigint[],
                               $13::text[], $14::text[], $15::text[], $16::boolean[])
          WITH ORDINALITY AS answered (at, adapter, code, since, message, source, trigger, firmware, result, served,
                                       in_service, exchange, exchange_event, exchange_from, exchange_to, repeated, n)
          ORDER BY code, adapter, n) AS answered"""


async def record(db: Database, answer: Answered) -> bool:
    """Record the answer; False (and nothing recorded) when the registration changed meanwhile: answer anew."""
    try:
        return await db.together(_record_all, answer)
    except UniqueViolationError:  # a newer exchange took one of the codes between our look and our write
        return False


async def _record_all(connection: Connection, answers: list[Answered]) -> list[bool]:
    recorded = [False] * len(answers)
    for row in await connection.fetch(_RECORD, *map(list, zip(*map(_values, answers), strict=True))):
        recorded[row["n"] - 1] = row["recorded"]
    return recorded


def _values(answer: Answered) -> tuple[object, ...]:
    return (
        *(answer.at, answer.adapter, answer.code, answer.since, answer.message, answer.source),
        *(answer.trigger, answer.firmware, answer.result),
        "{" + ",".join(map(str, answer.served)) + "}",
        *(
            answer.in_service,
            answer.exchange,
            answer.exchange_event,
            answer.exchange_from,
            answer.exchange_to,
            answer.repeated,
        ),
    )


async def page(
    db: Database, *, adapter: str | None, code: str | None, contract: str | None, before: int | None, limit: int
) -> list[Record]:
    """Pulls of an adapter or a code, newest first. contract: only those answered for its codes, None for all."""
    query = """SELECT id, at, adapter, code, message, host(source) AS source, trigger, firmware, result FROM pull
        WHERE ($1::text IS NULL OR adapter = $1) AND ($2::text IS NULL OR code = $2) AND ($3::bigint IS NULL OR id < $3)
          AND ($4::text IS NULL OR code IN (SELECT code FROM code WHERE contract = $4))
        ORDER BY id DESC LIMIT $5"""
    async with db.connection() as connection:
        return await connection.fetch(query, adapter, code, before, contract, limit)


async def forget_before(db: Database, at: datetime, *, limit: int = 10_000) -> int:
    """Delete pull rows older than `at`, at most `limit` at once; returns how many went."""
    query = """DELETE FROM pull WHERE id IN (SELECT id FROM pull WHERE at < $1 ORDER BY at LIMIT $2)"""
    async with db.connection() as connection:
        status: str = await connection.execute(query, at, limit)
    return int(status.rsplit(" ", 1)[-1])
