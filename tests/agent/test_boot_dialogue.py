"""An adapter's way into service, against a real ARMS server over real TLS."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.faults import Fault
from agent.fleet import Fleet, Settings
from agent.lifecycle import Stage
from protocol.arms.codes import ResultCode
from protocol.arms.messages import ConfigSolicitationRequest, PushMethodQueryRequest, RsSolicitationRequest


async def test_every_plugged_adapter_pulls_its_own_config_byte_for_byte(arms, rows, settings):
    async with Fleet(rows, settings) as fleet:
        await fleet.settled(deadline_s=20)

        for row in rows:
            adapter = fleet.find(row.serial)
            assert adapter.stage is Stage.IN_SERVICE
            assert adapter.running_text == row.config.encode()
            assert adapter.last_answer == "query: 100 Success"


async def test_each_step_uses_the_key_and_the_address_that_belong_to_it(arms, rows, settings):
    row = rows[0]
    async with Fleet([row], settings) as fleet:
        await fleet.settled(deadline_s=10)

    ls, rs, query = arms.seen
    assert (ls.key, rs.key, query.key) == (row.ls_sa_key, "rs-key-of-the-tests", "rs-key-of-the-tests")
    assert {seen.source for seen in arms.seen} == {row.ssh_address}
    assert {seen.who for seen in arms.seen} == {row.distribution_id}
    assert isinstance(ls.message, RsSolicitationRequest)
    assert isinstance(query.message, PushMethodQueryRequest)
    assert isinstance(rs.message, ConfigSolicitationRequest)
    assert rs.message.firmware_info == row.firmware
    assert rs.message.trigger == "power on boot"


async def test_requests_look_like_the_real_clients_on_the_wire(arms, rows, settings):
    async with Fleet(rows[:1], settings) as fleet:
        await fleet.settled(deadline_s=10)

    lines = arms.seen[0].raw.split(b"\r\n")
    assert lines[0] == b"POST /ls HTTP/1.0"
    assert lines[1] == b"Content-Type: text/xml"
    assert lines[2].startswith(b"Content-Length: ")
    assert lines[3].startswith(b"Authorization: Basic ")
    assert lines[4] == b""
    assert lines[5].startswith(b'<arms-message><arms-request type="rs-solicitation">')


async def test_stand_by_adapter_asks_again_and_serves_once_it_is_an_entry(arms, rows, settings, eventually):
    arms.answers[ConfigSolicitationRequest] = [ResultCode.SA_STAND_BY] * 2
    async with Fleet(rows[:1], settings) as fleet:
        await fleet.settled(deadline_s=10)
        assert fleet.adapters[rows[0].serial].stage is Stage.STANDBY

        await eventually(lambda: fleet.find(rows[0].serial).stage is Stage.IN_SERVICE)

    assert len(arms.requests(ConfigSolicitationRequest)) == 3
    assert len(arms.requests(RsSolicitationRequest)) == 1


async def test_resolve_server_that_keeps_refusing_sends_the_adapter_back_to_ls(arms, rows, settings, eventually):
    arms.answers[ConfigSolicitationRequest] = [ResultCode.AUTHENTICATION_FAILED] * 3
    async with Fleet(rows[:1], settings) as fleet:
        await eventually(lambda: fleet.find(rows[0].serial).stage is Stage.IN_SERVICE)

    asked = [type(seen.message) for seen in arms.seen]
    assert asked[:4] == [RsSolicitationRequest, *([ConfigSolicitationRequest] * 3)]
    assert asked[4:] == [RsSolicitationRequest, ConfigSolicitationRequest, PushMethodQueryRequest]


@pytest.mark.parametrize("code", [ResultCode.SERVER_BUSY, ResultCode.SA_BUSY, ResultCode.DISTRIBUTION_ID_NOT_FOUND])
async def test_refusing_location_server_is_asked_again_after_a_wait(arms, rows, settings, code, eventually):
    arms.answers[RsSolicitationRequest] = [code]
    async with Fleet(rows[:1], settings) as fleet:
        await eventually(lambda: fleet.find(rows[0].serial).stage is Stage.IN_SERVICE)

    assert len(arms.requests(RsSolicitationRequest)) == 2


async def test_out_of_service_ends_it_until_the_next_power_cycle(arms, rows, settings, eventually):
    arms.answers[ConfigSolicitationRequest] = [ResultCode.OUT_OF_SERVICE]
    serial = rows[0].serial
    async with Fleet(rows[:1], settings) as fleet:
        await eventually(lambda: fleet.find(serial).stage is Stage.OUT_OF_SERVICE)
        assert fleet.waits_s(fleet.find(serial)) is None

        fleet.power_cycle(serial)
        await eventually(lambda: fleet.find(serial).stage is Stage.IN_SERVICE)


@pytest.mark.parametrize("code", [ResultCode.INVALID_PARAMETER, ResultCode.NEED_REBOOT])
async def test_some_codes_make_it_restart(arms, rows, settings, code, eventually):
    arms.answers[ConfigSolicitationRequest] = [code]
    async with Fleet(rows[:1], settings) as fleet:
        await eventually(lambda: fleet.find(rows[0].serial).stage is Stage.IN_SERVICE)

        assert fleet.find(rows[0].serial).boots == 2


async def test_failed_report_leaves_it_in_service_and_is_repeated(arms, rows, settings, eventually):
    arms.answers[PushMethodQueryRequest] = [ResultCode.NOT_SUPPORTED] * 2
    async with Fleet(rows[:1], settings) as fleet:
        await fleet.settled(deadline_s=10)
        adapter = fleet.find(rows[0].serial)
        assert adapter.stage is Stage.IN_SERVICE

        await eventually(lambda: adapter.last_answer == "query: 100 Success")

    assert len(arms.requests(ConfigSolicitationRequest)) == 1


async def test_server_under_another_root_is_not_believed(arms, rows, settings, tmp_path, authority, eventually):
    stranger = type(authority).new(tmp_path)
    async with Fleet(rows[:1], replace(settings, ls_anchor=stranger.pem)) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: adapter.last_answer)

        assert "certificate was not accepted" in adapter.last_answer
        assert not arms.seen


async def test_location_server_of_the_wrong_name_is_not_believed(arms, rows, settings, authority, eventually):
    server = await asyncio.start_server(arms.handle, "127.0.0.1", 0, ssl=authority.context("Any Server"))
    port = server.sockets[0].getsockname()[1]
    async with Fleet(rows[:1], replace(settings, ls_url=f"https://127.0.0.1:{port}/ls")) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: adapter.last_answer)

        assert "CN='Any Server'" in adapter.last_answer
    server.close()


async def test_unplugged_in_the_middle_it_does_nothing_more(arms, rows, settings, eventually):
    arms.answers[RsSolicitationRequest] = [ResultCode.SERVER_BUSY] * 100
    async with Fleet(rows, settings) as fleet:
        await eventually(lambda: arms.seen)
        fleet.unplug()

        assert fleet.counts() == {Stage.OFF: len(rows)}
        assert {fleet.waits_s(adapter) for adapter in fleet.adapters.values()} == {None}


async def test_power_cut_takes_config_log_and_resolve_server(arms, rows, settings):
    serial = rows[0].serial
    async with Fleet(rows[:1], settings) as fleet:
        await fleet.settled(deadline_s=10)
        adapter = fleet.find(serial)

        fleet.unplug(serial)

        assert (adapter.running_text, adapter.log_lines, adapter.volatile.server) == (b"", None, None)
        assert adapter.version == rows[0].firmware


async def test_config_newer_than_the_firmware_is_discarded_and_fetched_again(arms, rows, settings, one_of, eventually):
    row = replace(one_of("seil8"), config="hostname: a\ndns-forwarder.over-tls: enable\n")
    arms.rows[row.distribution_id] = row
    async with Fleet([row], settings) as fleet:
        await eventually(lambda: len(arms.requests(ConfigSolicitationRequest)) >= 3)

        assert fleet.find(row.serial).running_text == b""
        assert arms.requests(ConfigSolicitationRequest)[1].message.trigger == "previous configuration invalid"

        arms.rows[row.distribution_id] = replace(row, config="hostname: a\n")
        await eventually(lambda: fleet.find(row.serial).stage is Stage.IN_SERVICE)


async def test_rebooting_in_a_loop_ends_when_the_fault_is_taken_back(arms, rows, settings, eventually):
    serial = rows[0].serial
    async with Fleet(rows[:1], settings) as fleet:
        adapter = fleet.fault(serial, Fault.REBOOT_LOOP)
        await eventually(lambda: adapter.boots >= 3)

        fleet.fault(serial, None)
        await eventually(lambda: fleet.find(serial).stage is Stage.IN_SERVICE)
        await eventually(lambda: fleet.waits_s(adapter) is None)

        assert adapter.stage is Stage.IN_SERVICE


async def test_unreachable_server_is_named_and_asked_again(rows, authority, eventually):
    settings = Settings(ls_url="https://127.0.0.1:1/ls", ls_anchor=authority.pem, time_scale=0.001)
    async with Fleet(rows[:1], settings) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: adapter.log_count >= 4)

        assert adapter.last_answer.startswith("LS: connection failed")
        assert adapter.stage is Stage.BOOTING
