"""One event of a case: whose it is, once, in order, and all of it or nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.domain.errors import Conflict, Forbidden, Invalid, NotFound
from controller.domain.exchange import Event, State
from controller.services import exchanges
from controller.services.exchanges import Moved, OutOfOrder
from tests.registry_fixtures import ADMINISTRATOR, OPERATOR, STRANGER
from tests.services.cases import Desk


async def test_the_same_event_again_changes_nothing(desk: Desk) -> None:
    """Send-back's dispatch (R3.3), sent twice: one reservation, one journal row, one piece of news."""
    case, new = await _recognised(desk)
    first = await desk.does(case, "dispatch", adapter=new.serial)
    before = await _counts(desk)

    again = await desk.does(case, "dispatch", adapter=new.serial)

    assert first == Moved(State.RECOGNISED, State.DISPATCHED)
    assert again == Moved(State.DISPATCHED, State.DISPATCHED, already=True)
    assert await _counts(desk) == before


async def test_another_replacement_is_not_the_same_event(desk: Desk) -> None:
    case, new = await _recognised(desk)
    await desk.does(case, "dispatch", adapter=new.serial)

    with pytest.raises(OutOfOrder):
        await desk.does(case, "dispatch", adapter=(await desk.spare()).serial)


async def test_two_at_once_move_it_once(desk: Desk) -> None:
    """R3.6: however many say so, the registration changes once."""
    case, new = await _recognised(desk)
    await desk.does(case, "dispatch", adapter=new.serial)

    moved = await asyncio.gather(*(desk.does(case, "change-registration") for _ in range(4)))

    assert sorted(each.already for each in moved) == [False, True, True, True]
    assert (await desk.states(case)).count("registration-changed") == 1
    assert await desk.value("SELECT count(*) FROM registration_ledger WHERE exchange = $1", case) == 1


async def test_two_cases_never_get_one_replacement(desk: Desk) -> None:
    """R3.3: a unit goes to one place."""
    one, new = await _recognised(desk)
    other, _ = await _recognised(desk)

    done = await asyncio.gather(
        *(desk.does(case, "dispatch", adapter=new.serial) for case in (one, other)), return_exceptions=True
    )

    assert sorted(type(each).__name__ for each in done) == ["ForStaff", "Moved"]
    assert sorted([await desk.state(one), await desk.state(other)]) == ["dispatched", "recognised"]


async def test_withdrawing_and_changing_at_once_do_one_of_both(desk: Desk) -> None:
    """R3.8: either it is taken back before the change, or it is not."""
    case, new = await _recognised(desk)
    code = (await desk.has(case))["code"]
    await desk.does(case, "dispatch", adapter=new.serial)

    await asyncio.gather(
        desk.does(case, "withdraw", reason="It works again."),
        desk.does(case, "change-registration"),
        return_exceptions=True,
    )

    holds = await desk.holds(code)
    assert (await desk.state(case), holds == new.serial) in {("withdrawn", False), ("registration-changed", True)}


async def test_who_expects_another_state_is_refused(desk: Desk) -> None:
    case, _ = await _recognised(desk)

    with pytest.raises(OutOfOrder, match="is recognised and not reported; nothing was changed"):
        await desk.does(case, "withdraw", reason="Typo.", expect=State.REPORTED)
    assert (await desk.does(case, "recognise", expect=State.REPORTED)).already


async def test_out_of_order_says_what_it_waits_for_and_what_is_possible(desk: Desk) -> None:
    case, _ = await _recognised(desk)

    with pytest.raises(OutOfOrder) as refused:
        await desk.does(case, "close")

    assert str(refused.value) == (
        f"Exchange {case} of {(await desk.has(case))['code']} is recognised: close is out of order, and nothing was "
        "changed. It waits for this: Choose a replacement and dispatch it. Possible now: dispatch, withdraw."
    )
    assert refused.value.code == "out-of-order"


async def test_another_replacement_for_a_dispatched_return_does_not_read_as_if_it_were_done(desk: Desk) -> None:
    """R3.13: nothing is registered yet, and the one that was chosen stays."""
    standby, chosen, other = await desk.on("standby"), await desk.spare(), await desk.spare()
    case = await desk.swaps(await desk.on(), standby)
    await standby.boot()
    await desk.does(case, "receive")
    await desk.does(case, "dispatch", adapter=chosen.serial)

    with pytest.raises(OutOfOrder) as refused:
        await desk.does(case, "dispatch", adapter=other.serial)

    assert str(refused.value) == (
        f"Exchange {case} of {(await desk.has(case))['code']} is dispatched already, with adapter {chosen.serial}: "
        "dispatch of another one is out of order, and nothing was changed. It waits for this: The replacement will be "
        "registered on the standby code before it arrives. Possible now: change-registration, withdraw."
    )


async def test_what_only_the_order_of_another_swap_does_is_not_offered(desk: Desk) -> None:
    """R3.10."""
    swap = (await desk.has(await desk.swaps(await desk.on(), await desk.on("standby"))))["of_exchange"]

    with pytest.raises(OutOfOrder) as refused:
        await desk.does(swap, "withdraw", by=OPERATOR, reason="Typo.")

    assert "replaced" not in str(refused.value) and "It goes on by itself." in str(refused.value)


