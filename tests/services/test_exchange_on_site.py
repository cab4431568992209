"""A visit: asked for by phone, registration changed, a normal boot seen, the faulty unit taken along (R3.15-R3.17)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.errors import Conflict, Invalid
from controller.domain.exchange import Kind
from controller.domain.exchange_deadlines import ChangeRule
from controller.services.exchanges import OutOfOrder
from controller.store import accounts
from controller.words import told
from tests.registry_fixtures import ADMINISTRATOR
from tests.services.cases import Desk


async def test_a_whole_visit(desk: Desk) -> None:
    """R3.15-R3.17, and R3.7: the boot is confirmed by what the controller saw, not by anybody's word."""
    case, faulty, new = await _driving(desk)
    await desk.does(case, "change-registration")
    await new.boot()
    await desk.beats(new)

    await desk.passes(seconds=5)
    await desk.does(case, "collect")
    await desk.does(case, "close", reason="It was dead when it was reported.")

    states = ["recognised", "driver-assigned", "registration-changed", "boot-confirmed", "collected", "closed"]
    assert await desk.states(case) == states
    assert await desk.news(case) == ["requested", *states]
    assert (await desk.stock(faulty), await desk.stock(new)) == ("returned", "in-stock")
    assert (await desk.has(case))["driver"] == "Suzuki"


async def test_without_the_option_there_is_no_visit(desk: Desk) -> None:
    """R3.15."""
    await accounts.set_maintenance(desk.registry.db, "C1", "", False, caller=ADMINISTRATOR, now=desk.clock())
    faulty = await desk.on()

    with pytest.raises(Invalid) as refused:
        await desk.opens(faulty, Kind.ON_SITE)

    assert [str(fault) for fault in refused.value.faults] == [
        "Contract C1 does not have the Ultra Send-back option (R3.15)."
    ]


@pytest.mark.parametrize("channel", ["web", "e-mail"])
async def test_it_is_asked_for_by_phone(desk: Desk, channel: str) -> None:
    """R3.15, R1.3."""
    faulty = await desk.on()

    with pytest.raises(Invalid) as refused:
        await desk.opens(faulty, Kind.ON_SITE, channel=channel)

    assert [fault.field for fault in refused.value.faults] == ["channel"]


async def test_it_is_received_at_any_hour(desk: Desk) -> None:
    """R3.15: by phone, 24 h, every day; due within hours, not business days."""
    desk.clock.forward(days=5, hours=16)  # Sunday, 02:00 in Japan
    faulty = await desk.on()

    row = await desk.has((await desk.opens(faulty, Kind.ON_SITE)).id)

    assert row["received_on"].isoformat() == "2026-11-22"
    assert row["deadline_at"] == desk.clock() + timedelta(hours=4)


async def test_the_steps_of_a_boot_that_are_missing_are_named(desk: Desk) -> None:
    """R3.17: config pulled, applied, reachable, heartbeat seen, since the change."""
    case, _, new = await _driving(desk)
    await desk.does(case, "change-registration")
    said = []

    for step in (_nothing, new.ask_ls, new.ask_rs, new.ask_method):
        await step()
        with pytest.raises(Conflict, match=r"has not booted normally yet.*R3\.17") as refused:
            await desk.does(case, "confirm-boot")
        said.append(str(refused.value))
    await desk.beats(new)
    await desk.does(case, "confirm-boot")

    assert (
        "it has not pulled the config since the change, it has not applied the config, it is not reachable" in said[1]
    )
    assert "not pulled" not in said[2]
    assert "it has not applied the config" in said[2]
    assert "applied" not in said[3]
    assert "no heartbeat has come since the change" in said[3]


async def test_an_incomplete_boot_is_waited_for_without_a_word(desk: Desk) -> None:
    """R3.17: the clock confirms it when it is complete."""
    case, _, new = await _driving(desk)
    await desk.does(case, "change-registration")
    await new.boot()

    await desk.passes(minutes=2)

    assert await desk.state(case) == "registration-changed"
    assert "stuck" not in await desk.news(case)


async def test_collecting_without_a_confirmed_boot_needs_a_reason_and_is_marked(desk: Desk) -> None:
    """R3.17: closing without a confirmed boot is refused unless a reason is recorded."""
    case, _, _ = await _driving(desk)
    await desk.does(case, "change-registration")

    with pytest.raises(Invalid) as refused:
        await desk.does(case, "collect")
    await desk.does(case, "collect", reason="The line is down until Thursday.")
    await desk.does(case, "close", reason="The line is down until Thursday.")

    assert [fault.field for fault in refused.value.faults] == ["reason"]
    assert str(refused.value.faults[0]).startswith("No normal boot is confirmed.")
    assert told((await desk.has(case))["why"], "ja") == "The line is down until Thursday."
    move = await desk.row("SELECT data FROM exchange_move WHERE exchange = $1 AND event = 'collect'", case)
    assert move["data"]["boot"] == "not confirmed"
    assert "no heartbeat has come since the change" in [told(each, "en") for each in move["data"]["missing"]]


async def test_the_faulty_unit_is_not_collected_before_the_change(desk: Desk) -> None:
    """R3.16, R3.17."""
    case, _, _ = await _driving(desk)

    with pytest.raises(OutOfOrder, match="collect is out of order"):
        await desk.does(case, "collect", reason="In a hurry.")


async def test_the_registration_changes_when_the_response_starts(desk: Desk) -> None:
    """R3.16: the desk says when; a replacement that calls home first is not kept waiting (R3.6)."""
    case, _, new = await _driving(desk)
    await desk.passes(hours=3)
    assert await desk.state(case) == "driver-assigned"

    await new.ask_ls()
    await desk.passes(seconds=5)

    assert await desk.state(case) == "registration-changed"


async def test_a_rule_may_change_it_as_soon_as_a_driver_is_assigned(desk: Desk) -> None:
    """R3.16."""
    desk.rule = ChangeRule.AT_DISPATCH
    case, _, _ = await _driving(desk)

    await desk.passes(seconds=5)

    assert await desk.state(case) == "registration-changed"


async def test_a_driver_who_was_called_back_brings_the_unit_back(desk: Desk) -> None:
    """R3.8 forbids it only once the registration changed."""
    case, _, new = await _driving(desk)

    await desk.does(case, "withdraw", reason="It works again.")

    assert (await desk.state(case), await desk.stock(new)) == ("withdrawn", "in-stock")


async def test_a_spare_has_booted_when_it_was_seen(desk: Desk) -> None:
    """R3.17 for a standby code: it is given no config, so there is nothing to apply."""
    faulty, new = await desk.on("standby"), await desk.spare()
    case = (await desk.opens(faulty, Kind.ON_SITE)).id
    await desk.does(case, "recognise")
    await desk.does(case, "assign-driver", adapter=new.serial, driver="Suzuki")
    await desk.does(case, "change-registration")

    await new.ask_ls()
    await desk.passes(seconds=5)

    assert await desk.state(case) == "boot-confirmed"


async def _driving(desk: Desk):
    faulty, new = await desk.on(), await desk.spare()
    case = (await desk.opens(faulty, Kind.ON_SITE)).id
    await desk.does(case, "recognise")
    await desk.does(case, "assign-driver", adapter=new.serial, driver="Suzuki")
    return case, faulty, new


async def _nothing() -> None:
    pass
