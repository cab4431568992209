"""Whoever dies while a case moves, at any table it writes: afterwards nothing has happened, and it goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import pytest

from controller.domain.exchange import Event
from controller.store.pool import TROUBLE
from tests.services.cases import Desk
from tests.waiting import until

GATE = 4243
_STOP = """
    CREATE OR REPLACE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock({gate}); RETURN NULL; END $$;
    CREATE TRIGGER stop_here AFTER INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION stop_here()"""
_WAITS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"

OF_A_DISPATCH = ("adapter", "stock_ledger", "exchange", "exchange_reminder", "exchange_move", "outbox", "audit")
OF_A_CHANGE = ("registration", "registration_ledger", *OF_A_DISPATCH)

TURN = """
import asyncio, sys
from datetime import datetime
from controller.domain.calendar import DEFAULT
from controller.services import exchanges
from controller.store.pool import Database
from controller.store.secrets import Secrets

async def main(dsn, now):
    db = await Database.open(dsn)
    await exchanges.turn(db, Secrets.generate(), DEFAULT, now=datetime.fromisoformat(now))

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def stopped_at(dsn: str, table: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Inside, who writes the table waits; leaving it opens the gate."""
    gate = await asyncpg.connect(dsn)
    try:
        await gate.execute(_STOP.format(gate=GATE, table=table))
        await gate.execute("SELECT pg_advisory_lock($1)", GATE)
        yield gate
    finally:
        await gate.execute("SELECT pg_advisory_unlock($1)", GATE)
        await gate.execute(f"DROP TRIGGER IF EXISTS stop_here ON {table}")
        await gate.close()


@pytest.mark.parametrize(
    ("event", "table"),
    [(Event.DISPATCH, table) for table in OF_A_DISPATCH]
    + [(Event.CHANGE_REGISTRATION, table) for table in OF_A_CHANGE],
)
async def test_a_move_that_is_cut_off_has_not_happened(desk: Desk, dsn: str, event: Event, table: str) -> None:
    """R3.3, R3.6: state, stock, registration, journal, audit and news together, or none of them."""
    case, given = await _ready(desk, event)
    before = await _all(desk, case)

    async with stopped_at(dsn, table) as gate:
        moving = asyncio.create_task(desk.does(case, event, **given))
        backend = await until(partial(gate.fetchval, _WAITS))
        await gate.execute("SELECT pg_terminate_backend($1)", backend)
        with pytest.raises(TROUBLE):
            await moving
    assert await _all(desk, case) == before

    assert not (await desk.does(case, event, **given)).already
    assert (await desk.does(case, event, **given)).already


async def test_a_controller_that_is_killed_in_its_turn_has_changed_nothing_and_the_next_goes_on(
    desk: Desk, dsn: str
) -> None:
    """R3.6: kill -9 while the clock changes the registration."""
    case, _ = await _ready(desk, Event.CHANGE_REGISTRATION)
    before = await _all(desk, case)
    desk.clock.forward(days=5)

    async with stopped_at(dsn, "exchange_move") as gate:
        arguments = ("-c", TURN, dsn, desk.clock().isoformat())
        child = await asyncio.create_subprocess_exec(sys.executable, *arguments)
        await until(partial(gate.fetchval, _WAITS))
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
    await until(partial(desk.value, f"SELECT NOT EXISTS ({_WAITS})"))
    assert await _all(desk, case) == before

    await desk.passes(seconds=5)
    assert (await desk.states(case)).count("registration-changed") == 1


async def _ready(desk: Desk, event: Event) -> tuple[int, dict[str, str]]:
    faulty, new = await desk.on(), await desk.spare()
    case = (await desk.opens(faulty)).id
    await desk.does(case, "recognise")
    if event is Event.DISPATCH:
        return case, {"adapter": new.serial}
    await desk.does(case, "dispatch", adapter=new.serial)
    desk.clock.forward(minutes=1)
    return case, {}


async def _all(desk: Desk, case: int) -> dict[str, Any]:
    """Everything there is about the case, to be compared."""
    row = await desk.has(case)
    units = (row["old_adapter"], row["new_adapter"])
    return {
        "case": dict(row),
        "units": await desk.value("SELECT json_agg(a ORDER BY serial) FROM adapter a WHERE serial = ANY ($1)", units),
        "holds": await desk.holds(row["code"]),
        "moves": await desk.states(case),
        "news": await desk.news(case),
        "trail": await desk.value("SELECT count(*) FROM audit WHERE subject = $1", row["code"]),
        "stock": await desk.value("SELECT count(*) FROM stock_ledger WHERE exchange = $1", case),
        "ledger": await desk.value("SELECT count(*) FROM registration_ledger WHERE code = $1", row["code"]),
    }