async def test_an_ended_case_stays_as_it_is(desk: Desk) -> None:
    case, _ = await _recognised(desk)
    await desk.does(case, "withdraw", reason="Typo.")

    with pytest.raises(OutOfOrder, match="has ended, it is withdrawn"):
        await desk.does(case, "recognise")


@pytest.mark.parametrize("event", [Event.RECOGNISE, Event.DISPATCH, Event.CLOSE])
async def test_the_desk_drives_what_operators_report(desk: Desk, event: Event) -> None:
    """R3.3, R3.15; the refusal is in the trail of the contract."""
    case, new = await _recognised(desk)

    with pytest.raises(Forbidden, match="Phone the desk"):
        await desk.does(case, event, by=OPERATOR, adapter=new.serial)

    trail = await desk.row(
        "SELECT * FROM audit WHERE action = $1 AND outcome = 'refused' ORDER BY id DESC", f"exchange.{event}"
    )
    assert (trail["account"], trail["contract"]) == ("olga", "C1")


@pytest.mark.parametrize("event", [Event.CAME_BACK, Event.CONFIG_SERVED, Event.DEADLINE_PASSED])
async def test_nobody_speaks_for_the_adapter_or_the_clock(desk: Desk, event: Event) -> None:
    case, _ = await _recognised(desk)

    with pytest.raises(Forbidden, match=f"Nobody can say that {event} happened"):
        await desk.does(case, event, by=ADMINISTRATOR)


@pytest.mark.parametrize("event", [Event.ORDER, Event.REPLACED])
async def test_a_swap_moves_with_its_registrations_only(desk: Desk, event: Event) -> None:
    """R3.10: whoever says it is ordered, or replaced, has to order it."""
    entry, standby = await desk.on(), await desk.on("standby")
    swap = await desk.swaps_only(entry, standby)
    if event is Event.ORDER:
        await desk.value("UPDATE exchange SET state = 'pre-flight' WHERE id = $1", swap)

    with pytest.raises(Conflict, match="moves with the registrations"):
        await desk.does(swap, event, by=OPERATOR)


async def test_others_do_not_see_it(desk: Desk) -> None:
    case, _ = await _recognised(desk)

    with pytest.raises(NotFound):
        await desk.does(case, "withdraw", by=STRANGER, reason="Not mine.")
    with pytest.raises(NotFound):
        await exchanges.one(desk.registry.db, case, STRANGER)


async def test_without_any_address_nothing_is_dispatched(desk: Desk) -> None:
    """R3.5."""
    case, new = await _recognised(desk)
    await desk.value("UPDATE contract SET delivery_address = '' WHERE contract = 'C1'")

    with pytest.raises(Invalid) as refused:
        await desk.does(case, "dispatch", adapter=new.serial)

    assert [fault.field for fault in refused.value.faults] == ["address"]
    assert (await desk.stock(new), await desk.state(case)) == ("in-stock", "recognised")


async def test_a_unit_of_another_series_is_not_dispatched(desk: Desk) -> None:
    """R3.6: it could not be given the code's config."""
    case, _ = await _recognised(desk)

    with pytest.raises(Conflict, match="cannot replace"):
        await desk.does(case, "dispatch", adapter=(await desk.spare(series="seil3")).serial)

    assert await desk.state(case) == "recognised"


async def test_it_cannot_have_happened_tomorrow(desk: Desk) -> None:
    case, new = await _recognised(desk)

    for at in (desk.clock() + timedelta(seconds=1), desk.clock() - timedelta(days=1)):
        with pytest.raises(Invalid) as refused:
            await desk.does(case, "dispatch", adapter=new.serial, at=at)
        assert [fault.field for fault in refused.value.faults] == ["at"]


async def test_what_would_happen_can_be_asked_first(desk: Desk) -> None:
    """R3.6-R3.8: the same checks, the same sentences, and nothing is changed."""
    case, new = await _recognised(desk)
    await desk.does(case, "dispatch", adapter=new.serial)
    before = await _counts(desk), dict(await desk.has(case))

    told = await _preview(desk, case, Event.CHANGE_REGISTRATION)

    assert told.moved == Moved(State.DISPATCHED, State.REGISTRATION_CHANGED)
    assert new.serial in " ".join(map(str, told.findings))
    assert (await _counts(desk), dict(await desk.has(case))) == before
    with pytest.raises(OutOfOrder):
        await _preview(desk, case, Event.CLOSE)
    assert await _counts(desk) == before[0]


async def _recognised(desk: Desk):
    faulty, new = await desk.on(), await desk.spare()
    case = (await desk.opens(faulty)).id
    await desk.does(case, "recognise")
    return case, new


async def _counts(desk: Desk) -> tuple[int, ...]:
    tables = ("exchange_move", "audit", "outbox", "stock_ledger", "registration_ledger", "exchange_reminder")
    return tuple([await desk.value(f"SELECT count(*) FROM {table}") for table in tables])


async def _preview(desk: Desk, case: int, event: Event) -> exchanges.Preview:
    return await exchanges.preview(
        *(desk.registry.db, desk.registry.vault, case, event, exchanges.Given(), desk.calendar),
        caller=desk.registry.support,
        now=desk.clock(),
    )
