"""From datagram to row: what is kept of a heartbeat, and what a database outage, a flood and junk do to it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.services.heartbeat_senders import MAX_WAITING
from controller.services.heartbeats import MAX_QUEUE, Outcome
from controller.store import connections, heartbeats
from protocol.arms.heartbeat import Heartbeat, decode, encode
from protocol.arms.heartbeat_statistics import CpuLoad, Statistics
from protocol.ids import DistributionId
from tests.registry_fixtures import START, Registry
from tests.rows import distribution_id
from tests.services.heartbeat_line import HERE, INTERVAL_S, Line, NewSender, stored


async def test_a_heartbeat_becomes_a_row_and_a_sign_of_life(
    registry: Registry, line: Line, new_sender: NewSender
) -> None:
    adapter = await new_sender()
    datagram = adapter.says(cpu=42)

    line.receive(datagram)
    arrived = registry.clock()

    assert await line.told() == {"stored": 1}
    (row,) = await stored(registry, adapter)
    assert (row["at"], row["cpu"], row["memory"], row["disk"]) == (arrived, 42, 25, None)
    assert (row["code"], row["datagram"]) == (f"H{adapter.number}", datagram)
    assert decode(row["datagram"]).statistics.cpu == (CpuLoad(0, 42),)
    known = await connections.of(registry.db, adapter.serial)
    assert known is not None
    assert (known["state"], known["last_heartbeat_at"], known["heartbeat_source"]) == ("disconnected", arrived, HERE)


async def test_rows_are_told_newest_first_and_only_to_their_contract(
    registry: Registry, line: Line, new_sender: NewSender
) -> None:
    adapter = await new_sender()
    for cpu in (1, 2, 3):
        line.later(INTERVAL_S)
        line.receive(adapter.says(cpu))
        await line.told()
    span = (START - timedelta(days=1), START + timedelta(days=400))

    rows = await heartbeats.recent(registry.db, adapter.serial, *span, 2)
    older = await heartbeats.recent(registry.db, adapter.serial, span[0], rows[-1]["at"], 2)
    theirs = await heartbeats.recent(registry.db, adapter.serial, *span, 9, contract="C2")

    assert [row["cpu"] for row in rows] == [3, 2]
    assert [row["cpu"] for row in older] == [1]
    assert theirs == []
    assert len(await heartbeats.recent(registry.db, adapter.serial, *span, 9, contract="C1")) == 3


async def test_partitions_are_made_as_days_pass_and_dropped_when_they_are_old(
    registry: Registry, line: Line, new_sender: NewSender
) -> None:
    adapter = await new_sender()
    for cpu in range(4):
        line.later(86_400)
        line.receive(adapter.says(cpu))
        assert await line.told() == {"stored": 1}
    now: datetime = registry.clock()

    gone = await heartbeats.forget_before(registry.db, now - timedelta(days=2))

    assert gone >= 1
    assert [row["cpu"] for row in await stored(registry, adapter)] == [3, 2, 1]
    assert await heartbeats.forget_before(registry.db, now - timedelta(days=2)) == 0


async def test_what_waits_for_its_key_is_bounded(registry: Registry, line: Line) -> None:
    for number in range(MAX_WAITING + 50):
        line.receive(encode(Heartbeat(DistributionId(number), Statistics()), b"x"))

    assert line.intake.counts[Outcome.UNKNOWN] == 50
    told = await line.told()
    assert told == {"unknown": MAX_WAITING + 50}


async def test_heartbeats_wait_while_the_database_is_away(
    registry: Registry, line: Line, new_sender: NewSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = await new_sender()
    line.receive(adapter.says(1))
    await line.told()
    broken = registry.clock()

    with monkeypatch.context() as patched:
        patched.setattr(line.intake, "db", Away())
        line.later(INTERVAL_S)
        line.receive(adapter.says(2))
        assert await line.told() == {}
        assert line.intake.listening_since > broken

    assert await line.told() == {"stored": 1}
    assert [row["cpu"] for row in await stored(registry, adapter)] == [2, 1]


class Away:
    """A database whose connections are refused."""

    def connection(self) -> object:
        raise ConnectionRefusedError("Connection refused")

    transaction = connection


async def test_a_full_queue_takes_no_more_and_blames_nobody(
    registry: Registry, line: Line, new_sender: NewSender
) -> None:
    adapter = await new_sender()
    line.receive(adapter.says(1))
    for waiting in await line.intake.senders.fetch():
        line.intake.take(waiting.datagram, waiting.source, waiting.monotonic, waiting.at)
    before = line.intake.listening_since
    line.intake.queue.extend(list(line.intake.queue) * (MAX_QUEUE - 1))

    line.receive(adapter.says(2))
    for _ in range(MAX_QUEUE - 1):
        line.intake.queue.pop()

    assert await line.told() == {"stored": 1, "overflow": 1}
    assert line.intake.listening_since > before


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_bytes_whatever_raise(line: Line, data: st.DataObject) -> None:
    """Random bytes, and genuine heartbeats cut, extended or altered."""
    genuine = encode(Heartbeat(distribution_id(1), Statistics(cpu=(CpuLoad(0, 1),))), b"x")
    junk = data.draw(
        st.one_of(
            st.binary(max_size=1100),
            st.integers(0, len(genuine)).map(lambda at: genuine[:at]),
            st.binary(max_size=64).map(lambda more: genuine + more),
        )
    )

    line.receive(junk)
