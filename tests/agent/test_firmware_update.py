"""Firmware: fetched over real TLS, resumed, checked, begun with; and everything that must be turned down."""

from __future__ import annotations

import pytest

from agent.faults import Fault
from agent.fleet import Fleet
from agent.lifecycle import Stage
from agent.update import DOWNLOAD_TRIES
from protocol.arms.messages import ConfigSolicitationRequest


@pytest.fixture
def log_of():
    return lambda adapter: "\n".join(line.text for line in adapter.log_lines or ())


async def test_ordered_version_is_fetched_and_reported_after_the_restart(arms, rows, settings, image):
    arms.offer(image(rows[0], "7.99"), "7.99")
    async with Fleet(rows[:1], settings) as fleet:
        await fleet.settled(deadline_s=15)
        adapter = fleet.find(rows[0].serial)

        assert (adapter.version, adapter.stage, adapter.boots) == ("7.99", Stage.IN_SERVICE, 2)
        reported = [seen.message.firmware_info for seen in arms.requests(ConfigSolicitationRequest)]
        assert reported == [rows[0].firmware, "7.99"]
        assert adapter.running_text == rows[0].config.encode()


async def test_image_is_asked_for_with_the_key_of_the_registration(arms, rows, settings, image):
    arms.offer(image(rows[0], "7.99"), "7.99")
    async with Fleet(rows[:1], settings) as fleet:
        await fleet.settled(deadline_s=15)

    asked = next(seen for seen in arms.seen if isinstance(seen.message, str))
    assert (asked.who, asked.key, asked.source) == (rows[0].distribution_id, "rs-key-of-the-tests", rows[0].ssh_address)


async def test_version_that_runs_already_is_not_fetched(arms, rows, settings, image):
    arms.offer(image(rows[0], rows[0].firmware), rows[0].firmware)
    async with Fleet(rows[:1], settings) as fleet:
        await fleet.settled(deadline_s=15)

    assert arms.ranges == []


