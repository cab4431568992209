"""A send-back exchange from the report to the close, and every way in which it goes otherwise (R3.3-R3.9)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.calendar import midnight, return_due
from controller.domain.errors import Conflict, Invalid
from controller.domain.exchange import State
from controller.domain.exchange_deadlines import ChangeRule
from controller.services import exchanges
from controller.words import told
from protocol.arms.codes import ResultCode
from tests.services.cases import FRIDAY, MONDAY, Desk


async def test_a_whole_life_with_nobody_doing_more_than_they_must(desk: Desk) -> None:
    """R3.3, R3.4, R3.6, R3.7, R3.9: recognised, dispatched, registered by the clock, plugged in, returned, closed."""
    faulty, new = await desk.on(), await desk.spare()
    code = desk.code(faulty)
    case = (await desk.opens(faulty)).id
    await desk.collected(case)

    await desk.does(case, "recognise")
    await desk.does(case, "dispatch", adapter=new.serial, shipment="1234-5678")
    assert (await desk.has(case))["arrives_on"] == FRIDAY
    assert await desk.holds(code) == faulty.serial

    await desk.until(midnight(FRIDAY))
    assert await desk.holds(code) == new.serial
    assert (await faulty.ask_ls()).result is ResultCode.OUT_OF_SERVICE

    await new.boot()
    arrived = desk.clock()
    row = await desk.has(case)
    assert (row["state"], row["delivered_at"], row["return_due_at"]) == (
        *("delivered", arrived),
        return_due(arrived),
    )

    await desk.passes(days=12)
    await desk.does(case, "receive")
    await desk.does(case, "close")

    states = ["recognised", "dispatched", "registration-changed", "delivered", "returned", "closed"]
    assert await desk.states(case) == states
    assert await desk.news(case) == ["reported", *states]
    assert (await desk.stock(faulty), await desk.stock(new)) == ("returned", "in-stock")
    assert (await desk.has(case))["ended_at"] == desk.clock()


async def test_a_report_at_night_counts_for_the_next_day(desk: Desk) -> None:
    """R3.4: within the desk's reception hours only; phone until 19:00 (R1.3)."""
    desk.clock.forward(hours=10)  # 20:00 in Japan
    faulty = await desk.on()

    row = await desk.has((await desk.opens(faulty)).id)

    assert row["received_on"].isoformat() == "2026-11-17"


async def test_what_is_dispatched_late_arrives_late(desk: Desk) -> None:
    """R3.4 counts from the receipt; nothing arrives sooner than the 4th business day after its dispatch."""
    case, _ = await _dispatched(desk, days=2)

    assert (await desk.has(case))["arrives_on"].isoformat() == "2026-11-25"  # the 23rd is a holiday


async def test_the_replacement_goes_to_the_cases_own_address(desk: Desk) -> None:
    """R3.5: the address given in the case, else the one registered with the contract."""
    case, _ = await _dispatched(desk, address="2-2 Kita, Osaka")
    other, _ = await _dispatched(desk)

    assert (await desk.has(case))["address"] == "2-2 Kita, Osaka"
    assert (await desk.has(other))["address"] == "1-1 Chiyoda, Tokyo"


@pytest.mark.parametrize("rule", [ChangeRule.BEFORE_ARRIVAL, ChangeRule.AT_DISPATCH])
async def test_a_replacement_that_calls_home_early_is_registered_at_once(desk: Desk, rule: ChangeRule) -> None:
    """R3.6: from the change on, plugging it in is the whole exchange."""
    desk.rule = rule
    case, new = await _dispatched(desk)
    desk.clock.forward(hours=20)
    await new.ask_ls()

    await desk.passes(seconds=5)
    await new.boot()

    assert await desk.state(case) == "delivered"


async def test_by_hand_the_registration_changes_when_the_desk_says_so(desk: Desk) -> None:
    desk.rule = ChangeRule.BY_HAND
    case, new = await _dispatched(desk)
    await new.ask_ls()
    await desk.passes(days=9)
    assert await desk.state(case) == "dispatched"

    assert (await desk.does(case, "change-registration")).to_state == "registration-changed"


