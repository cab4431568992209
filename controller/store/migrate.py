"""Brings a database to the schema this version needs. Not a tool for data repairs, and there is no way back down:
an older version refuses a newer database, a backup is the way back.

A migration is `migrations/NNNN_name.sql`, numbered from 0001 without gaps, never changed once released. Each file runs
in one transaction together with the row that records it. A statement that PostgreSQL refuses inside a transaction
(CREATE INDEX CONCURRENTLY, VACUUM) gets a file of its own whose first line is `-- migrate: no transaction`: exactly one
statement, written so that it may run twice (IF NOT EXISTS), because a kill between the statement and its record makes
the next start run it again.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from controller.startup import CannotStart

FOLDER = Path(__file__).with_name("migrations")
OUTSIDE_TRANSACTION = "-- migrate: no transaction"

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK_KEY = 0x48494B495453  # "HIKITS"; any constant will do as long as every version uses the same
_TABLE = """
    CREATE TABLE IF NOT EXISTS migration (
        number     integer PRIMARY KEY,
        name       text NOT NULL,
        sha256     text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )"""
_RECORD = "INSERT INTO migration (number, name, sha256) VALUES ($1, $2, $3)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered SQL file. sha256: lower-case hex of the file's bytes."""

    number: int
    name: str
    sql: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.number:04d}_{self.name}.sql"


async def migrate(dsn: str, folder: Path = FOLDER, *, lock_wait_s: float = 60) -> tuple[str, ...]:
    """Apply what is missing, in order, and return the file names applied now (empty: nothing to do).

    dsn: any address asyncpg takes. Several controllers may call this at once; one works, the others wait.
    lock_wait_s: seconds to wait for another controller's migration.
    Raises CannotStart: the database is newer than this version, a recorded file differs, a file fails, the wait ends.
    """
    known = read(folder)
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "hikitsugi migrate"})
    try:
        await _lock(connection, lock_wait_s)
        await connection.execute(_TABLE)
        missing = _missing(known, await connection.fetch("SELECT number, name, sha256 FROM migration ORDER BY number"))
        for migration in missing:
            await _apply(connection, migration)
        return tuple(migration.file for migration in missing)
    finally:
        await connection.close(timeout=5)  # and with it the session's advisory lock


async def require_current(dsn: str, folder: Path = FOLDER) -> None:
    """Raises CannotStart unless the database has exactly the schema of this version; nothing is migrated."""
    known = read(folder)
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "hikitsugi migrate"})
    try:
        there = await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL")
        applied = await connection.fetch("SELECT number, name, sha256 FROM migration ORDER BY number") if there else []
        if missing := _missing(known, applied):
            raise CannotStart(
                f"The database does not have {missing[0].file} yet. Start the controller of this version first: "
                "it brings the database up to date."
            )
    finally:
        await connection.close(timeout=5)


def read(folder: Path) -> tuple[Migration, ...]:
    """The folder's migrations in order. Raises CannotStart for a misnamed file, a gap or a number used twice."""
    found = tuple(_read_one(path) for path in sorted(folder.glob("*.sql")))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise CannotStart(
                f"Migration {migration.file} should have number {expected:04d}: numbers start at 0001 and leave no gap."
            )
    return found


def _read_one(path: Path) -> Migration:
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        raise CannotStart(f"Migration {path} is misnamed: NNNN_name.sql in lower case is wanted.")
    body = path.read_bytes()
    return Migration(int(match[1]), match[2], body.decode(), hashlib.sha256(body).hexdigest())


def _missing(known: Sequence[Migration], applied: Sequence[asyncpg.Record]) -> Sequence[Migration]:
    for row, migration in zip(applied, known, strict=False):
        if (row["number"], row["sha256"]) != (migration.number, migration.sha256):
            raise CannotStart(
                f"The database was migrated with another {row['number']:04d}_{row['name']}.sql than this version has "
                f"({migration.file}). Start the version that made the database, or restore a backup."
            )
    if len(applied) > len(known):
        newest = applied[-1]
        raise CannotStart(
            f"The database is newer than this version: it has migration {newest['number']:04d}_{newest['name']}, "
            f"this version ends at {len(known):04d}. "
            "Start the newer version again, or restore a backup made before the upgrade."
        )
    return known[len(applied) :]


async def _lock(connection: asyncpg.Connection, wait_s: float) -> None:
    try:
        await connection.execute(f"SET lock_timeout = {round(wait_s * 1000)}")
        await connection.execute(f"SELECT pg_advisory_lock({_LOCK_KEY})")
        await connection.execute("SET lock_timeout = 0")
    except asyncpg.LockNotAvailableError as error:
        raise CannotStart(
            f"Another controller has been migrating this database for over {wait_s:.0f} s. "
            "Wait for it, then start again."
        ) from error


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    record = (migration.number, migration.name, migration.sha256)
    try:
        if migration.sql.startswith(OUTSIDE_TRANSACTION):
            await connection.execute(migration.sql)
            await connection.execute(_RECORD, *record)
        else:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(_RECORD, *record)
    except asyncpg.PostgresError as error:
        raise CannotStart(
            f"Migration {migration.file}{_line(migration, error)} failed: {_one_line(error)}. "
            "The database is as it was before this file."
        ) from error


def _one_line(error: asyncpg.PostgresError) -> str:
    return str(error).replace("\n", " ").rstrip(".")


def _line(migration: Migration, error: asyncpg.PostgresError) -> str:
    position = getattr(
        error, "position", None
    )  # 1-based, in characters of the text sent; absent for most run-time errors
    return f", line {migration.sql.count(chr(10), 0, int(position) - 1) + 1}," if position else ""
