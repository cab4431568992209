"""Many workers claim, end and give back while adapters change places and come back and campaigns are stopped: bounds
and pairs hold at every moment, and nobody waits for anybody in a circle."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import asyncpg
import pytest

from controller.domain.errors import Conflict
from controller.ports import Failure
from controller.services import swap
from controller.store import claims, exchanges
from controller.store.pool import Database
from tests.services import tasks_at_work as play
from tests.services.tasks_at_work import LEASE, campaign

pytestmark = pytest.mark.usefixtures("clean")

_BROKEN = """
    SELECT 'campaign ' || t.campaign AS what FROM task t JOIN campaign p ON p.id = t.campaign WHERE t.state = 'running'
    GROUP BY t.campaign, p.at_once HAVING count(*) > p.at_once
    UNION ALL
    SELECT 'contract ' || t.contract FROM task t JOIN contract c USING (contract) WHERE t.state = 'running'
    GROUP BY t.contract, c.tasks_at_once HAVING count(*) > c.tasks_at_once
    UNION ALL
    SELECT 'pair ' || e.code FROM code e JOIN task a ON a.code = e.code AND a.state = 'running'
    JOIN task b ON b.code = e.designated_standby AND b.state = 'running'"""


@pytest.fixture
async def pools(dsn: str) -> AsyncIterator[list[Database]]:
    """One for each worker, as in processes of their own."""
    made = [await Database.open(dsn, size=3) for _ in range(4)]
    yield made
    for db in made:
        await db.close()


async def until_empty(db: Database, act: Callable[[asyncpg.Record], Awaitable[object]], registry, *made: int) -> None:
    """Claim until all tasks of these campaigns have ended, by whoever."""
    query = "SELECT count(*) FROM task WHERE campaign = ANY ($1) AND state IN ('waiting', 'running')"
    while True:
        rows = await claims.claim(db, registry.clock(), LEASE, random.randint(1, 9))
        await asyncio.gather(*(act(row) for row in rows))
        async with db.connection() as connection:
            if not rows and not await connection.fetchval(query, list(made)):
                return
        if not rows:
            await asyncio.sleep(0.005)


def done(row: asyncpg.Record, failure: Failure | None = None) -> claims.Finished:
    return claims.Finished(row["id"], row["fence"], row["since"], "", (), failure, "", None)


async def test_bounds_and_pairs_hold_at_every_moment_whoever_claims(registry, numbers, pools) -> None:
    entries = await play.adapters(registry, numbers, 60)
    standbys = await play.adapters(registry, numbers, 60, prefix="S")
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE contract SET tasks_at_once = 9")
        await connection.execute(
            """UPDATE code SET designated_standby = s FROM unnest($1::text[], $2::text[]) AS u (e, s) WHERE code = e""",
            *(entries, standbys),
        )
    both = [code for pair in zip(entries, standbys, strict=True) for code in pair]
    made = [await campaign(registry, both[::step], at_once=at_once) for step, at_once in ((1, 4), (-1, None), (1, 7))]
    broken: list[str] = []
    times: dict[int, int] = {}

    async def act(db: Database, row: asyncpg.Record) -> None:
        async with db.transaction(readonly=True) as tx:
            broken.extend(found["what"] for found in await tx.fetch(_BROKEN))
        if random.random() < 0.1:
            await claims.release(db, row["id"], row["fence"])
        else:
            assert await claims.finish(db, done(row), registry.clock())
            times[row["id"]] = times.get(row["id"], 0) + 1

    await asyncio.gather(*(until_empty(db, lambda row, db=db: act(db, row), registry, *made) for db in pools))

    async with registry.db.connection() as connection:
        await connection.execute("UPDATE contract SET tasks_at_once = NULL")
    assert broken == []
    assert len(times) == 360 and set(times.values()) == {1}
    for one in made:
        assert set(await play.states(registry, one)) == {"done"}


async def test_whoever_takes_many_tasks_waits_for_none_that_an_exchange_holds(registry, numbers, pools) -> None:
    codes = await play.adapters(registry, numbers, 3)
    waiting, over = await campaign(registry, codes), await campaign(registry, codes, expires_at=registry.clock())
    lost = await campaign(registry, await play.adapters(registry, numbers, 3), priority=9)
    await claims.claim(registry.db, registry.clock(), LEASE, 3)
    await claims.end_leases(registry.db, registry.clock())
    now = registry.clock.forward(seconds=1)

    async with registry.db.transaction() as exchange, asyncio.timeout(5):
        await exchange.execute(
            """SELECT FROM task WHERE id IN (SELECT min(id) FROM task WHERE campaign = ANY ($1) GROUP BY campaign)
               FOR UPDATE""",
            [waiting, over, lost],
        )
        assert await claims.return_lost(pools[0], now) == 2
        assert await claims.turn(pools[0], now) == 2
        assert len(await claims.claim(pools[0], now, LEASE, 50)) == 4, "two of each campaign that is left"
        async with pools[0].transaction() as tx:
            assert await claims.cancel_waiting(tx, waiting, "Aborted.", now) == 0


async def test_a_rate_holds_whoever_claims(registry, numbers, pools) -> None:
    codes = await play.adapters(registry, numbers, 60)
    await campaign(registry, codes, per_minute=600)  # 10 a second
    begun = 0

    for _ in range(6):
        found = await asyncio.gather(*(claims.claim(db, registry.clock(), LEASE, 20) for db in pools for _ in range(2)))
        begun += sum(map(len, found))
        registry.clock.forward(seconds=0.5)

    assert begun == 1 + 5 * 5


async def test_nobody_waits_in_a_circle(registry, numbers, pools) -> None:
    entries = await play.adapters(registry, numbers, 24)
    standbys = await play.adapters(registry, numbers, 24, prefix="S")
    both = [code for pair in zip(entries, standbys, strict=True) for code in pair]
    made = [
        await campaign(registry, both[:: random.choice([1, -1])], stop_share=0.9, stop_after=60, per_minute=100_000)
        for _ in range(6)
    ]
    over = asyncio.Event()

    async def act(db: Database, row: asyncpg.Record) -> None:
        fate = random.random()
        if fate < 0.3:
            await claims.release(db, row["id"], row["fence"])
        else:
            await claims.finish(db, done(row, Failure.TIMEOUT if fate < 0.6 else None), registry.clock())

    swapped = 0

    async def swaps() -> None:
        nonlocal swapped
        while not over.is_set():
            entry, standby = random.choice(entries), random.choice(standbys)
            order = swap.Order(entry, standby)
            now = registry.clock.forward(seconds=1)
            try:
                await swap.carry_out(
                    registry.db, registry.vault, order, caller=registry.operator, now=now, deadline=timedelta(days=1)
                )
                swapped += 1
            except Conflict:
                async with registry.db.connection() as connection:
                    await connection.execute("UPDATE exchange SET deadline_at = $1 WHERE lapsed_at IS NULL", now)
                await exchanges.lapse(registry.db, registry.clock.forward(seconds=1))

    async def clockwork() -> None:
        while not over.is_set():
            await claims.turn(registry.db, registry.clock())
            await claims.return_lost(registry.db, registry.clock())
            await asyncio.sleep(0.01)

    async def heartbeats() -> None:
        query = """INSERT INTO connection (adapter, state, since)
            SELECT adapter, 'connected', $2 FROM registration WHERE code = ANY ($1) ORDER BY adapter
            ON CONFLICT (adapter) DO UPDATE SET since = excluded.since, last_heartbeat_at = excluded.since"""
        while not over.is_set():
            async with registry.db.connection() as connection:
                await connection.execute(query, both, registry.clock())
            await asyncio.sleep(0.01)

    async def aborts() -> None:
        for one in made[:2]:
            await asyncio.sleep(0.15)
            async with registry.db.transaction() as tx:
                await tx.execute("SELECT FROM campaign WHERE id = $1 FOR NO KEY UPDATE", one)
                await tx.execute(
                    "UPDATE campaign SET state = 'aborted', ended_at = $2 WHERE id = $1", one, registry.clock()
                )
                await claims.cancel_waiting(tx, one, "Aborted.", registry.clock())

    beside = [asyncio.create_task(one()) for one in (swaps, swaps, clockwork, heartbeats, aborts)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(until_empty(db, lambda row, db=db: act(db, row), registry, *made) for db in pools))
    over.set()
    await asyncio.gather(*beside)  # a deadlock would have been raised here or there

    assert swapped > 5
    for one in made:
        assert not set(await play.states(registry, one)) & {"waiting", "running"}


async def test_controllers_that_take_back_at_once_do_not_wait_for_each_other(registry, numbers) -> None:
    codes = await play.adapters(registry, numbers, 400)
    made = [await campaign(registry, half, stop_share=1.0) for half in (codes[::2], codes[1::2])]
    async with registry.db.connection() as connection:
        await connection.execute(
            """UPDATE task SET campaign = ($1::bigint[])[1 + (id / 15 + id) % 2], state = 'running', lease_until = $2,
                   losses = 5 WHERE campaign = ANY ($1)""",
            *(made, registry.clock()),
        )
    registry.clock.forward(seconds=1)

    taken = await asyncio.gather(*(claims.return_lost(registry.db, registry.clock()) for _ in range(6)))

    assert sum(taken) == 400
