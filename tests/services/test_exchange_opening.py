"""A case begins: who may open one, for which adapter, and what is refused with everything that is wrong (R3.1-R3.5)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.domain.errors import Conflict, Forbidden, Invalid, NotFound
from controller.domain.exchange import Kind
from controller.services import exchanges
from controller.services.exchanges import Opened
from controller.words import told
from tests.registry_fixtures import ADMINISTRATOR, OPERATOR, STRANGER
from tests.rows import HEADER, csv_row
from tests.services.cases import MONDAY, Desk


async def test_the_case_knows_what_was_reported_and_what_happens_next(desk: Desk) -> None:
    """R3.3."""
    faulty = await desk.on()

    case = (await desk.opens(faulty, channel="e-mail", received_at=MONDAY - timedelta(minutes=9))).id

    row = await desk.has(case)
    assert (row["entry"], row["standby"], row["old_adapter"]) == (desk.code(faulty), None, faulty.serial)
    assert (row["channel"], row["received_at"], row["received_on"].isoformat()) == (
        *("e-mail", MONDAY - timedelta(minutes=9)),
        "2026-11-16",
    )
    waiting = exchanges.waits_for(row, desk.clock())
    assert waiting is not None
    assert (waiting.who, waiting.what) == ("desk", "Recognise the fault, or decline it.")
    assert waiting.until is not None
    assert not waiting.overdue


async def test_a_purchased_adapter_is_declined_and_the_reseller_named(desk: Desk) -> None:
    """R3.1: recorded, and nothing is asked of the adapter."""
    faulty = await desk.on()
    await desk.value("UPDATE adapter SET ownership = 'purchased', reseller = 'Shop' WHERE serial = $1", faulty.serial)

    opened = await desk.opens(faulty)

    row = await desk.has(opened.id)
    assert (opened.state, row["ended_at"], row["evidence"]) == ("declined", desk.clock(), "none")
    assert told(row["why"], "en").startswith(f"Adapter {faulty.serial} was bought from Shop, who maintains it")
    assert await desk.news(opened.id) == ["declined"]


async def test_a_report_has_no_place_for_a_cause() -> None:
    """R3.2: the cause of a hardware fault is not investigated; nothing asks for one, nothing keeps one."""
    assert not [name for name in exchanges.Report.__dataclass_fields__ if "cause" in name]
    assert not [name for name in exchanges.Given.__dataclass_fields__ if "cause" in name]


async def test_operators_are_told_to_phone_the_desk(desk: Desk) -> None:
    """R3.3, R3.15; and it is in the audit trail."""
    faulty = await desk.on()

    with pytest.raises(Forbidden, match="Phone the desk"):
        await desk.opens(faulty, by=OPERATOR)

    trail = await desk.row("SELECT * FROM audit WHERE subject = $1 AND action = 'exchange.open'", desk.code(faulty))
    assert (trail["account"], trail["outcome"]) == ("olga", "refused")


async def test_to_others_the_code_does_not_exist(desk: Desk) -> None:
    faulty = await desk.on()

    with pytest.raises(NotFound):
        await desk.opens(faulty, by=STRANGER)
    with pytest.raises(NotFound):
        await desk.opens(faulty, code="E0")


async def test_only_a_registered_operator_of_the_contract_reports(desk: Desk) -> None:
    """R1.2."""
    faulty = await desk.on()

    for nobody in ("otto", "sato", ""):
        with pytest.raises(Invalid) as refused:
            await desk.opens(faulty, reported_by=nobody)
        assert [fault.field for fault in refused.value.faults] == ["reported_by"]

    asked = await desk.value(
        "SELECT count(*) FROM campaign WHERE selection @> jsonb_build_object('codes', $1::text[])", [desk.code(faulty)]
    )
    assert asked == 0, "and nothing is collected for the desk to read without one"


async def test_everything_that_is_wrong_is_said_at_once(desk: Desk) -> None:
    faulty = await desk.on()

    with pytest.raises(Invalid) as refused:
        await desk.opens(
            faulty,
            Kind.RETURN,
            fault=" ",
            channel="fax",
            address="x" * 501,
            received_at=desk.clock() + timedelta(seconds=1),
        )

    fields = {fault.field for fault in refused.value.faults}
    assert fields == {"kind", "fault", "channel", "address", "received_at"}


async def test_a_code_without_an_adapter_has_no_faulty_one(desk: Desk) -> None:
    faulty = await desk.on()
    await desk.value("DELETE FROM registration WHERE adapter = $1", faulty.serial)

    with pytest.raises(Conflict, match="holds no adapter"):
        await desk.opens(faulty)


async def test_one_open_case_for_a_unit(desk: Desk) -> None:
    """The second report names the first case, whatever its kind."""
    faulty = await desk.on()
    case = (await desk.opens(faulty)).id

    with pytest.raises(Conflict, match=f"has a case already: exchange {case}, send-back, is reported"):
        await desk.opens(faulty, Kind.ON_SITE)

    await desk.does(case, "withdraw", reason="Reported for a visit instead.")
    assert (await desk.opens(faulty, Kind.ON_SITE)).state == "requested"


async def test_the_faulty_unit_of_a_swap_has_its_return(desk: Desk) -> None:
    """R3.13: it is not exchanged a second time."""
    entry, standby = await desk.on(), await desk.on("standby")
    case = await desk.swaps(entry, standby)

    with pytest.raises(Conflict, match=f"exchange {case}, return, is waiting"):
        await desk.opens(entry, code=desk.code(standby))


async def test_two_who_take_down_the_same_report_open_one_case(desk: Desk) -> None:
    faulty = await desk.on()

    both = await asyncio.gather(desk.opens(faulty), desk.opens(faulty, by=ADMINISTRATOR), return_exceptions=True)

    assert sorted(type(each).__name__ for each in both) == ["Conflict", "Opened"]
    opened = next(each for each in both if isinstance(each, Opened))
    assert await desk.news(opened.id) == ["reported"]


async def test_a_report_and_a_swap_at_once_leave_a_case_that_can_finish(desk: Desk) -> None:
    """R3.10: whoever comes first; the case is of the unit that the code held then."""
    entry, standby = await desk.on(), await desk.on("standby")

    opened, _ = await asyncio.gather(desk.opens(entry), desk.swaps_only(entry, standby))

    row = await desk.has(opened.id)
    assert row["old_adapter"] in (entry.serial, standby.serial)
    await desk.does(opened.id, "withdraw", reason="Swapped.")


async def test_units_of_other_contracts_are_not_mixed_up(desk: Desk) -> None:
    number = desk.numbers()
    await desk.registry.load(HEADER + csv_row(f"X{number}", number, contract="C2"))

    with pytest.raises(Invalid) as refused:  # olga is an operator of C1
        await exchanges.open_case(
            desk.registry.db,
            exchanges.Report(Kind.SEND_BACK, f"X{number}", "Dead.", "phone", desk.clock(), reported_by="olga"),
            desk.calendar,
            caller=ADMINISTRATOR,
            now=desk.clock(),
        )

    assert [fault.field for fault in refused.value.faults] == ["reported_by"]
