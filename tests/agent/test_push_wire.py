"""The tunnel from the adapter's end, against a scripted server over real TLS."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from agent.faults import Fault
from agent.fleet import Fleet
from agent.lifecycle import Stage
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    ConfigSolicitationRequest,
    GenericError,
    Kind,
    MdCommand,
    NoArguments,
    Ping,
    PullConfig,
    PullFrom,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushMethodQueryRequest,
    PushRequest,
    PushResponse,
    RsSolicitationRequest,
    Transactions,
)
from protocol.arms.tunnel import ACCEPTED, encode_message
from protocol.arms.xml import encode
from tests.agent.push_server import TRANSACTION, RecordingTunnel

VECTORS = Path(__file__).parent.parent / "vectors" / "arms"
SYSTEM = MdCommand(0, b"show system")


@pytest.fixture
def asked(rows):
    """asked(kind, arguments): a request to the first adapter."""

    def make(kind: Kind, arguments: object = NoArguments(), **other: object) -> PushRequest:
        from protocol.ids import DistributionId

        return PushRequest(kind, DistributionId.parse(rows[0].distribution_id), arguments, **other)

    return make


@pytest.fixture
async def one(push, pushed, rows, eventually):
    """The fleet of the first adapter alone, its tunnel up."""
    async with Fleet(rows[:1], pushed) as fleet:
        await eventually(lambda: push.up and fleet.find(rows[0].serial).stage is Stage.IN_SERVICE)
        yield fleet


async def test_adapter_serves_only_when_the_server_has_shown_that_it_can_push(push, pushed, rows, eventually):
    push.confirms = False
    async with Fleet(rows[:1], pushed) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: push.sessions and push.sessions[0].got)
        await asyncio.sleep(0.05)
        assert adapter.stage is Stage.CHECKING

        push.sessions[0].confirm(adapter.distribution_id)
        await eventually(lambda: adapter.stage is Stage.IN_SERVICE)

        assert push.sessions[0].got[-1] == PushConfirmationDone(ResultCode.SUCCESS, "Success", TRANSACTION)
        assert adapter.contact.state == "up"


async def test_header_and_records_are_the_real_clients(push, pushed, rows, authority, eventually):
    recorded = RecordingTunnel(authority.context())
    push.tunnel_port = recorded.port
    row = rows[0]
    async with Fleet([row], pushed) as fleet:
        adapter = fleet.find(row.serial)
        start = encode(PushConfirmationStart(ResultCode.SUCCESS, "Success", TRANSACTION))
        done = encode(PushConfirmationDoneRequest(adapter.distribution_id, TRANSACTION, "rs"))
        answers = {
            b"\r\n\r\n": [ACCEPTED],
            b"</arms-message>\r\n": [*encode_message(start, 1), *encode_message(done, 2)],
            b'type="push-confirmation-done"': [],
        }
        await asyncio.to_thread(recorded.serve, answers)

    header, *records = recorded.records
    assert _shape(header) == _shape((VECTORS / "tunnel.header.request.http").read_bytes())
    assert [re.sub(rb"[0-9]{4,}", b"N", record)[:60] for record in records] == [
        b"135;id=N;trail\r\n".replace(b"135", b"%x" % len(records[1])),
        b'<arms-message><arms-request type="push-confirmation-start"><'[:60],
        b"\r\n",
        b"%x;id=N;trail\r\n" % len(records[4]),
        b'<arms-message><arms-response type="push-confirmation-done"><'[:60],
        b"\r\n",
    ]


def _shape(header: bytes) -> bytes:
    return re.sub(rb"Basic [A-Za-z0-9+/=]+", b"Basic X", re.sub(rb":\d+\r\n", b":P\r\n", header))


async def test_tunnel_comes_from_the_adapters_own_address(push, one, rows):
    assert push.sessions[0].source == rows[0].ssh_address


async def test_synchronous_operation_is_answered_with_what_the_shell_prints(push, one, asked):
    answer = await push.sessions[0].ask(asked(Kind.MD_COMMAND, SYSTEM))

    assert (answer.result, answer.transaction_id) == (ResultCode.SUCCESS, None)
    assert b"Serial" in answer.value.body


async def test_asynchronous_operation_is_answered_twice_under_one_number(push, one, asked, eventually):
    started = await push.sessions[0].ask(asked(Kind.PING, Ping("192.0.2.1", 2)))
    await eventually(lambda: push.dones)

    assert (started.result, started.value) == (ResultCode.SUCCESS, None)
    assert (push.dones[0].transaction_id, push.dones[0].value.success) == (started.transaction_id, 2)
    async with asyncio.timeout(15):  # our answer to the report takes a moment to arrive
        while (await push.sessions[0].ask(asked(Kind.CHECK_TRANSACTION))).value != Transactions((0,)):
            pass


async def test_requests_are_answered_one_after_the_other(push, one, asked, eventually):
    session, before = push.sessions[0], len(push.sessions[0].got)
    for kind in (Kind.READ_MODULE_LIST, Kind.DUMP_DEBUG, Kind.CHECK_TRANSACTION):
        session.send(encode(asked(kind)))
    await eventually(lambda: len(session.got) == before + 3)

    kinds = [answer.kind for answer in session.got[before:]]
    assert kinds == [Kind.READ_MODULE_LIST, Kind.DUMP_DEBUG, Kind.CHECK_TRANSACTION]


async def test_answer_without_its_number_is_a_new_request_and_the_transaction_stays_open(push, one, asked, eventually):
    push.done_answers = [None]
    session = push.sessions[0]
    await session.ask(asked(Kind.PING, Ping("192.0.2.1", 1)))
    await eventually(lambda: push.dones)
    nameless = (
        b"<arms-message><arms-response type='ping-done'><result-code>100</result-code><description>ok</description>"
    )

    answer = await session.ask(nameless.replace(b"'", b'"') + b"</arms-response></arms-message>")
    live = await session.ask(asked(Kind.CHECK_TRANSACTION))

    assert answer == GenericError(ResultCode.INVALID_MESSAGE_TYPE, "Invalid message type")
    assert live.value.ids == (0, push.dones[0].transaction_id)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b"</md-command-request>", b"</wrong>"), ResultCode.INVALID_XML),
        ((b"<md-command-request>", b"<other>"), ResultCode.INVALID_XML),
        ((b'<md-command id="0">show system</md-command>', b""), ResultCode.INVALID_PARAMETER),
        ((b"0001-", b"0002-"), ResultCode.DISTRIBUTION_ID_MISMATCH),
    ],
)
async def test_wrong_request_is_answered_with_its_type_and_a_code(push, one, asked, change, code):
    answer = await push.sessions[0].ask(encode(asked(Kind.MD_COMMAND, SYSTEM)).replace(*change))

    assert isinstance(answer, PushResponse)
    assert (answer.kind, answer.result, answer.value) == (Kind.MD_COMMAND, code, None)


async def test_unknown_type_gets_a_generic_error(push, one, asked):
    answer = await push.sessions[0].ask(encode(asked(Kind.DUMP_DEBUG)).replace(b"dump-debug", b"dance"))

    assert answer == GenericError(ResultCode.INVALID_MESSAGE_TYPE, "Invalid message type")


async def test_refused_start_has_a_number_that_nobody_hears_of_again(push, one, asked):
    request = encode(asked(Kind.PING, Ping("192.0.2.1"))).replace(b"<address>192.0.2.1</address>", b"")
    answer = await push.sessions[0].ask(request)
    live = await push.sessions[0].ask(asked(Kind.CHECK_TRANSACTION))

    assert (answer.result, answer.transaction_id is None) == (ResultCode.INVALID_PARAMETER, False)
    assert live.value.ids == (0,)


async def test_echo_goes_out_every_interval_and_its_answer_keeps_the_tunnel(push, pushed, rows, eventually):
    push.echo_interval = 500  # a second of ours
    async with Fleet(rows[:1], pushed):
        await eventually(lambda: push.sessions and push.sessions[0].echoes == 2)

        assert len(push.sessions) == 1
        assert not push.sessions[0].ended


async def test_unanswered_echo_makes_it_connect_again(push, pushed, rows, eventually):
    push.echo_interval, push.answers_echoes = 500, False
    async with Fleet(rows[:1], pushed) as fleet:
        await eventually(lambda: len(push.sessions) == 2 and push.sessions[1].is_confirmed)

        assert push.sessions[0].echoes == 1
        assert fleet.find(rows[0].serial).stage is Stage.IN_SERVICE


@pytest.mark.parametrize("end", ["end", "close"])
async def test_tunnel_that_the_server_ends_is_made_again(push, one, rows, eventually, end):
    getattr(push.sessions[0], end)()
    await eventually(lambda: len(push.up) == 1 and len(push.sessions) == 2)

    assert one.find(rows[0].serial).stage is Stage.IN_SERVICE
    assert len(push.requests(ConfigSolicitationRequest)) == 1


async def test_refused_tunnel_is_tried_as_often_as_told_then_the_config_is_pulled_again(push, pushed, rows, eventually):
    push.tunnel_statuses = [403] * 3  # retry_max is 2
    async with Fleet(rows[:1], pushed) as fleet:
        await eventually(lambda: fleet.find(rows[0].serial).stage is Stage.IN_SERVICE)

    pulls = push.requests(ConfigSolicitationRequest)
    assert [pull.message.trigger for pull in pulls] == ["power on boot", "connection to the management server failed"]
    assert len(push.headers) == 4


@pytest.mark.parametrize("status", [403, 503])
async def test_lost_tunnel_is_tried_without_end(push, one, rows, eventually, status):
    push.tunnel_statuses = [status] * 8
    push.sessions[0].close()
    await eventually(lambda: len(push.up) == 1 and not push.tunnel_statuses)

    assert one.find(rows[0].serial).stage is Stage.IN_SERVICE
    assert len(push.requests(ConfigSolicitationRequest)) == 1


async def test_two_urls_are_two_tunnels_and_one_alone_is_made_again(push, pushed, rows, eventually):
    push.tunnel_paths = ("/tunnel", "/tunnel/2")
    async with Fleet(rows[:1], pushed):
        await eventually(lambda: {each.path for each in push.up} == {"/tunnel", "/tunnel/2"})
        other = next(each for each in push.up if each.path == "/tunnel/2")

        next(each for each in push.up if each.path == "/tunnel").close()
        await eventually(lambda: len(push.sessions) == 3 and len(push.up) == 2)

        assert not other.ended


@pytest.mark.parametrize("code", [ResultCode.INVALID_PARAMETER, ResultCode.PUSH_FAILED, ResultCode.INVALID_TYPE])
async def test_some_answers_to_the_confirmation_make_it_pull_at_once(push, pushed, rows, eventually, code):
    push.confirmation_codes = [code]
    async with Fleet(rows[:1], pushed) as fleet:
        await eventually(lambda: fleet.find(rows[0].serial).stage is Stage.IN_SERVICE)

        assert len(push.requests(ConfigSolicitationRequest)) == 2
        assert fleet.find(rows[0].serial).boots == 1


@pytest.mark.parametrize("code", [ResultCode.SERVER_BUSY, ResultCode.NOT_FOUND])
async def test_busy_server_is_asked_to_confirm_again_after_a_wait(push, pushed, rows, eventually, code):
    push.confirmation_codes = [code]
    async with Fleet(rows[:1], pushed) as fleet:
        await eventually(lambda: fleet.find(rows[0].serial).stage is Stage.IN_SERVICE)

    assert len(push.requests(ConfigSolicitationRequest)) == 1
    assert push.sessions[0].ended == "zero chunk"


async def test_confirmation_can_order_a_restart_or_the_end(push, pushed, rows, eventually):
    push.confirmation_codes = [ResultCode.NEED_REBOOT, ResultCode.OUT_OF_SERVICE]
    async with Fleet(rows[:1], pushed) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: adapter.stage is Stage.OUT_OF_SERVICE)

        assert adapter.boots == 2
        assert fleet.waits_s(adapter) is None


async def test_confirmation_of_another_number_is_refused(push, one, rows):
    adapter = one.find(rows[0].serial)
    answer = await push.sessions[0].ask(encode(PushConfirmationDoneRequest(adapter.distribution_id, 7, "rs")))

    assert (answer.result, answer.transaction_id) == (ResultCode.TRANSACTION_FAILURE, 7)


@pytest.mark.parametrize("source", PullFrom)
async def test_pull_config_ends_the_tunnel_and_pulls(push, one, rows, asked, eventually, source):
    answer = await push.sessions[0].ask(asked(Kind.PULL_CONFIG, PullConfig(source)))
    await eventually(lambda: len(push.up) == 1 and len(push.sessions) == 2)

    assert answer.result is ResultCode.SUCCESS
    assert push.sessions[0].ended == "zero chunk"
    assert push.requests(ConfigSolicitationRequest)[-1].message.trigger == "Pull requested by RS"
    assert len(push.requests(RsSolicitationRequest)) == (2 if source is PullFrom.LS else 1)


async def test_reboot_is_answered_before_it_happens(push, one, rows, asked, eventually):
    answer = await push.sessions[0].ask(asked(Kind.REBOOT))
    await eventually(lambda: len(push.up) == 1 and len(push.sessions) == 2)

    assert answer.result is ResultCode.SUCCESS
    assert push.sessions[0].ended == "zero chunk"
    assert one.find(rows[0].serial).boots == 2


@pytest.mark.parametrize(
    ("code", "pulls", "boots"),
    [
        (ResultCode.INVALID_PARAMETER, 2, 1),
        (ResultCode.PUSH_FAILED, 2, 1),
        (ResultCode.NEED_REBOOT, 2, 2),
        (ResultCode.SERVER_BUSY, 1, 1),
    ],
)
async def test_answer_to_an_outcome_can_order_something(push, one, rows, asked, eventually, code, pulls, boots):
    push.done_answers = [None]
    await push.sessions[0].ask(asked(Kind.PING, Ping("192.0.2.1", 1)))
    await eventually(lambda: push.dones)
    number = b"<transaction-id>%d</transaction-id>" % push.dones[0].transaction_id
    push.sessions[0].send(
        b'<arms-message><arms-response type="ping-done">%b<result-code>%d</result-code><description>x</description>'
        b"<ping-done-response></ping-done-response></arms-response></arms-message>" % (number, code)
    )
    adapter = one.find(rows[0].serial)
    await eventually(lambda: len(push.requests(ConfigSolicitationRequest)) == pulls and adapter.boots == boots)
    await eventually(lambda: len(push.up) == 1 and not adapter.contact.transactions)


async def test_outcome_is_reported_through_the_next_tunnel_when_the_first_broke(push, one, asked, eventually):
    push.done_answers = [None]
    started = await push.sessions[0].ask(asked(Kind.PING, Ping("192.0.2.1", 1)))
    await eventually(lambda: push.dones)
    push.sessions[0].close()
    await eventually(lambda: len(push.dones) == 2)

    assert {done.transaction_id for done in push.dones} == {started.transaction_id}
    assert len(push.sessions) == 2


async def test_unplugged_it_breaks_off_at_once_and_leaves_no_task(push, one, rows, asked, eventually):
    adapter, session = one.find(rows[0].serial), push.sessions[0]
    adapter.faults.set(Fault.SLOW_COMMAND)
    session.send(encode(asked(Kind.MD_COMMAND, SYSTEM)))
    await eventually(lambda: adapter.contact.is_busy)
    contact = adapter.contact

    one.unplug(rows[0].serial)
    await eventually(lambda: session.ended == "closed")

    assert adapter.contact is None
    assert (contact.tunnels, contact.pulse) == ({}, None)
    assert not [task for task in asyncio.all_tasks() if "agent" in repr(task.get_coro()) and not task.done()]


async def test_fleet_that_ended_in_good_order_makes_its_tunnels_again(push, pushed, rows, tmp_path, eventually):
    kept = replace(pushed, state=tmp_path / "state")
    async with Fleet(rows[:2], kept):
        await eventually(lambda: len(push.up) == 2)
    await eventually(lambda: not push.up)

    async with Fleet(rows[:2], kept) as fleet:
        assert fleet.is_settled()
        await eventually(lambda: len(push.up) == 2)

    assert len(push.requests(ConfigSolicitationRequest)) == 2


async def test_fleet_without_push_only_pulls(push, pushed, rows):
    async with Fleet(rows[:1], replace(pushed, push=False)) as fleet:
        await fleet.settled(deadline_s=10)

        assert fleet.find(rows[0].serial).stage is Stage.IN_SERVICE
        assert fleet.find(rows[0].serial).contact is None
    assert push.requests(PushMethodQueryRequest)
    assert not push.headers