async def test_the_change_cannot_be_taken_back(desk: Desk) -> None:
    """R3.8."""
    case, _ = await _dispatched(desk)
    await desk.does(case, "change-registration")

    with pytest.raises(exchanges.OutOfOrder, match=r"withdraw is out of order.* this: Plug the replacement in"):
        await desk.does(case, "withdraw", reason="It works again.")


async def test_the_desk_may_say_that_it_was_delivered(desk: Desk) -> None:
    case, new = await _dispatched(desk)
    await desk.does(case, "change-registration")
    desk.clock.forward(days=3)

    await desk.does(case, "deliver", at=desk.clock() - timedelta(hours=5))

    assert (await desk.has(case))["delivered_at"] == desk.clock() - timedelta(hours=5)
    assert await desk.stock(new) == "in-stock"


async def test_a_unit_for_a_standby_is_delivered_when_it_is_seen(desk: Desk) -> None:
    """R3.6: a spare gets no config, so that it called is all there is to see."""
    faulty, new = await desk.on("standby"), await desk.spare()
    case = (await desk.opens(faulty)).id
    await desk.does(case, "recognise")
    await desk.does(case, "dispatch", adapter=new.serial)
    await desk.does(case, "change-registration")
    await desk.passes(hours=1)
    assert await desk.state(case) == "registration-changed"

    await new.ask_ls()
    await desk.passes(seconds=5)

    assert await desk.state(case) == "delivered"


async def test_reminders_come_7_days_and_1_day_before_and_then_it_is_overdue(desk: Desk) -> None:
    """R3.9: returned within 30 days; overdue returns are listed and announced."""
    case, new = await _dispatched(desk)
    await desk.does(case, "change-registration")
    await new.boot()
    due = (await desk.has(case))["return_due_at"]

    told = []
    for moment in (due - timedelta(days=7, minutes=1), due - timedelta(days=7), due - timedelta(days=1), due):
        await desk.until(moment + timedelta(milliseconds=1))
        await desk.passes(seconds=1)  # once is enough
        told.append((await desk.state(case), (await desk.news(case)).count("reminder")))

    assert told == [("delivered", 0), ("delivered", 1), ("delivered", 2), ("overdue", 2)]
    late = await exchanges.page(
        *(desk.registry.db, exchanges.Filter(overdue=True, state=State.OVERDUE)),
        caller=desk.registry.operator,
        now=desk.clock(),
        limit=10,
    )
    assert case in [row["id"] for row in late]


async def test_an_overdue_unit_may_still_come_back(desk: Desk) -> None:
    """R3.9."""
    case, faulty = await _overdue(desk)

    await desk.does(case, "receive")
    await desk.does(case, "close", reason="It was dead; nobody could ask it.")

    assert (await desk.state(case), await desk.stock(faulty)) == ("closed", "returned")


async def test_an_overdue_unit_may_be_written_off(desk: Desk) -> None:
    """R3.9."""
    case, faulty = await _overdue(desk)

    await desk.does(case, "write-off", reason="Lost in a fire.")

    row = await desk.has(case)
    assert (row["state"], row["evidence_reason"]) == ("closed", "Lost in a fire.")
    assert told(row["why"], "ja") == "Lost in a fire."
    assert await desk.stock(faulty) == "retired"


async def test_withdrawn_on_the_way_the_replacement_comes_back(desk: Desk) -> None:
    case, new = await _dispatched(desk)

    await desk.does(case, "withdraw", reason="It was the cable.")

    assert (await desk.state(case), await desk.stock(new)) == ("withdrawn", "under-return")
    await desk.until(midnight(FRIDAY) + timedelta(days=3))
    assert await desk.state(case) == "withdrawn"


