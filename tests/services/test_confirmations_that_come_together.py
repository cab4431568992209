"""Confirmations that share a statement lock in the order in which heartbeats, exchanges and housekeeping do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from controller.services import reaches
from controller.store import connections
from controller.store import reaches as rows
from tests.rows import HEADER, csv_row
from tests.services.scripted_pusher import Adapter
from tests.waiting import until

IMPATIENT = "SET LOCAL lock_timeout = '500ms'"
"""Shorter than PostgreSQL's wait before it looks for a deadlock, and ends one of those who are in it."""


@pytest.fixture
async def pair(registry, numbers, controller) -> list[Adapter]:
    """Two connected adapters by serial; the code of the first comes after that of the second."""
    numbered = [numbers(), numbers()]
    codes = [f"Z{numbered[0]}", f"Y{numbered[1]}"]
    for number, code in zip(numbered, codes, strict=True):
        await registry.load(HEADER + csv_row(code, number))
    made = [Adapter(registry, number, code, controller, number) for number, code in zip(numbered, codes, strict=True)]
    for adapter in made:
        assert await adapter.connect()
    return made


@asynccontextmanager
async def while_confirming(pair: list[Adapter]) -> AsyncIterator[None]:
    """Inside, both are being confirmed anew in one statement that waits for a lock; afterwards they are confirmed."""
    registry, admitted = pair[0].registry, [await each.admitted() for each in pair]

    async def confirm() -> list[bool]:
        return await asyncio.gather(
            *(
                reaches.confirmed(
                    registry.db, each, method="https-tunnel", controller=pair[0].controller, tunnel=9_000_000_000 + n,
                    now=registry.clock(),
                )
                for n, each in enumerate(admitted)
            )
        )  # fmt: skip

    confirming = asyncio.create_task(confirm())

    async def waits() -> bool:
        query = """SELECT count(*) > 0 FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%confirm_push%'"""
        async with registry.db.connection() as connection:
            return await connection.fetchval(query)

    await until(waits)
    yield
    assert await confirming == [True, True]


async def test_a_batch_of_heartbeats_and_confirmations_do_not_wait_for_each_other(registry, pair) -> None:
    first, second = pair

    def heard(adapter: Adapter, since) -> connections.Heard:
        return connections.Heard(
            registry.clock(), adapter.serial, adapter.code, since, "127.0.0.1", None, None, None, b""
        )

    since = {each.serial: (await each.admitted()).since for each in pair}
    async with registry.db.transaction() as tx:
        await tx.execute(IMPATIENT)
        await connections.heard(tx, [heard(first, since[first.serial])])
        async with while_confirming(pair):
            await connections.heard(tx, [heard(second, since[second.serial])])
            await tx.execute("COMMIT")
            await tx.execute("BEGIN")


async def test_an_exchange_locks_registrations_in_the_same_order(registry, pair) -> None:
    first, second = pair
    lock = "SELECT FROM registration WHERE code = $1 FOR UPDATE"
    async with registry.db.transaction() as tx:
        await tx.execute(IMPATIENT)
        await tx.execute(lock, second.code)
        async with while_confirming(pair):
            await tx.execute(lock, first.code)
            await tx.execute("COMMIT")
            await tx.execute("BEGIN")


async def test_a_controller_that_is_taken_for_gone_while_it_confirms_is_left_alone(registry, pair) -> None:
    first, _ = pair
    now = registry.clock.forward(seconds=60)
    async with registry.db.transaction() as tx:
        await tx.execute("SELECT FROM connection WHERE adapter = ANY ($1) FOR UPDATE", [each.serial for each in pair])
        async with while_confirming(pair):
            async with asyncio.timeout(5):
                gone = await rows.forget_gone(registry.db, now, timedelta(seconds=30))
            assert first.controller not in gone
            await tx.execute("COMMIT")
            await tx.execute("BEGIN")
