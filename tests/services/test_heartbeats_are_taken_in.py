"""From datagram to row: who is believed, how often, and what an exchange, a database outage and junk do to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

import prometheus_client
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.services import swap
from controller.services.heartbeat_senders import MAX_WAITING, Senders, Waiting
from controller.services.heartbeats import MAX_QUEUE, PER_INTERVAL, Intake, Outcome
from controller.store import connections, heartbeats
from controller.store.pool import Row
from protocol.arms.heartbeat import Heartbeat, decode, encode
from protocol.arms.heartbeat_statistics import CpuLoad, Memory, Statistics
from protocol.ids import DistributionId
from tests.registry_fixtures import START, Registry
from tests.rows import csv_row, distribution_id

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.9"
INTERVAL_S = 60.0


@dataclass
class Line:
    """An intake without a socket, and a monotonic clock that only tests move."""

    registry: Registry
    at_s: float = 1000.0
    any_source: bool = False
    intake: Intake = field(init=False)
    collector: prometheus_client.CollectorRegistry = field(default_factory=prometheus_client.CollectorRegistry)

    def __post_init__(self) -> None:
        senders = Senders(self.registry.db, self.registry.vault, lambda: self.at_s)
        figures = prometheus_client.Counter("heartbeats", "", ("outcome",), registry=self.collector)
        self.intake = Intake(self.registry.db, senders, self.registry.clock, INTERVAL_S, self.any_source, figures)

    def later(self, seconds: float) -> None:
        self.at_s += seconds
        self.registry.clock.forward(seconds=seconds)

    def receive(self, datagram: bytes, source: str = HERE) -> None:
        self.registry.clock.forward(milliseconds=1)
        self.intake.take(datagram, source, self.at_s, self.registry.clock())

    async def told(self) -> Counter[str]:
        """What became of everything received since the last call, after two turns: one fetches, one reports all."""
        before = self._figures()
        await self.intake.turn()
        await self.intake.turn()
        return self._figures() - before

    def _figures(self) -> Counter[str]:
        found = Counter[str]()
        for family in self.collector.collect():
            for sample in family.samples:
                if sample.name == "heartbeats_total":
                    found[sample.labels["outcome"]] = int(sample.value)
        return found


@dataclass
class Adapter:
    """One of the registry, with its passphrase as it was when last asked for."""

    registry: Registry
    number: int
    passphrase: bytes = b""

    @property
    def serial(self) -> str:
        return f"SER{self.number:05d}"

    async def learn(self) -> None:
        async with self.registry.db.connection() as connection:
            sealed = await connection.fetchval(
                "SELECT heartbeat_passphrase FROM registration WHERE adapter = $1", self.serial
            )
        self.passphrase = self.registry.vault.open(sealed, purpose="heartbeat-passphrase")

    def says(self, cpu: int = 5) -> bytes:
        statistics = Statistics(cpu=(CpuLoad(0, cpu),), memory=(Memory(0, 1, 3),))
        return encode(Heartbeat(distribution_id(self.number), statistics), self.passphrase)

    async def pulled_from(self, address: str) -> None:
        query = """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address)
            VALUES ($1, $2, $2, 'config-solicitation', 100, $3::text::inet)
            ON CONFLICT (adapter) DO UPDATE SET last_address = excluded.last_address"""
        async with self.registry.db.connection() as connection:
            await connection.execute(query, self.serial, START, address)


Entry: TypeAlias = Callable[..., Awaitable[Adapter]]


@pytest.fixture
def line(registry: Registry) -> Line:
    return Line(registry)


@pytest.fixture
def entry(registry: Registry, numbers: Callable[[], int]) -> Entry:
    """`await entry()`: an adapter on an entry code of its own that has pulled from HERE."""

    async def make(kind: str = "entry") -> Adapter:
        number = numbers()
        await registry.load(
            "contract,code,kind,serial,series,model,distribution_id,ls_sa_key,ssh_password,config\r\n"
            + csv_row(f"H{number}", number, kind=kind)
        )
        adapter = Adapter(registry, number)
        await adapter.learn()
        await adapter.pulled_from(HERE)
        return adapter

    return make


async def stored(registry: Registry, adapter: Adapter) -> list[Row]:
    return await heartbeats.recent(
        registry.db, adapter.serial, START - timedelta(days=1), START + timedelta(days=400), 100
    )


async def test_a_heartbeat_becomes_a_row_and_a_sign_of_life(registry: Registry, line: Line, entry: Entry) -> None:
    adapter = await entry()
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
    registry: Registry, line: Line, entry: Entry
) -> None:
    adapter = await entry()
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


async def test_another_passphrase_is_refused(registry: Registry, line: Line, entry: Entry) -> None:
    adapter = await entry()
    adapter.passphrase = b"guessed"

    line.receive(adapter.says())

    assert await line.told() == {"wrong-key": 1}
    assert await stored(registry, adapter) == []


async def test_one_flipped_bit_anywhere_is_refused(registry: Registry, line: Line, entry: Entry) -> None:
    adapter = await entry()
    datagram = adapter.says()
    for at in range(len(datagram)):
        line.receive(datagram[:at] + bytes([datagram[at] ^ 1]) + datagram[at + 1 :])

    told = await line.told()

    assert told.total() == len(datagram)
    assert set(told) <= {"wrong-key", "unknown", "unreadable"}
    assert await stored(registry, adapter) == []


async def test_an_id_that_nobody_has_is_asked_for_once_a_minute(line: Line) -> None:
    nobody = DistributionId(77)
    datagram = encode(Heartbeat(nobody, Statistics()), b"x")
    line.receive(datagram)
    await line.told()

    def would_be_fetched() -> bool:
        return line.intake.senders.wait(nobody.packed(), Waiting(datagram, HERE, line.at_s, START))

    assert not would_be_fetched()
    line.later(59)
    assert not would_be_fetched()
    line.later(2)
    assert would_be_fetched()


async def test_another_address_is_refused_until_the_adapter_is_seen_there(
    registry: Registry, line: Line, entry: Entry
) -> None:
    adapter = await entry()
    line.receive(adapter.says(1), ELSEWHERE)
    refused = await line.told()

    await adapter.pulled_from(ELSEWHERE)
    line.later(11)
    line.receive(adapter.says(2), ELSEWHERE)

    assert refused == {"wrong-address": 1}
    assert await line.told() == {"stored": 1}


async def test_the_address_a_tunnel_came_from_counts_as_well(registry: Registry, line: Line, entry: Entry) -> None:
    adapter = await entry()
    query = """INSERT INTO reach (adapter, code, since, method, controller, tunnel, source, confirmed_at)
        SELECT r.adapter, r.code, r.since, 'https-tunnel', c.id, 1, $2::text::inet, $3 FROM registration r,
        (SELECT id FROM controller LIMIT 1) c WHERE r.adapter = $1"""
    async with registry.db.connection() as connection:
        await connection.execute("INSERT INTO controller (started_at, seen_at) VALUES ($1, $1)", START)
        await connection.execute(query, adapter.serial, ELSEWHERE, START)

    line.receive(adapter.says(), ELSEWHERE)

    assert await line.told() == {"stored": 1}


async def test_any_address_will_do_where_that_is_set(registry: Registry, entry: Entry) -> None:
    adapter, line = await entry(), Line(registry, any_source=True)

    line.receive(adapter.says(), ELSEWHERE)

    assert await line.told() == {"stored": 1}


async def test_an_identical_datagram_counts_again_after_half_an_interval(
    registry: Registry, line: Line, entry: Entry
) -> None:
    adapter = await entry()
    same = adapter.says()
    line.receive(same)
    assert await line.told() == {"stored": 1}

    line.later(INTERVAL_S / 2 - 1)
    line.receive(same)
    assert await line.told() == {"repeated": 1}

    line.later(2)
    line.receive(same)
    assert await line.told() == {"stored": 1}


async def test_no_more_than_four_count_in_an_interval(registry: Registry, line: Line, entry: Entry) -> None:
    adapter = await entry()
    line.receive(adapter.says(0))
    await line.told()
    for cpu in range(1, 10):
        line.receive(adapter.says(cpu))
    told = await line.told()

    line.later(INTERVAL_S)
    line.receive(adapter.says(50))

    assert told == {"stored": PER_INTERVAL - 1, "too-often": 10 - PER_INTERVAL}
    assert await line.told() == {"stored": 1}


async def test_replays_of_everything_ever_sent_add_no_more_than_the_bound(
    registry: Registry, line: Line, entry: Entry
) -> None:
    """An attacker who has all earlier datagrams and the adapter's address, for ten intervals."""
    adapter = await entry()
    captured = [adapter.says(cpu) for cpu in range(50)]
    line.receive(captured[0])
    await line.told()
    for _ in range(10):
        line.later(INTERVAL_S)
        for datagram in captured * 2:
            line.receive(datagram)
    await line.told()

    assert len(await stored(registry, adapter)) == 1 + 10 * PER_INTERVAL


