"""Whose heartbeats are believed: the key, the address, and what an exchange or a lock-out changes."""

from __future__ import annotations

from datetime import timedelta

from controller.services import swap
from controller.services.heartbeat_senders import Waiting
from protocol.arms.heartbeat import Heartbeat, encode
from protocol.arms.heartbeat_statistics import Statistics
from protocol.ids import DistributionId
from tests.registry_fixtures import START, Registry
from tests.services.heartbeat_line import ELSEWHERE, HERE, INTERVAL_S, Line, NewSender, stored


async def test_another_passphrase_is_refused(registry: Registry, line: Line, new_sender: NewSender) -> None:
    adapter = await new_sender()
    adapter.passphrase = b"guessed"

    line.receive(adapter.says())

    assert await line.told() == {"wrong-key": 1}
    assert await stored(registry, adapter) == []


async def test_one_flipped_bit_anywhere_is_refused(registry: Registry, line: Line, new_sender: NewSender) -> None:
    adapter = await new_sender()
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
    registry: Registry, line: Line, new_sender: NewSender
) -> None:
    adapter = await new_sender()
    line.receive(adapter.says(1), ELSEWHERE)
    refused = await line.told()

    await adapter.pulled_from(ELSEWHERE)
    line.later(11)
    line.receive(adapter.says(2), ELSEWHERE)

    assert refused == {"wrong-address": 1}
    assert await line.told() == {"stored": 1}


async def test_the_address_a_tunnel_came_from_counts_as_well(
    registry: Registry, line: Line, new_sender: NewSender
) -> None:
    adapter = await new_sender()
    query = """INSERT INTO reach (adapter, code, since, method, controller, tunnel, source, confirmed_at)
        SELECT r.adapter, r.code, r.since, 'https-tunnel', c.id, 1, $2::text::inet, $3 FROM registration r,
        (SELECT id FROM controller LIMIT 1) c WHERE r.adapter = $1"""
    async with registry.db.connection() as connection:
        await connection.execute("INSERT INTO controller (started_at, seen_at) VALUES ($1, $1)", START)
        await connection.execute(query, adapter.serial, ELSEWHERE, START)

    line.receive(adapter.says(), ELSEWHERE)

    assert await line.told() == {"stored": 1}


async def test_any_address_will_do_where_that_is_set(registry: Registry, new_sender: NewSender) -> None:
    adapter, line = await new_sender(), Line(registry, any_source=True)

    line.receive(adapter.says(), ELSEWHERE)

    assert await line.told() == {"stored": 1}


async def test_an_exchange_makes_the_old_passphrase_worthless_at_once(
    registry: Registry, line: Line, new_sender: NewSender
) -> None:
    old, new = await new_sender(), await new_sender("standby")
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
    registry: Registry, line: Line, new_sender: NewSender
) -> None:
    adapter = await new_sender()
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


async def test_a_locked_out_adapter_is_nobody(registry: Registry, line: Line, new_sender: NewSender) -> None:
    adapter = await new_sender()
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
