"""Fixtures for everybody: a real PostgreSQL for the whole run, and a fresh, migrated database for each test module."""

import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from controller.store.embedded import Embedded
from controller.store.migrate import migrate
from controller.store.pool import Database

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}  # tests only


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[Embedded]:
    """The run's own server; its database `hikitsugi` is the migrated template: nobody may connect to it."""
    with tempfile.TemporaryDirectory(prefix="hikitsugi-tests-") as folder:
        async with Embedded(Path(folder), settings=_FAST).running() as server:
            await migrate(server.dsn)
            yield server


@pytest.fixture(scope="session")
def new_dsn(postgres: Embedded) -> Callable[[], Awaitable[str]]:
    """Call and await it for the address of one more fresh, migrated database (about 30 ms)."""
    numbers = itertools.count(1)

    async def make() -> str:
        name = f"test_{next(numbers)}"
        administrator = await asyncpg.connect(postgres.dsn, database="postgres")
        try:
            await administrator.execute(f"CREATE DATABASE {name} TEMPLATE hikitsugi")
        finally:
            await administrator.close()
        return postgres.dsn.replace("@/hikitsugi?", f"@/{name}?")

    return make


@pytest.fixture(scope="module")
async def dsn(new_dsn: Callable[[], Awaitable[str]]) -> str:
    """The address of the module's database, for a controller or a psql of one's own."""
    return await new_dsn()


@pytest.fixture(scope="module")
async def database(dsn: str) -> AsyncIterator[Database]:
    """The module's fresh, migrated database. What one test writes, the next one sees."""
    database = await Database.open(dsn)
    yield database
    await database.close()
