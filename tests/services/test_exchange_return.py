"""After a swap with a fault: the faulty unit comes back, and after that a replacement for the standby (R3.13)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.bulk_exchange import Pair
from controller.domain.bulk_plan import Judged
from controller.domain.errors import Conflict, Invalid
from controller.services import swap
from controller.services.bulk_planning import judge_all
from controller.services.exchanges import OutOfOrder
from controller.store import registry as codes
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

    with pytest.raises(OutOfOrder, match=r"waiting: dispatch is out of order.* this: Send the faulty adapter"):
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


async def test_a_unit_that_the_desk_has_received_is_not_swapped_into_service(desk: Desk) -> None:
    """R3.13: it lies at the desk, though the standby code holds it until the replacement does."""
    entry, standby, new = await desk.on(), await desk.on("standby"), await desk.spare()
    case = await desk.swaps(entry, standby)
    await standby.boot()
    await desk.does(case, "receive")

    for step in ({}, {"event": "dispatch", "adapter": new.serial}):
        if step:
            await desk.does(case, **step)
        with pytest.raises(Conflict, match=rf"the desk has received it \(exchange {case}\).*dispatched to") as refused:
            await desk.swaps_only(entry, standby)
        assert refused.value.params["standby"] == desk.code(standby)
        order = swap.Order(desk.code(entry), desk.code(standby))
        with pytest.raises(Conflict, match=f"exchange show {case} names the commands"):
            await swap.preview(desk.registry.db, order, caller=OPERATOR, now=desk.clock(), deadline=timedelta(days=1))
    assert await desk.holds(desk.code(entry)) == standby.serial

    await desk.does(case, "change-registration")
    await desk.swaps_only(entry, standby)
    assert await desk.holds(desk.code(entry)) == new.serial


async def test_a_return_that_is_withdrawn_leaves_the_unit_to_be_swapped(desk: Desk) -> None:
    """R3.13, R3.10: it came back to the customer, say."""
    entry, standby = await desk.on(), await desk.on("standby")
    case = await desk.swaps(entry, standby)
    await standby.boot()
    await desk.does(case, "receive")
    await desk.does(case, "withdraw", reason="No fault was found; it went back.")

    await desk.swaps_only(entry, standby)

    assert await desk.holds(desk.code(entry)) == entry.serial


async def test_a_bulk_exchange_refuses_a_standby_whose_unit_the_desk_has(desk: Desk) -> None:
    """R3.13: when it is planned, and when it was received after that."""
    entry, standby = await desk.on(), await desk.on("standby")
    case = await desk.swaps(entry, standby)
    await standby.boot()
    pair = Pair(2, desk.code(entry), desk.code(standby), "", "")

    async def judged() -> Judged:
        (row,) = await judge_all(desk.registry.db, [pair], caller=OPERATOR, now=desk.clock())
        return row

    assert (await judged()).why is None
    await desk.does(case, "receive")
    refused = (await judged()).why

    assert refused is not None and "the desk has received it" in refused["sentence"]
    assert refused["params"]["exchange"] == case


async def test_a_code_shows_its_newest_exchange_on_whichever_side_it_is(desk: Desk) -> None:
    """R3.10, R3.13: the swap of both codes, then the return that belongs to the standby alone."""
    entry, standby = await desk.on(), await desk.on("standby")
    swap = await desk.swaps_only(entry, standby)

    for side in (entry, standby):
        shown = await codes.code(desk.registry.db, desk.code(side))
        assert shown is not None and (shown["exchange"], shown["exchange_state"]) == (swap, "ordered")

    await standby.boot()
    case = await desk.swaps(entry, standby)
    shown = await codes.code(desk.registry.db, desk.code(standby))
    assert shown is not None and (shown["exchange"], shown["exchange_state"]) == (case, "waiting")
