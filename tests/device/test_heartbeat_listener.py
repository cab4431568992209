"""Heartbeats over real UDP on loopback: received, stored, and what junk costs."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import prometheus_client
import pytest

from controller.faces.device.heartbeat import HeartbeatListener
from controller.services.heartbeat_senders import Senders
from controller.services.heartbeats import Intake, Outcome
from controller.startup import CannotStart
from controller.store import connections
from protocol.arms.heartbeat import MAX_DATAGRAM, Heartbeat, encode
from protocol.arms.heartbeat_statistics import CpuLoad, Statistics
from tests.registry_fixtures import START, Registry
from tests.rows import HEADER, csv_row, distribution_id
from tests.waiting import until


@dataclass
class Door:
    """The listener on a port of its own, and a socket to send from."""

    listener: HeartbeatListener
    intake: Intake
    port: int
    sender: socket.socket

    def send(self, datagram: bytes) -> None:
        self.sender.sendto(datagram, ("127.0.0.1", self.port))

    async def counted(self, expected: int) -> Counter[Outcome]:
        """The outcomes, once as many datagrams have been judged."""
        counts = self.intake.counts

        async def enough() -> bool:
            return sum(counts.values()) >= expected

        await until(enough)
        return +counts


@pytest.fixture
async def door(registry: Registry) -> AsyncIterator[Door]:
    figures = prometheus_client.Counter("hb", "", ("outcome",), registry=prometheus_client.CollectorRegistry())
    senders = Senders(registry.db, registry.vault, time.monotonic)
    intake = Intake(registry.db, senders, registry.clock, 60, False, figures)
    listener = HeartbeatListener(intake, registry.clock)
    port = listener.start("127.0.0.1", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        yield Door(listener, intake, port, sender)
    listener.close()


async def adapter(registry: Registry, number: int) -> tuple[str, bytes]:
    """An adapter that has pulled from 127.0.0.1: its serial, and a heartbeat of it."""
    await registry.load(HEADER + csv_row(f"U{number}", number))
    serial = f"SER{number:05d}"
    query = """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address)
        VALUES ($1, $2, $2, 'config-solicitation', 100, '127.0.0.1')"""
    async with registry.db.connection() as connection:
        await connection.execute(query, serial, START)
        sealed = await connection.fetchval("SELECT heartbeat_passphrase FROM registration WHERE adapter = $1", serial)
    passphrase = registry.vault.open(sealed, purpose="heartbeat-passphrase")
    statistics = Statistics(cpu=(CpuLoad(0, 5),))
    return serial, encode(Heartbeat(distribution_id(number), statistics), passphrase)


async def test_a_heartbeat_on_the_wire_is_a_sign_of_life(
    registry: Registry, door: Door, numbers: Callable[[], int]
) -> None:
    serial, datagram = await adapter(registry, numbers())

    door.send(datagram)

    async def heard() -> bool:
        await door.intake.turn()
        row = await connections.of(registry.db, serial)
        return row is not None and row["last_heartbeat_at"] is not None

    await until(heard)
    row = await connections.of(registry.db, serial)
    assert row is not None
    assert (row["last_heartbeat_at"], row["heartbeat_source"]) == (registry.clock(), "127.0.0.1")


async def test_junk_is_counted_and_changes_nothing(door: Door) -> None:
    for junk in (b"", b"\0" * 44, b"GET / HTTP/1.1\r\n\r\n", bytes(MAX_DATAGRAM + 1), bytes(9000)):
        door.send(junk)

    assert await door.counted(5) == {Outcome.UNREADABLE: 5}


async def test_a_heartbeat_longer_than_allowed_is_not_read_as_its_beginning(
    registry: Registry, door: Door, numbers: Callable[[], int]
) -> None:
    _, datagram = await adapter(registry, numbers())

    door.send(datagram + bytes(MAX_DATAGRAM + 1 - len(datagram)))

    assert await door.counted(1) == {Outcome.UNREADABLE: 1}


async def test_what_has_arrived_is_taken_before_the_listener_closes(door: Door) -> None:
    for _ in range(500):
        door.send(b"junk")

    door.listener.close()

    assert door.intake.counts[Outcome.UNREADABLE] == 500


async def test_what_the_kernel_dropped_is_counted(door: Door) -> None:
    opened = door.listener._socket
    assert opened is not None
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    for _ in range(200):  # the loop has no turn meanwhile
        door.send(bytes(900))

    door.listener.close()

    assert door.intake.counts[Outcome.LOST] > 100
    assert door.intake.counts[Outcome.LOST] + door.intake.counts[Outcome.UNREADABLE] == 200


async def test_it_listens_on_ipv6_as_well(door: Door) -> None:
    listener = HeartbeatListener(door.intake, door.listener.clock)
    port = listener.start("::1", 0)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"junk", ("::1", port))
        assert await door.counted(1) == {Outcome.UNREADABLE: 1}
    listener.close()


async def test_a_port_in_use_is_said_at_the_start(door: Door) -> None:
    with pytest.raises(CannotStart, match=f"UDP port {door.port}"):
        HeartbeatListener(door.intake, door.listener.clock).start("127.0.0.1", door.port)
