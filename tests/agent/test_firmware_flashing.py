"""Writing firmware: one slot or two, power that goes, images that do not start or are never heard of again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.catalogue import MODELS
from agent.faults import Fault
from agent.fleet import Fleet
from agent.lifecycle import Stage
from controller.series import by_name
from protocol.arms.messages import ConfigSolicitationRequest

NEWER = "9.99"


@pytest.fixture
def dual(rows):
    """The first entry whose model keeps two images."""
    return next(row for row in rows if row.kind == "entry" and row.built_as.dual)


@pytest.fixture
def single(rows):
    return next(row for row in rows if row.kind == "entry" and not row.built_as.dual)


def test_emulated_models_have_the_slots_that_their_series_declares():
    declared = {model.name: model.name in by_name(model.series).firmware.dual for model in MODELS}

    assert declared == {model.name: model.dual for model in MODELS}


async def test_image_is_written_before_the_restart(arms, dual, settings, image, eventually):
    arms.offer(image(dual, NEWER), NEWER)
    async with Fleet([dual], settings) as fleet:
        adapter = fleet.find(dual.serial)
        await eventually(lambda: adapter.stage is Stage.FLASHING)
        assert adapter.version == dual.firmware

        await fleet.settled(deadline_s=15)

        assert (adapter.version, adapter.stage) == (NEWER, Stage.IN_SERVICE)


@pytest.mark.parametrize("by", ["fault", "plug"])
async def test_power_cut_while_two_slots_are_written_leaves_the_old_firmware(
    arms, dual, settings, image, eventually, by
):
    """The update goes on with the next boot (R4.2: the target stays until somebody takes it back)."""
    arms.offer(image(dual, NEWER), NEWER)
    async with Fleet([dual], settings) as fleet:
        adapter = fleet.find(dual.serial)
        if by == "fault":
            fleet.fault(dual.serial, Fault.POWER_CUT_FLASHING, 1)
        else:
            await eventually(lambda: adapter.stage is Stage.FLASHING)
            fleet.power_cycle(dual.serial)
        await fleet.settled(deadline_s=15)

        assert (adapter.version, adapter.stage) == (NEWER, Stage.IN_SERVICE)
    reported = [seen.message.firmware_info for seen in arms.requests(ConfigSolicitationRequest)]
    assert reported == [dual.firmware, dual.firmware, NEWER]


@pytest.mark.parametrize("by", ["fault", "plug"])
async def test_power_cut_while_the_only_slot_is_written_is_the_end_until_it_is_revived(
    arms, single, settings, image, eventually, by
):
    arms.offer(image(single, NEWER), NEWER)
    async with Fleet([single], settings) as fleet:
        adapter = fleet.find(single.serial)
        if by == "fault":
            fleet.fault(single.serial, Fault.POWER_CUT_FLASHING, 1)
        else:
            await eventually(lambda: adapter.stage is Stage.FLASHING)
            fleet.unplug(single.serial)
        await eventually(lambda: adapter.stage is Stage.DEAD)
        fleet.power_cycle(single.serial)
        assert adapter.stage is Stage.DEAD

        fleet.revive(single.serial)
        await fleet.settled(deadline_s=15)

        assert (adapter.version, adapter.stage) == (NEWER, Stage.IN_SERVICE)


async def test_image_that_does_not_start_leaves_two_slots_with_the_old_one(arms, dual, settings, image):
    arms.offer(image(dual, NEWER), NEWER)
    async with Fleet([dual], settings) as fleet:
        fleet.fault(dual.serial, Fault.BOOT_FAILURE, 1)
        await fleet.settled(deadline_s=15)
        adapter = fleet.find(dual.serial)

        assert (adapter.version, adapter.stage, adapter.boots) == (dual.firmware, Stage.IN_SERVICE, 2)
    assert len(arms.ranges) == 1  # it knows that it does not start, and does not fetch it again


async def test_image_that_does_not_start_is_the_end_of_the_only_slot(arms, single, settings, image):
    arms.offer(image(single, NEWER), NEWER)
    async with Fleet([single], settings) as fleet:
        fleet.fault(single.serial, Fault.BOOT_FAILURE, 1)
        await fleet.settled(deadline_s=15)

        assert fleet.find(single.serial).stage is Stage.DEAD


async def test_the_dead_are_dead_in_the_next_fleet_too(arms, single, settings, image, tmp_path):
    arms.offer(image(single, NEWER), NEWER)
    kept = replace(settings, state=tmp_path / "state")
    async with Fleet([single], kept) as fleet:
        fleet.fault(single.serial, Fault.BOOT_FAILURE, 1)
        await fleet.settled(deadline_s=15)
    async with Fleet([single], kept) as fleet:
        await fleet.settled(deadline_s=15)

        assert fleet.find(single.serial).stage is Stage.DEAD


async def test_version_that_never_calls_back_runs_and_says_nothing(arms, dual, settings, image):
    arms.offer(image(dual, NEWER), NEWER)
    async with Fleet([dual], settings) as fleet:
        fleet.fault(dual.serial, Fault.NEVER_CALLS_BACK)
        await fleet.settled(deadline_s=15)
        fleet.power_cycle(dual.serial)
        await fleet.settled(deadline_s=15)
        adapter = fleet.find(dual.serial)
        assert (adapter.version, adapter.stage) == (NEWER, Stage.MUTE)
        assert len(arms.requests(ConfigSolicitationRequest)) == 1

        fleet.fault(dual.serial, None)
        fleet.power_cycle(dual.serial)
        await fleet.settled(deadline_s=15)

        assert (adapter.version, adapter.stage) == (NEWER, Stage.IN_SERVICE)


async def test_full_disk_is_told_and_the_adapter_serves_with_what_it_has(arms, dual, settings, image):
    arms.offer(image(dual, NEWER), NEWER)
    async with Fleet([dual], settings) as fleet:
        fleet.fault(dual.serial, Fault.DISK_FULL)
        await fleet.settled(deadline_s=15)
        adapter = fleet.find(dual.serial)

        assert (adapter.version, adapter.stage) == (dual.firmware, Stage.IN_SERVICE)
        assert adapter.running_text == dual.config.encode()
    told = [seen.message.trigger for seen in arms.requests(ConfigSolicitationRequest)]
    assert told == ["power on boot", f"firmware {NEWER} refused: there is no room for its 200512 bytes"]


async def test_refusal_that_nobody_hears_does_not_keep_the_adapter_from_serving(arms, dual, settings, image):
    arms.offer(image(dual, NEWER), NEWER)
    answered = arms.config_solicitation
    arms.config_solicitation = lambda message: answered(message) if "refused" not in message.trigger else 1 / 0
    async with Fleet([dual], settings) as fleet:
        fleet.fault(dual.serial, Fault.DISK_FULL)
        await fleet.settled(deadline_s=15)

        assert fleet.find(dual.serial).stage is Stage.IN_SERVICE


async def test_download_goes_on_after_a_power_cut_where_it_was(arms, dual, settings, image, eventually):
    wanted = image(dual, NEWER)
    arms.offer(wanted, NEWER)
    slow = replace(settings, time_scale=0.005)  # the pause before the next try is long enough to pull the plug
    async with Fleet([dual], slow) as fleet:
        adapter = fleet.find(dual.serial)
        fleet.fault(dual.serial, Fault.CUT_DOWNLOAD, 1)
        await eventually(lambda: adapter.unfinished is not None and adapter.volatile.offer.tries == 1)
        await eventually(
            lambda: adapter.serial in {each.serial for each in fleet.adapters.values() if fleet.waits_s(each)}
        )

        fleet.power_cycle(dual.serial)
        await fleet.settled(deadline_s=30)

        assert adapter.version == NEWER
    assert arms.ranges == ["", str(len(wanted) // 2)]


async def test_server_without_room_is_asked_again_when_it_said_and_keeps_what_came(arms, dual, settings, image):
    wanted = image(dual, NEWER)
    arms.offer(wanted, NEWER)
    served, busy = arms.image, iter([False, True, True])
    arms.image = lambda head: (
        b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        if next(busy, False)
        else served(head)
    )
    async with Fleet([dual], settings) as fleet:
        fleet.fault(dual.serial, Fault.CUT_DOWNLOAD, 1)
        await fleet.settled(deadline_s=15)

        assert fleet.find(dual.serial).version == NEWER
    assert arms.ranges == ["", str(len(wanted) // 2)]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_image_that_is_not_for_it_any_more_is_asked_for_once(arms, dual, settings, image, status):
    """R4.3: a withdrawn one is no longer handed out; the next pull says what is wanted instead."""
    arms.offer(image(dual, NEWER), NEWER)
    arms.image = lambda _: f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    async with Fleet([dual], settings) as fleet:
        await fleet.settled(deadline_s=15)

        assert (fleet.find(dual.serial).version, fleet.find(dual.serial).stage) == (dual.firmware, Stage.IN_SERVICE)
    assert len([seen for seen in arms.seen if isinstance(seen.message, str)]) == 1
    assert arms.requests(ConfigSolicitationRequest)[-1].message.trigger.endswith(f"refused: HTTP status {status}")
