"""R3.7 as people see it: who is put out is disconnected at once, and is not connected again by what was before."""

from __future__ import annotations

from datetime import timedelta

from controller.domain.liveness import Rule
from controller.services import liveness
from controller.store import connections
from controller.store import registry as units
from controller.store.connections import Heard
from tests.device.put_out import PutOut, lock, number, put_out
from tests.registry_fixtures import START, Registry

__all__ = ["number", "put_out"]


async def _connect(registry: Registry, number: int) -> str:
    """By a heartbeat of this moment; its serial."""
    serial, now = f"SER{number:05d}", registry.clock.forward(seconds=1)
    adapter = await units.adapter(registry.db, serial)
    assert adapter is not None
    async with registry.db.transaction() as tx:
        await connections.heard(
            tx, [Heard(now, serial, f"E{number}", adapter["since"], "192.0.2.1", None, None, None, b"")]
        )
    await _judge(registry)
    assert await _seen(registry, serial) == ("connected", "heartbeat")
    return serial


async def _judge(registry: Registry, **later: float) -> None:
    now = registry.clock.forward(**later) if later else registry.clock()
    await liveness.turn(registry.db, Rule(), now, START - timedelta(days=1))


async def _seen(registry: Registry, serial: str) -> tuple[str, str]:
    """What `adapter show` and the list say, and why."""
    shown, row = await units.adapter(registry.db, serial), await connections.of(registry.db, serial)
    assert shown is not None and row is not None and shown["connection"] == row["state"]
    return row["state"], row["cause"]


async def test_it_is_disconnected_at_once_and_that_is_told_once(
    registry: Registry, number: int, put_out: PutOut
) -> None:
    """R3.7."""
    serial = await _connect(registry, number)

    await put_out(number)

    assert await _seen(registry, serial) == ("disconnected", "locked-out")
    for _ in range(3):
        await _judge(registry, minutes=6)
    events = await connections.events(
        registry.db, adapter=serial, code=f"E{number}", contract=None, before=None, limit=9
    )
    assert [(each["state"], each["cause"]) for each in events] == [
        ("disconnected", "locked-out"),
        ("connected", "heartbeat"),
    ]
    async with registry.db.connection() as connection:
        query = "SELECT payload FROM outbox WHERE topic = 'connection.disconnected' AND subject = $1"
        told = [row["payload"] for row in await connection.fetch(query, serial)]
    assert told == [{"code": f"E{number}", "cause": "locked-out"}]


async def test_a_heartbeat_from_before_does_not_connect_it_when_it_is_let_in(registry: Registry, number: int) -> None:
    """R3.7; it is connected when it is heard of again."""
    serial = await _connect(registry, number)
    await lock(registry, number)
    await _judge(registry, seconds=10)

    await units.set_locked_out(registry.db, serial, False, caller=registry.administrator, now=registry.clock())
    await _judge(registry, seconds=10)

    assert await _seen(registry, serial) == ("disconnected", "locked-out")
    await _judge(registry, minutes=6)
    await _connect(registry, number)


async def test_who_was_not_connected_is_not_told_to_have_gone(registry: Registry, number: int) -> None:
    await lock(registry, number)

    assert not await connections.events(
        registry.db, adapter=f"SER{number:05d}", code=None, contract=None, before=None, limit=9
    )