async def test_an_exchange_makes_the_old_passphrase_worthless_at_once(
    registry: Registry, line: Line, entry: Entry
) -> None:
    old, new = await entry(), await entry("standby")
    line.receive(old.says(1))
    await line.told()

    order = swap.Order(f"H{old.number}", f"H{new.number}")
    await swap.carry_out(
        registry.db,
        registry.vault,
        order,
        caller=registry.operator,
        now=registry.clock.forward(seconds=1),
        deadline=timedelta(days=1),
    )
    line.later(INTERVAL_S)
    line.receive(old.says(2))  # its key is still in memory
    first = await line.told()
    line.later(INTERVAL_S)
    line.receive(old.says(3))
    second = await line.told()
    await new.learn()
    line.receive(new.says(4))

    assert first == {"registration-changed": 1}
    assert second == {"wrong-key": 1}
    assert [row["cpu"] for row in await stored(registry, old)] == [1]
    assert await line.told() == {"stored": 1}
    assert [row["code"] for row in await stored(registry, new)] == [f"H{old.number}"]


async def test_a_new_passphrase_is_found_by_the_first_datagram_that_needs_it(
    registry: Registry, line: Line, entry: Entry
) -> None:
    adapter = await entry()
    line.receive(adapter.says(1))
    await line.told()
    fresh = registry.vault.seal(b"fresh", purpose="heartbeat-passphrase")
    async with registry.db.connection() as connection:
        query = "UPDATE registration SET heartbeat_passphrase = $2, since = $3 WHERE adapter = $1"
        await connection.execute(query, adapter.serial, fresh, registry.clock.forward(seconds=1))

    line.later(20)
    adapter.passphrase = b"fresh"
    line.receive(adapter.says(2))

    assert await line.told() == {"stored": 1}