async def test_declined_with_a_reason(desk: Desk) -> None:
    """R3.3: a replacement is dispatched only when the desk recognises the fault."""
    faulty = await desk.on()
    case = (await desk.opens(faulty)).id

    with pytest.raises(Invalid) as refused:
        await desk.does(case, "decline")
    await desk.does(case, "decline", reason="The adapter is fine; the line is down.")

    assert [fault.field for fault in refused.value.faults] == ["reason"]
    assert told((await desk.has(case))["why"], "ja") == "The adapter is fine; the line is down."


async def test_it_is_not_closed_without_evidence_or_a_reason(desk: Desk) -> None:
    case, new = await _dispatched(desk)
    await desk.does(case, "change-registration")
    await new.boot()
    await desk.does(case, "receive")

    with pytest.raises(Invalid) as refused:
        await desk.does(case, "close")
    await desk.does(case, "close", reason="It did not answer any more.")

    assert [fault.field for fault in refused.value.faults] == ["reason"]
    assert (await desk.has(case))["evidence_reason"] == "It did not answer any more."


async def test_a_unit_that_was_swapped_away_meanwhile_is_not_replaced_where_it_was(desk: Desk) -> None:
    """R3.10 is allowed at any time before the dispatch; the case says where the faulty unit is now, and can finish."""
    faulty, spare, new = await desk.on(), await desk.on("standby"), await desk.spare()
    case = (await desk.opens(faulty)).id
    await desk.does(case, "recognise")
    await desk.swaps_only(faulty, spare)

    with pytest.raises(Conflict, match=f"is not on {desk.code(faulty)} any more; it is on {desk.code(spare)}"):
        await desk.does(case, "dispatch", adapter=new.serial)
    await desk.does(case, "withdraw", reason="Reported again for the standby.")

    again = await desk.opens(faulty, code=desk.code(spare))
    assert (again.state, (await desk.has(again.id))["standby"]) == ("reported", desk.code(spare))


async def test_a_code_that_a_swap_holds_is_not_given_a_replacement(desk: Desk) -> None:
    """One next adapter at a time: the open exchange is named."""
    faulty, standby, new = await desk.on(), await desk.on("standby"), await desk.spare()
    await desk.swaps_only(faulty, standby)
    case = (await desk.opens(standby, code=desk.code(faulty))).id  # the new one is faulty, too
    await desk.does(case, "recognise")

    with pytest.raises(Conflict, match=r"is held by exchange \d+, swap, which is ordered"):
        await desk.does(case, "dispatch", adapter=new.serial)


async def _dispatched(desk: Desk, *, days: float = 0, address: str = ""):
    faulty, new = await desk.on(), await desk.spare()
    case = (await desk.opens(faulty)).id
    desk.clock.forward(days=days)
    await desk.does(case, "recognise")
    await desk.does(case, "dispatch", adapter=new.serial, address=address)
    desk.codes[new.serial] = desk.code(faulty)
    return case, new


async def _overdue(desk: Desk):
    faulty, new = await desk.on(), await desk.spare()
    case = (await desk.opens(faulty)).id
    await desk.does(case, "recognise")
    await desk.does(case, "dispatch", adapter=new.serial)
    await desk.does(case, "change-registration")
    await desk.does(case, "deliver")
    await desk.passes(days=32)
    assert await desk.state(case) == "overdue"
    return case, faulty


async def test_a_clock_that_steps_back_stops_no_case(desk: Desk) -> None:
    """Two controllers' clocks are never the same either: no event counts as earlier than the opening."""
    faulty, spare = await desk.on(), await desk.spare()
    case = (await desk.opens(faulty)).id
    desk.clock.forward(hours=-1)

    for event, more in (("recognise", {}), ("dispatch", {"adapter": spare.serial}), ("change-registration", {})):
        await desk.does(case, event, **more)
    await desk.does(case, "deliver")

    row = await desk.has(case)
    assert (row["state"], row["dispatched_at"], row["delivered_at"]) == ("delivered", MONDAY, MONDAY)
