"""A controller that is killed while it withdraws a release, at any table it writes: all of it happens, or nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial

import pytest

from tests.services.test_exchange_survives_kills import _WAITS, stopped_at
from tests.services.test_firmware_withdrawal import withdraw
from tests.services.updating import Updating
from tests.waiting import until

WITHDRAW = """
import asyncio, sys
from datetime import datetime
from controller.domain.access import Caller, Role
from controller.services import firmware_withdrawal
from controller.store.pool import Database

async def main(dsn, version, account, now):
    db = await Database.open(dsn)
    caller, now = Caller(account, Role.ADMINISTRATOR, None, ""), datetime.fromisoformat(now)
    await firmware_withdrawal.withdraw(db, "seil8", version, "It loses routes.", caller=caller, now=now)

asyncio.run(main(*sys.argv[1:]))
"""
_LOOK = """
    SELECT (SELECT state FROM firmware_release WHERE (series, version) = ('seil8', $1)) AS release,
           (SELECT count(*) FROM firmware_update WHERE version = $1 AND ended_at IS NULL) AS open,
           (SELECT count(*) FROM code WHERE firmware_target = $1) AS targets,
           (SELECT count(*) FROM outbox WHERE topic = 'firmware.withdrawn' AND subject = 'seil8 ' || $1) AS news,
           (SELECT count(*) FROM audit WHERE action = 'firmware.withdraw' AND subject = 'seil8 ' || $1) AS audited"""


@pytest.mark.parametrize(
    ("table", "version"),
    [
        *(("firmware_release", "5.70"), ("firmware_update", "5.71"), ("firmware_update_move", "5.72")),
        *(("code", "5.73"), ("outbox", "5.74"), ("audit", "5.75")),
    ],
)
async def test_a_withdrawal_that_is_cut_off_has_not_happened(
    updating: Updating, dsn: str, table: str, version: str
) -> None:
    """R4.3: release, updates, targets, news and audit together, or none of them; the next try does it all."""
    await updating.release(version)
    ordered, _ = await updating.adapter()
    chosen, _ = await updating.adapter()
    await updating.order(ordered, version)
    await updating.run("UPDATE code SET firmware_target = $2 WHERE code = $1", chosen, version)
    before = dict(await updating.row(_LOOK, version))
    assert (before["release"], before["open"]) == ("available", 1)

    async with stopped_at(dsn, table) as gate:
        now = updating.registry.clock().isoformat()
        given = (dsn, version, updating.registry.administrator.account, now)
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", WITHDRAW, *given)
        await until(partial(gate.fetchval, _WAITS))
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        await gate.execute("SELECT pg_terminate_backend($1)", await gate.fetchval(_WAITS))
        await until(partial(gate.fetchval, f"SELECT NOT EXISTS ({_WAITS})"))
    assert dict(await updating.row(_LOOK, version)) == before

    await withdraw(updating, version)

    after = await updating.row(_LOOK, version)
    assert (after["release"], after["open"], after["targets"], after["audited"]) == ("withdrawn", 0, 0, 1)
    assert after["news"] >= 1
