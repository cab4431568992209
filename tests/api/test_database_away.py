"""A database that is away is no bug of ours: the client is told to come back, and how soon."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from controller.faces.http.observe import as_told
from controller.store.pool import is_away
from tests.rows import HEADER, csv_row
from tests.waiting import until


async def test_a_connection_torn_away_in_the_middle_of_a_write_is_told_as_try_again(client, registry, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    session = await client("olga")

    async with registry.db.session() as holder, registry.db.session() as administrator, holder.transaction():
        await holder.execute("SELECT FROM code WHERE code = $1 FOR UPDATE", f"E{number}")
        doomed = asyncio.create_task(session.patch(f"codes/E{number}", json={"name": "never"}))

        async def waiting() -> int | None:
            query = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE code%'"
            return await administrator.fetchval(query)

        await administrator.execute("SELECT pg_terminate_backend($1)", await until(waiting))
        answer = await doomed

    problem = await answer.json(content_type=None)
    assert (answer.status, problem["code"], answer.headers["Retry-After"]) == (503, "busy", "5")
    async with session.get(f"codes/E{number}") as after:
        assert (await after.json())["name"] == ""


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InterfaceError("cannot call Transaction.__aexit__(): the underlying connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.DiskFullError("could not extend file"),
        TimeoutError(),
        ConnectionRefusedError(),
    ],
)
def test_what_the_driver_raises_while_the_database_is_away_is_known(error: Exception) -> None:
    assert is_away(error)


@pytest.mark.parametrize(
    "error", [asyncpg.DataError("value out of int64 range"), asyncpg.CheckViolationError("x"), ValueError("x")]
)
def test_a_mistake_in_what_was_asked_is_still_a_mistake(error: Exception) -> None:
    assert not is_away(error)


def test_a_full_disk_is_told_as_such_and_not_as_a_database_that_is_away() -> None:
    told = as_told(asyncpg.DiskFullError("could not extend file: No space left on device"))

    assert told is not None
    assert "disk is full" in told.sentence and "room" in told.next_step
