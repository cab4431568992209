"""R3.6-R3.8: the ledger says where a unit sat at any moment, and never two places, whatever a clock said."""

from __future__ import annotations

from datetime import timedelta

from controller.domain.exchange_deadlines import ChangeRule
from controller.domain.stock import Stock
from controller.services import stock, swap
from tests.registry_fixtures import OPERATOR, SUPPORT
from tests.rows import HEADER, csv_row
from tests.services.cases import Desk
from tests.services.devices import Device
from tests.services.heartbeat_line import HERE, Line, Sender


async def test_a_unit_that_comes_back_from_stock_while_the_clock_was_put_back(desk: Desk) -> None:
    """R3.6: its new stay begins when the one before it has ended, not earlier."""
    unit = await _back_in_stock(desk)
    desk.clock.now -= timedelta(days=2)

    other = await desk.on()
    case = (await desk.opens(other)).id
    await desk.does(case, "recognise")
    await desk.does(case, "dispatch", adapter=unit.serial)
    await desk.does(case, "change-registration")

    await _one_after_the_other(desk, unit, f"E{other.number}")


async def test_a_unit_that_an_inventory_places_while_the_clock_was_put_back(desk: Desk) -> None:
    """R3.7: the same for one that comes onto a code by a file."""
    unit = await _back_in_stock(desk)
    desk.clock.now -= timedelta(days=2)
    code = f"E{desk.numbers()}"

    await desk.registry.load(HEADER + csv_row(code, unit.number))

    await _one_after_the_other(desk, unit, code)


async def _back_in_stock(desk: Desk) -> Device:
    """It was replaced on its code, has come back and was checked."""
    unit, new = await desk.on(), await desk.spare()
    desk.rule = ChangeRule.BY_HAND
    case = (await desk.opens(unit)).id
    await desk.does(case, "recognise")
    await desk.does(case, "dispatch", adapter=new.serial)
    await desk.does(case, "change-registration")
    for event in ("deliver", "receive", "close"):
        await desk.does(case, event, reason="No evidence.")
    await stock.move_by_hand(
        desk.registry.db, unit.serial, Stock.IN_STOCK, "checked", caller=SUPPORT, now=desk.clock.forward(hours=1)
    )
    return unit


async def _one_after_the_other(desk: Desk, unit: Device, code: str) -> None:
    left = await desk.value(
        "SELECT max(at) FROM registration_ledger WHERE code = $1 AND cause = 'send-back'", f"E{unit.number}"
    )
    came = await desk.value("SELECT at FROM registration_ledger WHERE code = $1 AND adapter = $2", code, unit.serial)
    assert came == await desk.value("SELECT since FROM registration WHERE code = $1", code)
    assert left <= came


async def test_what_was_told_between_two_swaps_of_one_moment_is_worth_nothing(desk: Desk, line: Line) -> None:
    """R3.7: a clock that was put back gives the second swap no earlier moment, and no equal one."""
    entry, standby = await desk.on(), await desk.on("standby")
    first = await desk.swaps_only(entry, standby)
    moment = desk.clock()
    sender = Sender(desk.registry, entry.number)
    await sender.learn()
    await sender.pulled_from(HERE)
    line.receive(sender.says())
    assert (await line.told())["stored"] == 1

    desk.clock.now = moment
    order = swap.Order(desk.code(entry), desk.code(standby), replaces=first)
    by = {"caller": OPERATOR, "now": desk.clock(), "deadline": timedelta(days=1)}
    await swap.carry_out(desk.registry.db, desk.registry.vault, order, **by)

    line.later(61)
    line.receive(sender.says(cpu=6))
    assert (await line.told())["stored"] == 0