async def test_a_locked_out_adapter_is_nobody(registry: Registry, line: Line, entry: Entry) -> None:
    adapter = await entry()
    line.receive(adapter.says(1))
    await line.told()
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE adapter SET locked_out_at = $2 WHERE serial = $1", adapter.serial, START)

    line.later(20)
    line.receive(adapter.says(2))
    first = await line.told()
    line.receive(adapter.says(3))

    assert first == {"registration-changed": 1}
    assert await line.told() == {"unknown": 1}


async def test_what_waits_for_its_key_is_bounded(registry: Registry, line: Line) -> None:
    for number in range(MAX_WAITING + 50):
        line.receive(encode(Heartbeat(DistributionId(number), Statistics()), b"x"))

    assert line.intake.counts[Outcome.UNKNOWN] == 50
    told = await line.told()
    assert told == {"unknown": MAX_WAITING + 50}


async def test_heartbeats_wait_while_the_database_is_away(
    registry: Registry, line: Line, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = await entry()
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


async def test_a_full_queue_takes_no_more_and_blames_nobody(registry: Registry, line: Line, entry: Entry) -> None:
    adapter = await entry()
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


class Away:
    """A database whose connections are refused."""

    def connection(self) -> object:
        raise ConnectionRefusedError("Connection refused")

    transaction = connection


async def test_partitions_are_made_as_days_pass_and_dropped_when_they_are_old(
    registry: Registry, line: Line, entry: Entry
) -> None:
    adapter = await entry()
    for cpu in range(4):
        line.later(86_400)
        line.receive(adapter.says(cpu))
        assert await line.told() == {"stored": 1}
    now: datetime = registry.clock()

    gone = await heartbeats.forget_before(registry.db, now - timedelta(days=2))

    assert gone >= 1
    assert [row["cpu"] for row in await stored(registry, adapter)] == [3, 2, 1]
    assert await heartbeats.forget_before(registry.db, now - timedelta(days=2)) == 0


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
