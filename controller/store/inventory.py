"""Bulk reading and writing of the registry: what a file is compared with, and its import as one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import CheckViolationError, ForeignKeyViolationError, LockNotAvailableError, Record, UniqueViolationError

from controller.domain.access import Caller
from controller.domain.errors import Conflict
from controller.store import audit
from controller.store.pool import Connection, Database


async def present_adapters(db: Database, serials: Sequence[str], ids: Sequence[UUID]) -> list[Record]:
    """Rows of the adapters with one of these serials or distribution ids, secrets sealed."""
    query = """SELECT a.*, host(a.ssh_address) AS address, r.code AS on_code
        FROM adapter a LEFT JOIN registration r ON r.adapter = a.serial
        WHERE a.serial = ANY ($1) OR a.distribution_id = ANY ($2)"""
    async with db.connection() as connection:
        return await connection.fetch(query, serials, ids)


async def present_codes(db: Database, codes: Sequence[str]) -> list[Record]:
    """Rows of these codes with the adapter each holds and its startup config of module 0."""
    query = """SELECT c.*, r.adapter, v.body AS config, n.name AS contract_name
        FROM code c JOIN contract n USING (contract) LEFT JOIN registration r USING (code)
        LEFT JOIN config_stage s ON s.code = c.code AND s.module = 0 AND s.stage = 'startup'
        LEFT JOIN config_revision v ON v.id = s.revision
        WHERE c.code = ANY ($1)"""
    async with db.connection() as connection:
        return await connection.fetch(query, codes)


async def present_contracts(db: Database, contracts: Sequence[str]) -> dict[str, str]:
    """Names of these contracts, by number; absent when unknown."""
    query = "SELECT contract, name FROM contract WHERE contract = ANY ($1)"
    async with db.connection() as connection:
        return {row["contract"]: row["name"] for row in await connection.fetch(query, contracts)}


LOCK_KEY = 0x494D504F5254  # "IMPORT": two imports in different orders would deadlock over the rows they share


@dataclass(frozen=True, slots=True)
class Changes:
    """What an import writes: tuples in the order of the column lists below, secrets sealed."""

    contracts: Sequence[tuple[object, ...]]
    adapters: Sequence[tuple[object, ...]]
    codes: Sequence[tuple[object, ...]]
    registrations: Sequence[tuple[object, ...]]
    configs: Sequence[tuple[object, ...]]

    @property
    def total(self) -> int:
        return sum(map(len, (self.contracts, self.adapters, self.codes, self.registrations, self.configs)))

    def counts(self) -> dict[str, int]:
        """How many rows of each kind are new or changed."""
        names = ("contracts", "adapters", "codes", "registrations", "configs")
        return {name: len(getattr(self, name)) for name in names}


_CONTRACT = ("contract", "name")
_ADAPTER = (
    *("serial", "series", "model", "hardware_revision", "distribution_id", "ls_sa_key", "ssh_username"),
    *("ssh_password", "ssh_host_key", "ssh_address", "ssh_port", "ownership", "reseller"),
)
_CODE = ("code", "contract", "kind", "name", "description", "firmware_target")
_REGISTRATION = ("code", "adapter", "rs_sa_key", "heartbeat_passphrase")
_CONFIG = ("code", "body")

_INCOMING = """
    CREATE TEMP TABLE in_contract (contract text, name text) ON COMMIT DROP;
    CREATE TEMP TABLE in_adapter (serial text, series text, model text, hardware_revision text, distribution_id uuid,
        ls_sa_key bytea, ssh_username text, ssh_password bytea, ssh_host_key text, ssh_address inet, ssh_port integer,
        ownership text, reseller text) ON COMMIT DROP;
    CREATE TEMP TABLE in_code (code text, contract text, kind text, name text, description text, firmware_target text)
        ON COMMIT DROP;
    CREATE TEMP TABLE in_registration (code text, adapter text, rs_sa_key bytea, heartbeat_passphrase bytea)
        ON COMMIT DROP;
    CREATE TEMP TABLE in_config (code text, body bytea) ON COMMIT DROP"""

# Whoever takes one of these units out of stock at this moment comes before or after; that it is still there is looked
# at when it is registered.
_LOCK_UNITS = "SELECT FROM adapter a JOIN in_registration r ON r.adapter = a.serial ORDER BY a.serial FOR SHARE OF a"

# A key that was pinned and a firmware that was chosen since the comparison stay: both are decisions of people.
_APPLY = (
    """INSERT INTO contract (contract, name, created_at) SELECT contract, name, $1 FROM in_contract
       ON CONFLICT (contract) DO UPDATE SET name = excluded.name""",
    """INSERT INTO adapter (serial, series, model, hardware_revision, distribution_id, ls_sa_key, ssh_username,
           ssh_password, ssh_host_key, ssh_address, ssh_port, ownership, reseller, created_at, stocked)
       SELECT serial, series, model, hardware_revision, distribution_id, ls_sa_key, ssh_username, ssh_password,
           ssh_host_key, ssh_address, ssh_port, ownership, reseller, $1,
           NOT EXISTS (SELECT FROM in_registration r WHERE r.adapter = in_adapter.serial) FROM in_adapter
       ON CONFLICT (serial) DO UPDATE SET hardware_revision = excluded.hardware_revision,
           ls_sa_key = excluded.ls_sa_key, ssh_username = excluded.ssh_username, ssh_password = excluded.ssh_password,
           ssh_host_key = coalesce(nullif(adapter.ssh_host_key, ''), excluded.ssh_host_key),
           ssh_address = excluded.ssh_address, ssh_port = excluded.ssh_port,
           ownership = excluded.ownership, reseller = excluded.reseller""",
    """INSERT INTO code (code, contract, kind, name, description, firmware_target, created_at)
       SELECT code, contract, kind, name, description, firmware_target, $1 FROM in_code
       ON CONFLICT (code) DO UPDATE SET name = excluded.name, description = excluded.description,
           firmware_target = coalesce(code.firmware_target, excluded.firmware_target)""",
    # A unit's stays never overlap, even if this clock was put back: it left its last code through stock.
    """WITH registered AS (
           INSERT INTO registration (code, adapter, rs_sa_key, heartbeat_passphrase, since)
           SELECT code, adapter, rs_sa_key, heartbeat_passphrase,
               greatest($1, (SELECT max(l.at) FROM stock_ledger l WHERE l.adapter = i.adapter)) FROM in_registration i
           RETURNING code, adapter, since)
       INSERT INTO registration_ledger (at, code, adapter, cause, account)
       SELECT since, code, adapter, 'import', $2 FROM registered""",
    """WITH written AS (
           INSERT INTO config_revision (code, module, body, at, account) SELECT code, 0, body, $1, $2 FROM in_config
           RETURNING id, code)
       INSERT INTO config_stage (code, module, stage, revision, at)
       SELECT code, 0, stage, id, $1 FROM written CROSS JOIN (VALUES ('working'), ('startup')) AS s (stage)""",
)


async def apply(db: Database, changes: Changes, *, caller: Caller, now: datetime) -> None:
    """Write all of it in one transaction, with its ledger and audit rows.

    One import writes at a time, the next waits up to a minute. Raises Conflict, and nothing is written, when the
    registry changed since the file was compared with it, or when the wait was too long.
    """
    try:
        async with db.transaction() as tx:
            await tx.execute("SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '1min'")
            await tx.execute(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
            await _copy_in(tx, changes)
            await tx.execute(_LOCK_UNITS)
            for statement in _APPLY:
                arguments = (now, caller.account) if "$2" in statement else (now,)
                await tx.execute(statement, *arguments)
            await audit.write(tx, caller, "inventory.import", "inventory", now=now, detail=changes.counts())
    except (UniqueViolationError, ForeignKeyViolationError, CheckViolationError) as error:
        raise Conflict(
            "The registry changed while the file was read; nothing was imported.",
            next_step="Import the file again.",
        ) from error
    except LockNotAvailableError as error:
        raise Conflict(
            "Another import or exchange is at work on the same rows; nothing was imported.",
            next_step="Import the file again when it has ended.",
        ) from error


async def _copy_in(tx: Connection, changes: Changes) -> None:
    await tx.execute(_INCOMING)
    for table, columns, records in (
        ("in_contract", _CONTRACT, changes.contracts),
        ("in_adapter", _ADAPTER, changes.adapters),
        ("in_code", _CODE, changes.codes),
        ("in_registration", _REGISTRATION, changes.registrations),
        ("in_config", _CONFIG, changes.configs),
    ):
        await tx.copy_records_to_table(table, records=records, columns=columns, timeout=600)


_EXPORT = """
    SELECT a.serial, a.series, a.model, a.distribution_id, c.contract, n.name AS contract_name, c.code,
           coalesce(c.kind, 'stock') AS kind, c.name AS code_name, c.description, a.hardware_revision, a.ls_sa_key,
           a.ssh_username, a.ssh_password, a.ssh_host_key, host(a.ssh_address) AS ssh_address, a.ssh_port, a.ownership,
           a.reseller, c.firmware_target AS firmware, v.body AS config
    FROM adapter a LEFT JOIN registration r ON r.adapter = a.serial LEFT JOIN code c ON c.code = r.code
    LEFT JOIN contract n ON n.contract = c.contract
    LEFT JOIN config_stage s ON s.code = c.code AND s.module = 0 AND s.stage = 'startup'
    LEFT JOIN config_revision v ON v.id = s.revision
    WHERE ($1::text IS NULL OR c.contract = $1) ORDER BY a.serial"""


async def export(db: Database, *, contract: str | None) -> AsyncIterator[Record]:
    """Every adapter in order of serial, from one snapshot, secrets sealed. contract: only its adapters."""
    async with db.transaction(readonly=True) as tx:
        async for row in tx.cursor(_EXPORT, contract, prefetch=500):
            yield row
