"""How often an adapter's heartbeats count, also when somebody replays them."""

from __future__ import annotations

from controller.services.heartbeats import PER_INTERVAL
from tests.registry_fixtures import Registry
from tests.services.heartbeat_line import INTERVAL_S, Line, NewSender, stored


async def test_an_identical_datagram_counts_again_after_half_an_interval(
    registry: Registry, line: Line, new_sender: NewSender
) -> None:
    adapter = await new_sender()
    same = adapter.says()
    line.receive(same)
    assert await line.told() == {"stored": 1}

    line.later(INTERVAL_S / 2 - 1)
    line.receive(same)
    assert await line.told() == {"repeated": 1}

    line.later(2)
    line.receive(same)
    assert await line.told() == {"stored": 1}


async def test_no_more_than_four_count_in_an_interval(registry: Registry, line: Line, new_sender: NewSender) -> None:
    adapter = await new_sender()
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
    registry: Registry, line: Line, new_sender: NewSender
) -> None:
    """An attacker who has all earlier datagrams and the adapter's address, for ten intervals."""
    adapter = await new_sender()
    captured = [adapter.says(cpu) for cpu in range(50)]
    line.receive(captured[0])
    await line.told()
    for _ in range(10):
        line.later(INTERVAL_S)
        for datagram in captured * 2:
            line.receive(datagram)
    await line.told()

    assert len(await stored(registry, adapter)) == 1 + 10 * PER_INTERVAL
