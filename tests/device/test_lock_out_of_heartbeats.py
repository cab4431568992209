"""R3.7 at the heartbeat's socket: who is put out is not heard, although its key was known a moment ago."""

from __future__ import annotations

from controller.store import connections
from protocol.arms.heartbeat import Heartbeat, encode
from protocol.arms.heartbeat_statistics import CpuLoad, Statistics
from tests.device.put_out import PutOut, put_out
from tests.device.test_heartbeat_listener import Door, adapter, door
from tests.registry_fixtures import Registry
from tests.rows import distribution_id
from tests.waiting import until

__all__ = ["door", "put_out"]


async def passphrase(registry: Registry, serial: str) -> bytes:
    async with registry.db.connection() as connection:
        sealed = await connection.fetchval("SELECT heartbeat_passphrase FROM registration WHERE adapter = $1", serial)
    return registry.vault.open(sealed, purpose="heartbeat-passphrase")


async def judged(door: Door, wanted: int) -> dict[str, float]:
    """What became of datagrams, by outcome, once as many have been judged."""

    async def enough() -> dict[str, float] | None:
        await door.intake.turn()
        samples = [sample for metric in door.intake.figures.collect() for sample in metric.samples]
        counts = {each.labels["outcome"]: each.value for each in samples if each.name.endswith("_total")}
        return counts if sum(counts.values()) >= wanted else None

    return await until(enough)


async def test_its_next_heartbeat_is_refused(registry: Registry, door: Door, numbers, put_out: PutOut) -> None:
    """R3.7."""
    number = numbers()
    serial, datagram = await adapter(registry, number)
    next_one = encode(
        Heartbeat(distribution_id(number), Statistics(cpu=(CpuLoad(0, 6),))), await passphrase(registry, serial)
    )
    door.send(datagram)
    assert await judged(door, 1) == {"stored": 1}
    heard = await connections.of(registry.db, serial)

    await put_out(number)
    door.send(next_one)

    assert await judged(door, 2) == {"stored": 1, "registration-changed": 1}
    assert await connections.of(registry.db, serial) == heard
    assert distribution_id(number).value.to_bytes(16, "big") not in door.intake.senders.known
