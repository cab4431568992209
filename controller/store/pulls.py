"""What a pull is answered from, and the record of the answer: on one connection, each statement by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record, UniqueViolationError

from controller.domain.exchange import State
from controller.store.pool import Connection, Database
from protocol.ids import DistributionId

_BY_DISTRIBUTION_ID = """
    SELECT a.serial, a.series, a.model, a.hardware_revision, a.ls_sa_key, a.locked_out_at IS NOT NULL AS locked_out,
           r.code, r.since, r.rs_sa_key, r.heartbeat_passphrase, r.sa_certificate, r.sa_private_key,
           c.kind, c.contract, c.warm, c.preferred_push_method, c.firmware_target,
           i.sha256 AS target_sha256, i.size AS target_size, k.firmware AS last_firmware,
           k.last_result, k.last_pull_at, host(k.last_address) AS last_address,
           x.id AS exchange, x.state AS exchange_state, x.pulled_at
    FROM adapter a
    LEFT JOIN registration r ON r.adapter = a.serial
    LEFT JOIN code c ON c.code = r.code
    LEFT JOIN contact k ON k.adapter = a.serial
    LEFT JOIN firmware_image i ON i.series = a.series AND i.version = c.firmware_target
         AND (i.models = '{}' OR a.model = ANY (i.models))
         AND (i.hardware_revisions = '{}' OR a.hardware_revision = ANY (i.hardware_revisions))
    LEFT JOIN LATERAL (SELECT id, state, new_adapter, pulled_at FROM exchange
                       WHERE entry = r.code ORDER BY id DESC LIMIT 1) x
         ON x.new_adapter = a.serial AND x.state IN ('ordered', 'pulled', 'lapsed')
    WHERE a.distribution_id = $1"""


async def by_distribution_id(connection: Connection, distribution_id: DistributionId) -> Record | None:
    """The adapter with its present registration, target image and unfinished exchange; None when unknown."""
    return await connection.fetchrow(_BY_DISTRIBUTION_ID, UUID(int=distribution_id.value))


async def startup_config(connection: Connection, code: str) -> list[Record]:
    """The startup config of a code: rows of module, body, revision, in module order."""
    query = """SELECT s.module, v.body, v.id AS revision FROM config_stage s JOIN config_revision v ON v.id = s.revision
        WHERE s.code = $1 AND s.stage = 'startup' ORDER BY s.module"""
    return await connection.fetch(query, code)


async def newest_image(connection: Connection, row: Record) -> Record | None:
    """version and sha256 of the newest image that fits the adapter of a row of `by_distribution_id`; None for none."""
    query = """SELECT version, sha256 FROM firmware_image
        WHERE series = $1 AND (models = '{}' OR $2 = ANY (models))
          AND (hardware_revisions = '{}' OR $3 = ANY (hardware_revisions))
        ORDER BY version_key DESC LIMIT 1"""
    return await connection.fetchrow(query, row["series"], row["model"], row["hardware_revision"])


async def keep_certificate(connection: Connection, row: Record, certificate: str, sealed_key: bytes) -> bool:
    """Keep what was issued for the registration of a row of `by_distribution_id`.

    False when that registration is another one by now, or its certificate is.
    """
    query = """UPDATE registration SET sa_certificate = $4, sa_private_key = $5
        WHERE code = $1 AND adapter = $2 AND since = $3 AND sa_certificate IS NOT DISTINCT FROM $6 RETURNING true"""
    given = (row["code"], row["serial"], row["since"], certificate, sealed_key, row["sa_certificate"])
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
    exchange_from: State | None = None
    exchange_to: State | None = None
    repeated: bool = False


_RECORD = "SELECT record_pull($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)"


async def record(connection: Connection, answer: Answered) -> bool:
    """Record the answer; False (and nothing recorded) when the registration changed meanwhile: answer anew."""
    try:
        recorded: bool = await connection.fetchval(
            _RECORD,
            *(answer.at, answer.adapter, answer.code, answer.since, answer.message, answer.source),
            *(answer.trigger, answer.firmware, answer.result, list(answer.served), answer.in_service),
            *(answer.exchange, answer.exchange_from, answer.exchange_to, answer.repeated),
        )
    except UniqueViolationError:  # a newer exchange took one of the codes between our look and our write
        return False
    return recorded


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
