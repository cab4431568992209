"""The device port as the product has it: TLS, the reader of short pulls; who answers behind it changes by the run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from agent import boot
from controller.authority import Authority
from controller.faces import http
from controller.faces.device.door import DeviceDoor
from controller.faces.device.short_pulls import ShortPulls
from controller.services.pull_answers import Terms
from controller.tls import device_context
from tests.registry_fixtures import START

Answer = Callable[[str, str, str, bytes], Awaitable[bytes]]


@dataclass
class Door:
    """answer: of the present run."""

    device: DeviceDoor
    pulls: ShortPulls
    runner: web.AppRunner
    port: int = 0
    answer: Answer | None = None

    @classmethod
    async def opened(cls, authority: Authority) -> Door:
        made: Door

        async def answer(path: str, authorization: str, source: str, body: bytes) -> bytes:
            assert made.answer is not None
            return await made.answer(path, authorization, source, body)

        runner = http.runner(web.Application(), drain_s=0.2)
        await runner.setup()
        assert runner.server is not None
        pulls = ShortPulls(answer)
        made = cls(DeviceDoor(runner.server, lambda _: asyncio.Protocol(), pulls=pulls), pulls, runner)
        certificate = authority.location_server("test", ["127.0.0.1"], now=START)
        made.port = await made.device.listen("127.0.0.1", 0, device_context(certificate))
        return made

    async def close(self) -> None:
        self.device.close()
        await self.pulls.close()
        await self.runner.cleanup()

    def terms(self, authority: Authority) -> Terms:
        at = f"https://127.0.0.1:{self.port}"
        return Terms(
            rs_url=f"{at}/rs",
            tunnel_urls=(f"{at}/tunnel",),
            rs_certificate=authority.root_pem,
            firmware_url=f"{at}/firmware",
            rs_retry_max=2,
            rs_retry_interval_s=10,
            ll_timeout_s=30,
            heartbeat_host="127.0.0.1",
            heartbeat_port=5000,
            heartbeat_interval_s=60,
        )

    def world(self, authority: Authority) -> boot.World:
        """As emulated adapters see it."""
        at = f"https://127.0.0.1:{self.port}/ls"
        return boot.World(at, authority.root_pem, local=lambda _: "", remember=lambda _: None)
