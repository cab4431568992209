"""The device port as the product has it: one door for HTTP and tunnels, the database behind it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp import web

from controller.authority import Authority
from controller.faces import http
from controller.faces.device.door import Bounds, DeviceDoor
from controller.faces.device.shedding import Shedding
from controller.faces.device.tunnels import TunnelFace
from controller.services import reaches
from controller.tls import device_context, legacy_device_context
from controller.transports.arms.tunnels import Tunnels
from protocol.ids import DistributionId
from tests.device.raw_adapter import RawAdapter, rs_key, trusting
from tests.registry_fixtures import START, Registry
from tests.rows import HEADER, csv_row, distribution_id

ECHO_S = 60


@dataclass
class Hand:
    """A monotonic clock that only tests move."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Port:
    """Where it listens, how to trust it, and the parts a test turns."""

    registry: Registry
    root: Path
    certificate: Path
    monotonic: Hand
    face: TunnelFace
    door: DeviceDoor
    tunnels: Tunnels
    runner: web.AppRunner
    port: int = 0
    legacy_port: int = 0
    running: list[asyncio.Task[None]] = field(default_factory=list)
    adapters: list[RawAdapter] = field(default_factory=list)
    woken: int = 0

    async def connect(self, *, version: ssl.TLSVersion | None = None, receive_buffer: int = 0) -> RawAdapter:
        port = self.port if version is None else self.legacy_port
        adapter = await RawAdapter.connect(port, trusting(self.root, version), receive_buffer=receive_buffer)
        self.adapters.append(adapter)
        return adapter

    async def tunnel(self, id_: DistributionId, **how) -> RawAdapter:
        adapter = await self.connect(**how)
        adapter.open_tunnel(id_, await rs_key(self.registry, id_))
        await adapter.opened()
        return adapter

    async def awaits_first_bytes(self) -> bool:
        """A client has ended the handshake before we have."""
        return len(self.door._waiting) == self.door.count > 0

    async def is_empty(self) -> bool:
        return self.face.count == 0

    async def was_woken(self, times: int) -> bool:
        return self.woken == times

    async def value(self, query: str, *arguments):
        async with self.registry.db.connection() as connection:
            return await connection.fetchval(query, *arguments)


def _web() -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {request.path} {len(await request.read())}")

    app = web.Application(client_max_size=1 << 20)
    app.router.add_route("*", "/{path:.*}", answer)
    return app


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.at(tmp_path_factory.mktemp("authority"), now=START)


@pytest.fixture
async def port(registry: Registry, authority: Authority) -> AsyncIterator[Port]:
    monotonic, tunnels = Hand(), Tunnels()
    runner = http.runner(_web(), drain_s=0.2, idle_s=1)
    await runner.setup()
    assert runner.server is not None
    controller = await reaches.begin(registry.db, datetime.now(START.tzinfo))
    made: Port

    def wake() -> None:
        made.woken += 1

    face = TunnelFace(
        registry.db,
        registry.vault,
        registry.clock,
        tunnels,
        Shedding(16, 1000),
        controller=controller,
        echo_interval_s=ECHO_S,
        wake=wake,
        monotonic=monotonic,
    )
    bounds = Bounds(connections=40, per_address=30, handshake_s=3, header_s=10)
    door = DeviceDoor(runner.server, face.tunnel, bounds, monotonic=monotonic)
    certificate = authority.location_server("test", ["127.0.0.1"], now=START)
    made = Port(registry, authority.root_file, certificate, monotonic, face, door, tunnels, runner)
    made.port = await door.listen("127.0.0.1", 0, device_context(certificate))
    made.legacy_port = await door.listen("127.0.0.1", 0, legacy_device_context(certificate))
    yield made
    for adapter in made.adapters:
        adapter.cut()
    door.close()
    await face.close()
    await runner.cleanup()


@pytest.fixture
async def entry(registry: Registry, numbers: Callable[[], int]) -> DistributionId:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    return distribution_id(number)
