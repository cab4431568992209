"""After a swap with a fault: the faulty unit comes back, and after that a replacement for the standby (R3.13)."""

from __future__ import annotations

import pytest

from controller.domain.errors import Conflict, Invalid
from controller.services.exchanges import OutOfOrder
from tests.registry_fixtures import OPERATOR
from tests.services.cases import Desk


async def test_a_whole_return_closes_by_itself_when_nothing_is_missing(desk: Desk) -> None:
    """R3.13: the replacement is dispatched after the faulty unit arrived, and registered on that standby code."""
    entry, standby, new = await desk.on(), await desk.on("standby"), await desk.spare()
    case = await desk.swaps(entry, standby)
    await desk.collected((await desk.has(case))["of_exchange"])
    await standby.boot()

    await desk.passes(days=3)
    await desk.does(case, "receive")
    await desk.does(case, "dispatch", adapter=new.serial)
    await desk.passes(days=8)

    assert await desk.states(case) == ["received", "dispatched", "registered", "closed"]
    assert await desk.holds(desk.code(standby)) == new.serial
    assert (await desk.stock(entry), await desk.stock(new)) == ("returned", "in-stock")


async def test_without_the_swaps_evidence_somebody_says_why_it_is_closed(desk: Desk) -> None:
    """R3.13."""
    entry, standby, new = await desk.on(), await desk.on("standby"), await desk.spare()
    case = await desk.swaps(entry, standby)
    await standby.boot()
    await desk.does(case, "receive")
    await desk.does(case, "dispatch", adapter=new.serial)
    await desk.passes(days=8)
    assert await desk.state(case) == "registered"

    with pytest.raises(Invalid):
        await desk.does(case, "close")
    await desk.does(case, "close", reason="The swap was ordered at once.")

    assert await desk.state(case) == "closed"


async def test_nothing_is_dispatched_before_the_faulty_unit_arrived(desk: Desk) -> None:
    """R3.13: after it arrives."""
    case = await desk.swaps(await desk.on(), await desk.on("standby"))

    with pytest.raises(OutOfOrder, match=r"waiting: dispatch is out of order\. Send the faulty adapter"):
        await desk.does(case, "dispatch", adapter=(await desk.spare()).serial)


async def test_overdue_after_30_days_and_received_all_the_same(desk: Desk) -> None:
    """R3.9 holds for the unit of a swap, too."""
    case = await desk.swaps(await desk.on(), await desk.on("standby"))

    await desk.passes(days=24)
    assert (await desk.state(case), (await desk.news(case)).count("reminder")) == ("waiting", 1)
    await desk.passes(days=8)
    assert await desk.state(case) == "overdue"

    assert (await desk.does(case, "receive")).to_state == "received"


async def test_an_operator_may_take_back_what_was_no_fault(desk: Desk) -> None:
    """R3.10: swapping back is a swap of its own; the unit is not awaited any longer."""
    case = await desk.swaps(await desk.on(), await desk.on("standby"))

    await desk.does(case, "withdraw", by=OPERATOR, reason="It was the power strip.")

    assert (await desk.has(case))["ended_at"] == desk.clock()


async def test_the_standby_gets_no_replacement_before_the_swap_has_ended(desk: Desk) -> None:
    """R3.13: one exchange at a time holds a code, and the swap may still be undone."""
    entry, standby, new = await desk.on(), await desk.on("standby"), await desk.spare()
    case = await desk.swaps(entry, standby)
    await desk.does(case, "receive")

    with pytest.raises(Conflict, match=r"is held by exchange \d+, swap, which is ordered"):
        await desk.does(case, "dispatch", adapter=new.serial)


async def test_a_unit_that_was_swapped_back_into_service_is_neither_received_nor_replaced(desk: Desk) -> None:
    """R3.13; it cannot have arrived: the case says where the unit is now, and can be withdrawn."""
    entry, standby = await desk.on(), await desk.on("standby")
    case = await desk.swaps(entry, standby)
    await standby.boot()
    await desk.swaps_only(entry, standby)

    with pytest.raises(Conflict, match=f"it is on {desk.code(entry)}"):
        await desk.does(case, "receive")

    assert (await desk.does(case, "withdraw", reason="It is in service again.")).to_state == "withdrawn"


async def test_a_unit_that_was_swapped_back_after_it_arrived_is_not_replaced_on_the_standby(desk: Desk) -> None:
    """R3.13."""
    entry, standby, new = await desk.on(), await desk.on("standby"), await desk.spare()
    case = await desk.swaps(entry, standby)
    await standby.boot()
    await desk.does(case, "receive")
    await desk.swaps_only(entry, standby)

    with pytest.raises(Conflict, match=f"it is on {desk.code(entry)}"):
        await desk.does(case, "dispatch", adapter=new.serial)
