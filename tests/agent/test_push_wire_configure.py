"""The order of things around a pushed config: commit, reconnect, outcome, and the ways back."""

from __future__ import annotations

import pytest

from agent.faults import Fault
from agent.fleet import Fleet
from agent.lifecycle import Stage
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    ConfigSolicitationRequest,
    DoneRequest,
    Kind,
    NoArguments,
    PushConfirmationDone,
    PushConfirmationStartRequest,
    PushRequest,
)
from tests.agent.push_server import configure


@pytest.fixture
async def one(push, pushed, rows, eventually):
    """The first adapter, its tunnel up."""
    async with Fleet(rows[:1], pushed) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: push.up and adapter.stage is Stage.IN_SERVICE)
        yield adapter


def _with(adapter, line: bytes) -> bytes:
    return adapter.running_text + line


async def test_outcome_is_the_first_thing_said_on_the_new_connection(push, one, eventually):
    before, wanted = one.running_text, _with(one, b'hostname "new"\n')

    started = await push.sessions[0].ask(configure(one, wanted))
    await eventually(lambda: len(push.up) == 1 and len(push.sessions) == 2)

    kinds = [type(message) for message in push.sessions[1].got]
    assert kinds == [DoneRequest, PushConfirmationStartRequest, PushConfirmationDone]
    assert push.dones[0].transaction_id == started.transaction_id
    assert push.dones[0].result is ResultCode.SUCCESS
    assert push.sessions[0].ended == "closed"  # without a zero chunk
    assert (one.running_text, one.volatile.backup) == (wanted, before)
    assert one.contact.state == "up"


async def test_adapter_stays_in_service_and_pulls_nothing_meanwhile(push, one, eventually):
    await push.sessions[0].ask(configure(one, _with(one, b'hostname "new"\n')))
    await eventually(lambda: len(push.sessions) == 2 and push.up)

    assert one.stage is Stage.IN_SERVICE
    assert len(push.requests(ConfigSolicitationRequest)) == 1


async def test_server_orders_the_config_back(push, one, eventually):
    before = one.running_text
    push.done_answers = [ResultCode.TRANSACTION_FAILURE]
    started = await push.sessions[0].ask(configure(one, _with(one, b'hostname "new"\n')))
    await eventually(lambda: len(push.dones) == 2 and push.up)

    assert [done.result for done in push.dones] == [ResultCode.SUCCESS, ResultCode.SA_ROLLED_BACK]
    assert {done.transaction_id for done in push.dones} == {started.transaction_id}
    assert one.running_text == before
    assert len(push.sessions) == 3


async def test_order_to_roll_back_counts_once(push, one, eventually):
    push.done_answers = [ResultCode.TRANSACTION_FAILURE, ResultCode.TRANSACTION_FAILURE]
    await push.sessions[0].ask(configure(one, _with(one, b'hostname "new"\n')))
    await eventually(lambda: len(push.sessions) == 3 and push.up)

    assert len(push.dones) == 2
    assert one.contact.configuring is None


async def test_unreachable_server_makes_it_take_the_config_back_by_itself(push, one, eventually):
    before = one.running_text
    push.tunnel_statuses = [503] * 3  # as often as it tries
    await push.sessions[0].ask(configure(one, _with(one, b'hostname "new"\n')))
    await eventually(lambda: push.dones and push.up)

    assert [done.result for done in push.dones] == [ResultCode.SA_ROLLED_BACK]
    assert one.running_text == before


async def test_config_without_a_way_out_is_taken_back_without_a_connection(push, one, eventually):
    before = one.running_text
    lines = [line for line in before.splitlines(keepends=True) if b"lan1" not in line and b"pppoe0" not in line]
    assert any(line.startswith(b"interface lan0") for line in lines)
    await push.sessions[0].ask(configure(one, b"".join(lines)))
    await eventually(lambda: push.dones and push.up)

    assert [done.result for done in push.dones] == [ResultCode.SA_ROLLED_BACK]
    assert one.running_text == before
    assert len(push.headers) == 2  # the first tunnel, and the one after the roll-back


async def test_outcome_that_is_not_answered_is_said_again_on_another_connection(push, one, eventually):
    push.done_answers = [None]
    await push.sessions[0].ask(configure(one, _with(one, b'hostname "new"\n')))
    await eventually(lambda: push.dones)
    push.sessions[1].close()
    await eventually(lambda: len(push.dones) == 2 and push.up)

    assert [done.result for done in push.dones] == [ResultCode.SUCCESS] * 2
    assert push.dones[0].transaction_id == push.dones[1].transaction_id


async def test_commit_that_fails_is_reported_and_leaves_the_config_as_it_was(push, one, eventually):
    before = one.running_text
    one.faults.set(Fault.COMMIT_FAILURE, 1)
    await push.sessions[0].ask(configure(one, _with(one, b'hostname "new"\n')))
    await eventually(lambda: push.dones and push.up)

    assert push.dones[0].result is ResultCode.COMMIT_FAILURE
    assert one.running_text == before


async def test_second_configure_is_refused_while_one_is_in_progress(push, one, eventually):
    push.done_answers = [None]
    await push.sessions[0].ask(configure(one, _with(one, b'hostname "new"\n')))
    await eventually(lambda: push.dones)

    answer = await push.sessions[1].ask(configure(one, b'hostname "other"\n'))
    live = await push.sessions[1].ask(PushRequest(Kind.CHECK_TRANSACTION, None, NoArguments()))

    assert answer.result is ResultCode.MODULE_SYNCING
    assert live.value.ids == (0, push.dones[0].transaction_id)


async def test_config_pushed_over_https_simple_brings_a_new_listener(push, pushed, rows, eventually):
    push.methods = ("https-simple",)
    push.issue()
    async with Fleet(rows[:1], pushed) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: adapter.stage is Stage.IN_SERVICE)
        wanted = _with(adapter, b'hostname "new"\n')
        started = await push.ask_simple(configure(adapter, wanted))
        await eventually(lambda: push.dones and adapter.contact.is_up)

        assert push.dones[0].transaction_id == started.transaction_id
        assert adapter.running_text == wanted
        assert len(set(push.endpoints)) == 2
