"""A controller that is killed while it exchanges rows, at any table it writes: no row twice, none lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial

import pytest

from tests.services.bulk_moves import Bulk
from tests.services.test_exchange_survives_kills import _WAITS, stopped_at
from tests.waiting import until

ROWS = 6
TURNS = """
import asyncio, sys
from datetime import datetime, timedelta
from controller.services import bulk_turn
from controller.store.pool import Database
from controller.store.secrets import Secrets

async def main(dsn, now):
    db = await Database.open(dsn)
    clock = lambda: datetime.fromisoformat(now)
    await bulk_turn.run(db, Secrets.generate(), clock, timedelta(days=1))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def bulk(registry, numbers) -> Bulk:
    return Bulk(registry, numbers)


async def _controller(bulk: Bulk, dsn: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", TURNS, dsn, bulk.registry.clock().isoformat())


async def _once_each(bulk: Bulk, before: list[list[str]]) -> None:
    assert await bulk.rows() == ["exchanged"] * ROWS
    assert [await bulk.held(*pair) for pair in bulk.pairs] == [[new, old] for old, new in before]
    assert sorted(await bulk.exchanges()) == sorted(bulk.pairs)
    rows = await bulk.fetch(
        """SELECT r.entry, x.entry AS of FROM bulk_exchange_row r JOIN exchange x ON x.id = r.exchange
           WHERE bulk = $1""",
        bulk.id,
    )
    assert [row["of"] for row in rows] == [row["entry"] for row in rows]


@pytest.mark.parametrize("table", ["registration", "exchange", "bulk_exchange_row", "bulk_exchange"])
async def test_a_killed_controller_has_exchanged_all_of_a_batch_or_nothing(bulk: Bulk, dsn: str, table: str) -> None:
    """R3.10: kill -9 of the process; whoever comes next goes on."""
    await bulk.load(ROWS)
    before = [await bulk.held(*pair) for pair in bulk.pairs]
    await bulk.begin()

    async with stopped_at(dsn, table) as gate:
        child = await _controller(bulk, dsn)
        await until(partial(gate.fetchval, _WAITS))
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        backend = await gate.fetchval(_WAITS)  # PostgreSQL has not noticed yet
        await gate.execute("SELECT pg_terminate_backend($1)", backend)
        await until(partial(gate.fetchval, f"SELECT NOT EXISTS ({_WAITS})"))
    assert await bulk.rows() == ["waiting"] * ROWS
    assert await bulk.exchanges() == []

    await bulk.turns()

    assert await bulk.state() == "finished"
    await _once_each(bulk, before)


async def test_two_controllers_of_which_one_is_killed_exchange_every_row_once(bulk: Bulk, dsn: str) -> None:
    await bulk.load(ROWS)
    before = [await bulk.held(*pair) for pair in bulk.pairs]
    await bulk.begin(at_once=2)
    first, second = await _controller(bulk, dsn), await _controller(bulk, dsn)
    try:
        await until(bulk.exchanges)
        os.kill(first.pid, signal.SIGKILL)

        async def finished() -> bool:
            await bulk.finish()
            return await bulk.state() == "finished"

        await until(finished, every_s=0.1)
    finally:
        for child in (first, second):
            if child.returncode is None:
                child.kill()
            await child.wait()

    await _once_each(bulk, before)
