"""A case and a late adapter that want the same code at the same moment."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from controller.domain.errors import Conflict
from controller.store import exchanges as swaps
from tests.services.cases import Desk
from tests.waiting import until

_WAITS = """SELECT count(*) > 0 FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%UPDATE exchange AS x%'"""


async def test_a_lapsed_swap_that_is_taken_up_while_a_case_holds_its_standby(desk: Desk) -> None:
    """R3.13: the dispatch for the standby is refused with a sentence; later it goes on."""
    entry, standby, new = await desk.on(), await desk.on("standby"), await desk.spare()
    swap = await desk.swaps_only(entry, standby, "It reboots.")
    case = int(await desk.value("SELECT id FROM exchange WHERE of_exchange = $1", swap))
    await swaps.lapse(desk.registry.db, desk.clock.forward(days=15))
    await desk.does(case, "receive")

    async with desk.registry.db.transaction() as late:  # as record_pull has it, until it is committed
        await late.execute("UPDATE exchange SET state = 'pulled', ended_at = NULL WHERE id = $1", swap)
        dispatching = asyncio.create_task(desk.does(case, "dispatch", adapter=new.serial))
        await until(partial(desk.value, _WAITS))
    with pytest.raises(Conflict, match="at the same moment"):
        await dispatching
    assert (await desk.state(case), await desk.stock(new)) == ("received", "in-stock")

    await desk.value("UPDATE exchange SET state = 'confirmed', ended_at = $2 WHERE id = $1", swap, desk.clock())
    desk.clock.forward(hours=1)
    assert not (await desk.does(case, "dispatch", adapter=new.serial)).already
