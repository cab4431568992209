"""Evidence of emulated adapters through the real SSH collector: a faulty one that still answers, and its faults."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
from functools import partial

import pytest

from agent.adapter import Adapter
from agent.faults import Fault
from agent.fleet import Fleet, Settings
from agent.generate import Recipe, generate
from agent.inventory import Row
from controller.ports import Limits
from controller.series import by_name
from controller.services import exchange_evidence, work
from controller.store import transcripts
from controller.transports.ssh.collect import SshCollector
from tests.registry_fixtures import Registry
from tests.services import outgoing
from tests.waiting import until

FIRST_PORT = 21400
"""Each adapter on a port of its own, below the range that the system gives to outgoing connections."""

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(scope="module")
async def fleet(registry: Registry) -> AsyncIterator[Fleet]:
    """An entry of each series under contract C1, known to the registry, connected."""
    rows = [row for row in generate(Recipe(count=15, contracts=1, ports_base=FIRST_PORT)) if row.kind == "entry"]
    rows = [next(row for row in rows if row.series == series) for series in ("seil3", "seil8", "seil6")]
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)])
    writer.writeheader()
    writer.writerows(asdict(row) | {"contract": "C1", "contract_name": ""} for row in rows)
    async with Fleet(rows, Settings(ports=True, time_scale=0.05)) as fleet:
        await fleet.settled(deadline_s=20)
        await registry.load(text.getvalue())
        yield fleet


async def connected(registry: Registry, adapter: Adapter) -> None:
    """As if its heartbeats came; and SSH leads there."""
    now = registry.clock()
    await outgoing.run(
        registry,
        "UPDATE adapter SET ssh_address = '127.0.0.1', ssh_port = $2 WHERE serial = $1",
        *(adapter.serial, adapter.port),
    )
    await outgoing.run(
        registry,
        """INSERT INTO connection (adapter, state, since, cause, last_heartbeat_at)
           VALUES ($1, 'connected', $2, 'heartbeat', $2) ON CONFLICT DO NOTHING""",
        *(adapter.serial, now),
    )


@asynccontextmanager
async def collecting(registry: Registry) -> AsyncIterator[None]:
    """A worker with the real collector."""
    ssh = SshCollector()
    limits = Limits(connect_s=2, login_s=5, line_s=5, total_s=20)
    worker = work.Work(*(registry.db, registry.vault, ssh, limits, 4, registry.clock, asyncio.Event(), asyncio.Event()))
    running = asyncio.create_task(work.run(worker))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])
        await ssh.close()


def one_of(fleet: Fleet, series: str) -> Adapter:
    return next(adapter for adapter in fleet.adapters.values() if adapter.row.series == series)


async def case(registry: Registry, adapter: Adapter) -> int:
    await connected(registry, adapter)
    return await outgoing.case(registry, adapter.row.code, old_adapter=adapter.serial)


async def test_a_real_sessions_config_status_and_log_are_in_the_case(registry: Registry, fleet: Fleet) -> None:
    """R3.6: before the registration changes; afterwards R3.7 locks the adapter out."""
    adapters = list(fleet.adapters.values())
    exchanges = [await case(registry, adapter) for adapter in adapters]

    async with collecting(registry):
        states = [await until(partial(outgoing.settled, registry, exchange)) for exchange in exchanges]

    assert states == ["collected"] * 3
    for adapter, exchange in zip(adapters, exchanges, strict=True):
        found = await exchange_evidence.of(registry.db, exchange, caller=registry.operator, now=registry.clock())
        printed = {row["line"]: transcripts.unpacked(row).decode() for _, row in found.transcripts}
        assert tuple(printed) == by_name(adapter.row.series).evidence
        hostname = next(line for line in adapter.running_text.decode().splitlines() if line.startswith("hostname"))
        assert hostname in printed["show config"]
        assert adapter.row.model.split("/")[-1] in printed["show system"]


@pytest.mark.parametrize(("fault", "expected"), [(Fault.REFUSE, "unreachable"), (Fault.CUT, "unreachable")])
async def test_an_adapter_that_refuses_or_cuts_holds_nothing_up(
    registry: Registry, fleet: Fleet, fault: Fault, expected: str
) -> None:
    adapter = one_of(fleet, "seil8")
    await outgoing.run(registry, "UPDATE exchange SET state = 'withdrawn' WHERE old_adapter = $1", adapter.serial)
    fleet.fault(adapter.serial, fault)
    try:
        exchange = await case(registry, adapter)
        async with collecting(registry):
            assert await until(partial(outgoing.settled, registry, exchange)) == expected
    finally:
        fleet.fault(adapter.serial, None)

    found = await exchange_evidence.of(registry.db, exchange, caller=registry.operator, now=registry.clock())
    assert [run["failure"] for run in found.runs] != [None]
    assert found.runs[0]["detail"]
