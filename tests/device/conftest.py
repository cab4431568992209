"""The real device listener: TLS with the product's own certificates, the database behind it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from controller.authority import Authority
from controller.faces import http
from controller.faces.device.door import DeviceDoor
from controller.faces.device.firmware import FirmwareDoor
from controller.faces.device.firmware_metadata import metadata_routes
from controller.faces.device.pull import MAX_REQUEST, PullFace
from controller.faces.device.shedding import Shedding
from controller.faces.device.short_pulls import ShortPulls
from controller.services import check_in
from controller.services.firmware_downloads import Log
from controller.tls import device_context
from firmware_repo.blobs import Blobs
from firmware_repo.web import Serving
from tests.registry_fixtures import START, Registry, numbers, registry

__all__ = ["numbers", "registry"]


@dataclass
class Listener:
    """Where it listens, how to trust it, and the parts a test turns."""

    port: int
    root: Path
    face: PullFace
    blobs: Blobs
    firmware: FirmwareDoor

    async def send(self, raw: bytes) -> bytes:
        """Everything that comes back on a connection of its own, until the server closes it."""
        return await self.send_slowly([raw])

    async def send_slowly(self, pieces: list[bytes]) -> bytes:
        """As `send`, with a pause after each piece."""
        trust = ssl.create_default_context(cafile=self.root)
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=trust)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.02 if len(pieces) > 1 else 0)
            answer = await reader.read()
            writer.close()
        return answer


@pytest.fixture(scope="module", params=["as the product has it", "all by the HTTP server"])
async def listener(
    registry: Registry, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Listener]:
    folder = tmp_path_factory.mktemp("device")
    authority = Authority.at(folder / "authority", now=START)
    blobs = Blobs(folder / "firmware")
    answers = Counter("pulls", "", ("message", "result"), registry=CollectorRegistry())
    terms = check_in.Terms(
        rs_url="https://127.0.0.1:8443/rs",
        tunnel_urls=("https://127.0.0.1:8443/tunnel",),
        rs_certificate=authority.root_pem,
        firmware_url="https://127.0.0.1:8443/firmware",
        rs_retry_max=5,
        rs_retry_interval_s=10,
        ll_timeout_s=30,
        heartbeat_host="127.0.0.1",
        heartbeat_port=5000,
        heartbeat_interval_s=60,
    )
    face = PullFace(registry.db, registry.vault, authority, terms, registry.clock, Shedding(64, 1000), answers)
    app = web.Application(client_max_size=MAX_REQUEST)
    face.add_to(app)
    firmware = FirmwareDoor(registry.db, registry.vault, registry.clock, Log(registry.db))
    images = Serving(blobs, firmware.authorise, ended=firmware.ended)
    app.add_routes(metadata_routes(registry.db, registry.vault))
    app.add_routes(images.routes())
    runner = http.runner(app, drain_s=0.2)
    await runner.setup()
    certificate = authority.location_server("test", ["127.0.0.1"], now=START)
    assert runner.server is not None
    pulls = ShortPulls(face.answer)
    lean = not request.param.startswith("all")
    door = DeviceDoor(
        runner.server,
        lambda _: asyncio.Protocol(),
        pulls=pulls if lean else None,
        images=images if lean else None,
    )
    port = await door.listen("127.0.0.1", 0, device_context(certificate))
    yield Listener(port, authority.root_file, face, blobs, firmware)
    door.close()
    await pulls.close()
    await images.close()
    await runner.cleanup()
