"""What goes wrong on purpose in push, and the heartbeats that go beside it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from agent.faults import Fault
from agent.fleet import Fleet
from agent.lifecycle import Stage
from protocol.arms.codes import ResultCode
from protocol.arms.heartbeat import Key, decode
from protocol.arms.messages import HeartbeatInfo, Kind, MdCommand, Ping, PushRequest
from protocol.arms.xml import encode

SYSTEM = MdCommand(0, b"show system")


class Receiver:
    """A UDP port: what came, from where, and when."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.got: list[tuple[bytes, str, float]] = []

    @property
    def port(self) -> int:
        return self.socket.getsockname()[1]

    def read(self) -> None:
        data, (address, _) = self.socket.recvfrom(2048)
        self.got.append((data, address, time.monotonic()))


@pytest.fixture
async def receiver() -> Iterator[Receiver]:
    made = Receiver()
    asyncio.get_running_loop().add_reader(made.socket, made.read)
    yield made
    asyncio.get_running_loop().remove_reader(made.socket)
    made.socket.close()


@pytest.fixture
async def one(push, pushed, rows, receiver, eventually):
    """The first adapter with its tunnel up and a heartbeat every 0.2 s."""
    push.heartbeats = push.heartbeats or (HeartbeatInfo("127.0.0.1", receiver.port, "pass", 100),)
    async with Fleet(rows[:1], pushed) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: push.up and adapter.stage is Stage.IN_SERVICE)
        yield adapter


@pytest.fixture
def asked(one):
    return lambda kind, arguments: PushRequest(kind, one.distribution_id, arguments)


async def test_dropped_tunnel_leaves_the_request_unanswered_and_comes_back(push, one, asked, eventually):
    one.faults.set(Fault.DROP_TUNNEL, 1)
    before = len(push.sessions[0].got)
    push.sessions[0].send(encode(asked(Kind.MD_COMMAND, SYSTEM)))
    await eventually(lambda: push.sessions[0].ended and push.up)

    assert len(push.sessions[0].got) == before
    assert (await push.sessions[1].ask(asked(Kind.MD_COMMAND, SYSTEM))).result is ResultCode.SUCCESS


async def test_ignored_echo_leaves_the_tunnel_open_and_silent(push, pushed, rows, eventually):
    push.echo_interval = 500
    async with Fleet(rows[:1], pushed) as fleet:
        fleet.fault(rows[0].serial, Fault.IGNORE_ECHO)
        await eventually(lambda: push.up)
        await asyncio.sleep(2.2)
        assert (push.sessions[0].echoes, push.sessions[0].ended) == (0, "")

        fleet.fault(rows[0].serial, None)
        await eventually(lambda: push.sessions[0].echoes)


async def test_lost_start_is_known_only_by_the_outcome(push, one, asked, eventually):
    one.faults.set(Fault.LOSE_START_RESPONSE, 1)
    before = len(push.sessions[0].got)
    push.sessions[0].send(encode(asked(Kind.PING, Ping("192.0.2.1", 1))))
    await eventually(lambda: push.dones)

    assert push.sessions[0].got[before:] == push.dones


async def test_duplicate_outcome_is_the_same_twice(push, one, asked, eventually):
    one.faults.set(Fault.DUPLICATE_DONE, 1)
    await push.sessions[0].ask(asked(Kind.PING, Ping("192.0.2.1", 1)))
    await eventually(lambda: len(push.dones) == 2)

    assert push.dones[0] == push.dones[1]


async def test_outcome_under_a_wrong_number(push, one, asked, eventually):
    one.faults.set(Fault.WRONG_TRANSACTION_ID, 1)
    started = await push.sessions[0].ask(asked(Kind.PING, Ping("192.0.2.1", 1)))
    await eventually(lambda: push.dones)

    assert push.dones[0].transaction_id != started.transaction_id


async def test_garbage_instead_of_an_answer_is_no_xml(push, one, asked):
    one.faults.set(Fault.GARBAGE_XML, 1)
    answer = await push.sessions[0].ask(asked(Kind.MD_COMMAND, SYSTEM))

    assert isinstance(answer, bytes)
    assert answer.endswith(b"</arms-message>")


async def test_busy_adapter_sends_neither_echo_nor_heartbeat(push, one, asked, receiver, eventually):
    one.faults.set(Fault.SLOW_COMMAND, 1)
    one.contact.host.time_scale = 0.05  # the eight seconds take 0.4
    await eventually(lambda: receiver.got)
    sent = time.monotonic()
    await push.sessions[0].ask(asked(Kind.MD_COMMAND, SYSTEM))
    one.contact.host.time_scale = 0.002
    answered = time.monotonic()
    await eventually(lambda: receiver.got[-1][2] > answered - 0.05)

    assert answered - sent >= 0.4
    assert not [at for _, _, at in receiver.got if sent + 0.05 < at < answered - 0.05]


async def test_heartbeat_goes_out_at_once_then_every_interval_from_the_adapters_address(one, receiver, eventually):
    await eventually(lambda: len(receiver.got) >= 4)

    times = [at for _, _, at in receiver.got]
    key = Key(b"pass")
    assert all(key.verifies(data) for data, _, _ in receiver.got)
    assert {decode(data).distribution_id for data, _, _ in receiver.got} == {one.distribution_id}
    assert {address for _, address, _ in receiver.got} == {one.row.ssh_address}
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(times[1:]))


async def test_heartbeats_go_on_while_the_tunnel_is_made_again(push, one, receiver, eventually):
    push.tunnel_statuses = [503] * 20
    push.sessions[0].close()
    await eventually(lambda: not push.up)
    before = len(receiver.got)
    await eventually(lambda: len(receiver.got) >= before + 2)

    assert one.contact.state == "down"


async def test_no_heartbeat_with_the_fault_and_after_the_power_cut(one, receiver, eventually):
    one.faults.set(Fault.NO_HEARTBEAT)
    await asyncio.sleep(0.25)
    before = len(receiver.got)
    await asyncio.sleep(0.5)
    assert len(receiver.got) == before

    one.faults.clear()
    await eventually(lambda: len(receiver.got) > before)
    one.contact.end(power_cut=True)
    await asyncio.sleep(0.02)
    before = len(receiver.got)
    await asyncio.sleep(0.5)
    assert len(receiver.got) == before


async def test_different_intervals_mean_no_heartbeat_at_all(push, pushed, rows, receiver, eventually):
    push.confirms = False
    async with Fleet(rows[:1], pushed) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: push.sessions and push.sessions[0].got)
        unequal = tuple(HeartbeatInfo("127.0.0.1", receiver.port, "pass", interval) for interval in (50, 51))
        adapter.volatile.terms = replace(adapter.volatile.terms, heartbeats=unequal)  # no server of ours may say so
        push.sessions[0].confirm(adapter.distribution_id)
        await eventually(lambda: push.up)
        await asyncio.sleep(0.5)

    assert not receiver.got
