"""kill -9 of PostgreSQL while the pull that ends a handover is recorded.

Afterwards the adapter asks again, and once only is the exchange pulled, its order done, and the news told.
"""

from __future__ import annotations

import asyncio
import os
import signal

import asyncpg
import pytest

from controller.store import registry as codes
from protocol.arms.messages import ConfigSolicitation
from tests.rows import HEADER, csv_row
from tests.services.devices import CONFIG, Device, exchange
from tests.services.test_swap_survives_kills import own, remove_stop, stopped_at
from tests.waiting import until

__all__ = ["own"]


async def recording(server) -> int:
    """The process that waits inside record_pull."""

    async def found() -> int | None:
        connection = await asyncpg.connect(server.dsn)
        try:
            return await connection.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%record_pull%'"
            )
        finally:
            await connection.close()

    return await until(found)


async def recorded(registry, entry: Device, spare: Device) -> tuple[str, list[str], int]:
    """The exchange's state, the states of the spare's orders, and how often their end was told."""
    async with registry.db.connection() as connection:
        number = await connection.fetchval("SELECT max(id) FROM exchange WHERE entry = $1", f"E{entry.number}")
        orders = await connection.fetch("SELECT state FROM operation WHERE adapter = $1 ORDER BY id", spare.serial)
        told = await connection.fetchval(
            "SELECT count(*) FROM outbox WHERE subject = $1 AND topic = 'operation.done'", spare.serial
        )
    return (await registry.exchange(number))["state"], [row["state"] for row in orders], told


@pytest.mark.parametrize("step", ["pull", "operation", "audit"])
async def test_a_killed_database_forgets_the_pull_and_the_next_one_ends_the_handover_once(
    own, authority, numbers, step: str
) -> None:
    server, registry = own
    entry, spare = Device(registry, authority, numbers()), Device(registry, authority, numbers())
    rows = csv_row(f"E{entry.number}", entry.number, config=CONFIG)
    await registry.load(HEADER + rows + csv_row(f"S{spare.number}", spare.number, kind="standby"))
    await codes.set_warm(registry.db, f"S{spare.number}", True, caller=registry.operator, now=registry.clock())
    await spare.boot()
    await exchange(registry, entry, spare)

    async with stopped_at(server, step, f"E{entry.number}"):
        doomed = asyncio.create_task(spare.ask_rs())
        os.kill(await recording(server), signal.SIGKILL)
        await asyncio.wait([doomed])
    assert isinstance(doomed.exception(), Exception)
    await remove_stop(registry, step)
    assert await recorded(registry, entry, spare) == ("ordered", ["waiting"], 0)

    for _ in range(2):
        assert isinstance(await spare.ask_rs(), ConfigSolicitation)
    assert await recorded(registry, entry, spare) == ("pulled", ["done"], 1)
