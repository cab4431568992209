"""The line that heartbeats come in by, without its socket, and the adapters that send them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

import prometheus_client
import pytest

from controller.services.heartbeat_senders import Senders
from controller.services.heartbeats import Intake
from controller.store import heartbeats
from controller.store.pool import Row
from protocol.arms.heartbeat import Heartbeat, encode
from protocol.arms.heartbeat_statistics import CpuLoad, Memory, Statistics
from tests.registry_fixtures import START, Registry
from tests.rows import HEADER, csv_row, distribution_id

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
class Sender:
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


NewSender: TypeAlias = Callable[..., Awaitable[Sender]]


@pytest.fixture
def line(registry: Registry) -> Line:
    return Line(registry)


@pytest.fixture
def new_sender(registry: Registry, numbers: Callable[[], int]) -> NewSender:
    """`await new_sender()`: an adapter on an entry code of its own that has pulled from HERE."""

    async def make(kind: str = "entry") -> Sender:
        number = numbers()
        await registry.load(HEADER + csv_row(f"H{number}", number, kind=kind))
        sender = Sender(registry, number)
        await sender.learn()
        await sender.pulled_from(HERE)
        return sender

    return make


async def stored(registry: Registry, sender: Sender) -> list[Row]:
    return await heartbeats.recent(
        registry.db, sender.serial, START - timedelta(days=1), START + timedelta(days=400), 100
    )
