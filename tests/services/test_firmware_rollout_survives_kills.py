"""A controller that is killed while it carries out a rollout, at any table it writes: no update twice, none lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from functools import partial

import pytest

from tests.services.rollouts import Rollouts
from tests.services.test_exchange_survives_kills import _WAITS, stopped_at
from tests.waiting import until

TURNS = """
import asyncio, sys
from datetime import datetime
from controller.services import firmware_rollout_turn
from controller.store.pool import Database

async def main(dsn, now):
    db = await Database.open(dsn)
    await firmware_rollout_turn.run(db, lambda: datetime.fromisoformat(now))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def rollouts(registry, numbers) -> Rollouts:
    made = Rollouts(registry, numbers)
    await made.release()
    return made


async def _controller(rollouts: Rollouts, dsn: str) -> asyncio.subprocess.Process:
    now = rollouts.registry.clock().isoformat()
    return await asyncio.create_subprocess_exec(sys.executable, "-c", TURNS, dsn, now)


@pytest.mark.parametrize("table", ["firmware_update", "firmware_update_move", "firmware_rollout_item"])
async def test_a_killed_controller_has_ordered_all_of_a_turn_or_nothing(rollouts, dsn: str, table: str) -> None:
    """R4.2: kill -9 of the process; whoever comes next goes on with exactly the codes that were listed."""
    await rollouts.load(5)
    await rollouts.keep(canaries=3)
    await rollouts.steer("start")

    async with stopped_at(dsn, table) as gate:
        child = await _controller(rollouts, dsn)
        await until(partial(gate.fetchval, _WAITS))
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        backend = await gate.fetchval(_WAITS)  # PostgreSQL has not noticed yet
        await gate.execute("SELECT pg_terminate_backend($1)", backend)
        await until(partial(gate.fetchval, f"SELECT NOT EXISTS ({_WAITS})"))
    assert (await rollouts.items("ordered"), await rollouts.updates()) == ([], {})

    await rollouts.turns()

    ordered = await rollouts.items("ordered")
    assert ordered == (await rollouts.waves())[0]
    assert await rollouts.updates() == dict.fromkeys(ordered, "scheduled")


async def test_two_controllers_of_which_one_is_killed_update_every_code_once(rollouts, dsn: str) -> None:
    await rollouts.load(6)
    await rollouts.keep(canaries=0, shares=(), at_once=2, soak=timedelta(0))
    first, second = await _controller(rollouts, dsn), await _controller(rollouts, dsn)
    try:
        await rollouts.steer("start")

        async def some_ordered() -> bool:
            return bool(await rollouts.items("ordered"))

        await until(some_ordered)
        os.kill(first.pid, signal.SIGKILL)
        await first.wait()

        async def finished() -> bool:
            await rollouts.end()
            return (await rollouts.state())[0] == "finished"

        await until(finished)
    finally:
        os.kill(second.pid, signal.SIGKILL)
        await second.wait()

    counts = await rollouts.fetch(
        "SELECT code, count(*) AS updates FROM firmware_update WHERE rollout = $1 GROUP BY 1", rollouts.id
    )
    assert {row["code"]: row["updates"] for row in counts} == dict.fromkeys(rollouts.codes, 1)
