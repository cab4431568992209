"""The pool: transactions, JSON, limits, and life after PostgreSQL was killed."""

import asyncio

import asyncpg
import pytest

from controller.store.pool import Database


async def test_json_goes_in_and_comes_out_as_python_values(database: Database) -> None:
    value = {"名前": ["全角", 1, None]}

    async with database.connection() as connection:
        assert await connection.fetchval("SELECT $1::jsonb", value) == value
        assert await connection.fetchval("SELECT $1::json", value) == value


async def test_an_exception_rolls_the_transaction_back(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE rolled_back (n integer)")

    with pytest.raises(LookupError):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO rolled_back VALUES (1)")
            raise LookupError

    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM rolled_back") == 0


async def test_a_readonly_transaction_sees_one_snapshot_and_cannot_write(database: Database) -> None:
    async with database.connection() as writer:
        await writer.execute("CREATE TABLE seen (n integer)")
        async with database.transaction(readonly=True) as reader:
            assert await reader.fetchval("SELECT count(*) FROM seen") == 0
            await writer.execute("INSERT INTO seen VALUES (1)")
            assert await reader.fetchval("SELECT count(*) FROM seen") == 0

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with database.transaction(readonly=True) as reader:
            await reader.execute("INSERT INTO seen VALUES (2)")


async def test_a_transaction_left_open_does_not_reach_the_next_user(dsn: str) -> None:
    database = await Database.open(dsn, size=1)
    async with database.connection() as connection:
        await connection.execute("BEGIN")
        await connection.execute("CREATE TABLE left_open (n integer)")

    async with database.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass('left_open')") is None
    await database.close()


async def test_a_statement_over_its_limit_is_ended_by_the_server(dsn: str) -> None:
    database = await Database.open(dsn, statement_s=0.05)
    async with database.connection() as connection:
        with pytest.raises(asyncpg.QueryCanceledError):
            await connection.execute("SELECT pg_sleep(30)")

        assert await connection.fetchval("SELECT 1") == 1
    await database.close()


async def test_waiting_for_a_busy_pool_has_an_end(dsn: str) -> None:
    database = await Database.open(dsn, size=1, retry_s=0.05)
    async with database.connection():
        with pytest.raises(TimeoutError):
            async with database.connection():
                pass
    await database.close()


async def test_an_address_where_nobody_answers_is_given_up_after_the_limit() -> None:
    with pytest.raises(OSError):
        await Database.open("postgresql://hikitsugi@/hikitsugi?host=/nonexistent", retry_s=0.1)


async def test_a_database_that_does_not_exist_is_not_waited_for(dsn: str) -> None:
    missing = dsn.replace("@/test_", "@/missing_")

    async with asyncio.timeout(5):
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await Database.open(missing, retry_s=60)


async def test_a_session_connection_hears_notifications(database: Database) -> None:
    heard: asyncio.Queue[object] = asyncio.Queue()
    async with database.session() as session:
        await session.add_listener("news", lambda *message: heard.put_nowait(message[3]))

        async with database.connection() as connection:
            await connection.execute("SELECT pg_notify('news', 'hello')")

        async with asyncio.timeout(5):
            assert await heard.get() == "hello"


async def test_connections_killed_by_the_server_are_replaced(database: Database) -> None:
    async with database.connection() as connection:
        await connection.fetchval("SELECT 1")

    async with database.session() as administrator:
        await administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while await administrator.fetchval(others):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)

    async with database.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1
