"""A withdrawn version is out of every choice and download at once; those who run it go on, and are listed (R4.3)."""

from __future__ import annotations

import pytest

from controller.domain.errors import Conflict, ControllerError, Invalid
from controller.domain.firmware import Image
from controller.services import firmware_offer, firmware_withdrawal
from controller.store import firmware, pulls
from controller.store import firmware_withdrawal as store
from protocol.ids import DistributionId
from tests.services.updating import Updating

WHY = "It loses routes."


async def told(updating: Updating, serial: str, running: str) -> firmware_offer.Firmware:
    of = await updating.row("SELECT distribution_id FROM adapter WHERE serial = $1", serial)
    row = await pulls.by_distribution_id(updating.registry.db, DistributionId(of["distribution_id"].int))
    assert row is not None
    return await firmware_offer.offer(updating.registry.db, row, running)


async def withdraw(updating: Updating, version: str) -> firmware_withdrawal.Withdrawn:
    who = updating.registry.administrator
    return await firmware_withdrawal.withdraw(
        updating.registry.db, "seil8", version, WHY, caller=who, now=updating.registry.clock.forward(seconds=1)
    )


async def test_who_runs_it_goes_on_and_is_listed_and_who_was_to_run_it_is_not_given_it(updating: Updating) -> None:
    """R4.3: updates that do not flash end, targets are cleared, an audit row each, news for the contract, a notice."""
    await updating.release("3.50")
    await updating.release("3.51", code_name="Etude")
    (ordered, serial), (runs_it, runner) = await updating.adapter(), await updating.adapter("3.51")
    update = await updating.order(ordered, "3.51")
    assert (await told(updating, serial, "3.40")).version == "3.51"

    done = await withdraw(updating, "3.51")

    assert (done.updates, done.newest) == (1, "3.50") and "3.50" in done.notice.ja and "Etude" in done.notice.en
    assert (await updating.state(update))[0] == "cancelled" and await updating.target(ordered) in (None, "3.40")
    assert (await told(updating, serial, "3.40")).version == "3.40", "what it runs"
    running = await store.runners(updating.registry.db, "seil8", "3.51", contract=None, after=None, limit=10)
    assert runner in [row["serial"] for row in running]
    assert await store.runners(updating.registry.db, "seil8", "3.51", contract="C2", after=None, limit=10) == []
    news = await updating.row(
        "SELECT payload FROM outbox WHERE topic = 'firmware.withdrawn' AND subject = 'seil8 3.51'"
    )
    assert news["payload"]["contract"] == "C1" and news["payload"]["why"] == WHY
    with pytest.raises(ControllerError):
        await updating.order(runs_it, "3.51")


async def test_a_code_whose_target_it_was_has_none_and_its_adapter_is_told_what_it_runs(updating: Updating) -> None:
    """R4.3: also when a swap (R3.14) chose it in the very moment in which it was withdrawn."""
    await updating.release("3.52")
    code, serial = await updating.adapter()
    await updating.run("UPDATE code SET firmware_target = '3.52' WHERE code = $1", code)
    await withdraw(updating, "3.52")
    assert await updating.target(code) is None
    await updating.run("UPDATE code SET firmware_target = '3.52' WHERE code = $1", code)

    assert await told(updating, serial, "3.41") == firmware_offer.Firmware("3.41", None)
    assert await firmware_withdrawal.sweep(updating.registry.db, updating.now) == 1

    assert await updating.target(code) is None
    trail = await updating.row(
        "SELECT count(*) FROM audit WHERE subject = $1 AND detail ->> 'because' IS NOT NULL", code
    )
    assert trail["count"] == 2
    assert await firmware_withdrawal.sweep(updating.registry.db, updating.now) == 0


async def test_it_needs_a_reason_and_is_done_once(updating: Updating) -> None:
    """R4.3: with reason and date."""
    await updating.release("3.53")
    with pytest.raises(Invalid, match="reason"):
        await firmware_withdrawal.preview(updating.registry.db, "seil8", "3.53", " ", now=updating.now)

    await withdraw(updating, "3.53")

    with pytest.raises(Conflict, match="already"):
        await withdraw(updating, "3.53")


async def test_an_adapter_is_offered_the_highest_step_that_it_can_take(updating: Updating) -> None:
    """R4.1, R3.14: a target that needs a higher version than the adapter runs is reached through those in between."""
    for version, low in (("3.60", None), ("3.61", "3.59"), ("3.62", "3.60")):
        await updating.release(version, from_lowest=low)
    code, serial = await updating.adapter()
    await updating.run("UPDATE code SET firmware_target = '3.62' WHERE code = $1", code)

    offered = [(await told(updating, serial, running)).version for running in ("3.40", "3.60", "3.61", "3.62", "odd")]

    assert offered == ["3.60", "3.62", "3.62", "3.62", "odd"]


@pytest.mark.parametrize("revision", ["", "rev9", "rev10", "Rev.9", "rev-9", "a10b2", "a010b2", "9", "10", "B", "b1x"])
async def test_the_database_judges_hardware_as_the_rules_do(updating: Updating, revision: str) -> None:
    """R3.14: the newest for the hardware, whoever looks for it."""
    for lowest in ("", "rev9", "rev10", "rev.9", "a10b2", "9", "B", "b1"):
        found = await updating.row("SELECT firmware_fits('{}', '{}', $1, 'SEIL/X4', $2) AS fits", lowest, revision)
        image = Image("seil8", "3.42", "", 1, hardware_lowest=lowest)
        assert found["fits"] is image.fits("seil8", "SEIL/X4", revision), lowest


async def test_the_notice_names_what_came_after_the_withdrawal(updating: Updating) -> None:
    """R4.3, R5.3: the draft tells what holds when it is read."""
    await updating.release("7.10", models=["SEIL/BPV4"])
    await updating.run("UPDATE firmware_release SET models = '{SEIL/X4}' WHERE version NOT IN ('7.10')")
    await withdraw(updating, "7.10")
    row = await firmware.one(updating.registry.db, "seil8", "7.10")
    assert row is not None and "We will tell you" in (await firmware_withdrawal.notice(updating.registry.db, row)).en

    await updating.release("7.11", models=["SEIL/BPV4"])

    drafted = await firmware_withdrawal.notice(updating.registry.db, row)
    assert "7.11" in drafted.en and "7.11" in drafted.ja and "We will tell you" not in drafted.en