async def test_cut_download_goes_on_where_it_broke(arms, rows, settings, image):
    arms.offer(image(rows[0], "7.99"), "7.99")
    async with Fleet(rows[:1], settings) as fleet:
        fleet.fault(rows[0].serial, Fault.CUT_DOWNLOAD, 2)
        await fleet.settled(deadline_s=15)

        assert fleet.find(rows[0].serial).version == "7.99"
    size = len(image(rows[0], "7.99"))
    assert arms.ranges == ["", str(size // 2), str(size // 2 + size // 4)]


async def test_image_that_changed_between_two_parts_is_fetched_anew(arms, rows, settings, image):
    wanted = image(rows[0], "7.99")
    arms.offer(wanted, "7.99")
    tags = iter(['"first"', '"second"', '"second"', '"second"'])
    arms.etag_of = lambda _: next(tags)
    async with Fleet(rows[:1], settings) as fleet:
        fleet.fault(rows[0].serial, Fault.CUT_DOWNLOAD, 1)
        await fleet.settled(deadline_s=15)

        assert fleet.find(rows[0].serial).version == "7.99"
    assert arms.ranges == ["", str(len(wanted) // 2)]  # the second answer was 200 with the whole


async def test_rest_of_another_image_is_not_glued_to_the_first_part(arms, rows, settings, image):
    """Some servers answer If-Range with 206 although the tag differs (aiohttp 3.14.5 does)."""
    wanted = image(rows[0], "7.99")
    arms.offer(wanted, "7.99")
    arms.ignores_if_range = True
    tags = iter(['"first"', '"second"', '"second"'])
    arms.etag_of = lambda _: next(tags)
    async with Fleet(rows[:1], settings) as fleet:
        fleet.fault(rows[0].serial, Fault.CUT_DOWNLOAD, 1)
        await fleet.settled(deadline_s=15)

        assert fleet.find(rows[0].serial).version == "7.99"
    assert arms.ranges == ["", str(len(wanted) // 2), ""]


async def test_one_spoilt_byte_is_noticed_and_the_next_download_is_right(arms, rows, settings, image):
    arms.offer(image(rows[0], "7.99"), "7.99")
    async with Fleet(rows[:1], settings) as fleet:
        fleet.fault(rows[0].serial, Fault.CORRUPT_DOWNLOAD, 1)
        await fleet.settled(deadline_s=15)

        assert fleet.find(rows[0].serial).version == "7.99"
    assert arms.ranges == ["", ""]


async def test_always_spoilt_image_is_given_up_and_the_adapter_serves_with_what_it_has(
    arms, rows, settings, image, log_of
):
    arms.offer(image(rows[0], "7.99"), "7.99")
    async with Fleet(rows[:1], settings) as fleet:
        fleet.fault(rows[0].serial, Fault.CORRUPT_DOWNLOAD)
        await fleet.settled(deadline_s=15)
        adapter = fleet.find(rows[0].serial)

        assert (adapter.version, adapter.stage) == (rows[0].firmware, Stage.IN_SERVICE)
        assert adapter.running_text == rows[0].config.encode()
        assert "refused: the sha256 is not the one in the URL" in log_of(adapter)
    assert len(arms.ranges) == DOWNLOAD_TRIES


@pytest.mark.parametrize(
    ("made_for", "reason"),
    [({"series": "seil6"}, "the image is seil6"), ({"models": ("SEIL/X9",)}, "['SEIL/X9']")],
)
async def test_image_for_other_hardware_is_refused_after_its_header(
    arms, rows, settings, image, log_of, made_for, reason
):
    arms.offer(image(rows[0], "7.99", **made_for), "7.99")
    async with Fleet(rows[:1], settings) as fleet:
        await fleet.settled(deadline_s=15)
        adapter = fleet.find(rows[0].serial)

        assert (adapter.version, adapter.stage) == (rows[0].firmware, Stage.IN_SERVICE)
        assert reason in log_of(adapter)
    assert len(arms.ranges) == 1


async def test_image_of_another_version_than_ordered_is_refused(arms, rows, settings, image, log_of):
    arms.offer(image(rows[0], "7.98"), "7.99")
    async with Fleet(rows[:1], settings) as fleet:
        await fleet.settled(deadline_s=15)

        assert "the image is version 7.98, ordered was 7.99" in log_of(fleet.find(rows[0].serial))
        assert fleet.find(rows[0].serial).version == rows[0].firmware


async def test_download_that_always_breaks_is_given_up_but_not_refused(arms, rows, settings, image, log_of):
    """R4.2: what came is kept, and it goes on when it is told to pull, or boots."""
    arms.offer(image(rows[0], "7.99"), "7.99")
    async with Fleet(rows[:1], settings) as fleet:
        fleet.fault(rows[0].serial, Fault.CUT_DOWNLOAD)
        await fleet.settled(deadline_s=15)

        adapter = fleet.find(rows[0].serial)
        assert (adapter.version, adapter.stage) == (rows[0].firmware, Stage.IN_SERVICE)
        assert "not fetched: the connection was cut" in log_of(adapter)
        assert adapter.unfinished is not None
        tries = len(arms.ranges)
        assert tries == DOWNLOAD_TRIES
        fleet.fault(adapter.serial, None)
        fleet.power_cycle(adapter.serial)
        await fleet.settled(deadline_s=15)

        assert adapter.version == "7.99"
    assert len(arms.ranges) == tries + 1 and arms.ranges[-1] != ""


async def test_refused_version_is_tried_again_after_a_power_cycle(arms, rows, settings, image):
    arms.offer(image(rows[0], "7.99"), "7.99")
    serial = rows[0].serial
    async with Fleet(rows[:1], settings) as fleet:
        fleet.fault(serial, Fault.CORRUPT_DOWNLOAD)
        await fleet.settled(deadline_s=15)
        fleet.fault(serial, None)
        fleet.power_cycle(serial)
        await fleet.settled(deadline_s=15)

        assert fleet.find(serial).version == "7.99"
