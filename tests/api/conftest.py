"""The real API on a real port and database, and clients for every role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from controller.faces import http, metrics
from controller.faces.api import ROUTES, Context
from controller.faces.api.doors import KeptAnswers, authenticator
from controller.services import access
from controller.services.firmware_online_keys import Safe
from controller.services.idempotency import Repeats
from firmware_repo.blobs import Blobs
from tests.registry_fixtures import Registry, code, numbers, placed, registry

RETURN_ADDRESS = "Hikitsugi Returns\n4-5-6 Kanda, Tokyo"
__all__ = ["code", "numbers", "placed", "registry"]


@dataclass
class Api:
    """Where it listens, and an access key for each account of the registry."""

    base: str
    keys: dict[str, str]
    context: Context

    def as_(self, account: str | None) -> aiohttp.ClientSession:
        """A session with the account's key; None for nobody."""
        headers = {"Authorization": f"Bearer {self.keys[account]}"} if account else {}
        return aiohttp.ClientSession(self.base, headers=headers)


@pytest.fixture(scope="module")
async def api(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    blobs = Blobs(tmp_path_factory.mktemp("firmware"))
    context = Context(
        *(registry.db, registry.vault, blobs, registry.clock, timedelta(days=1), asyncio.Event(), asyncio.Event()),
        return_address=RETURN_ADDRESS,
        firmware_safe=Safe(tmp_path_factory.mktemp("keys") / "firmware-signing.key"),
    )
    app = http.build(
        ROUTES,
        authenticate=authenticator(registry.db),
        metrics=metrics.Metrics(),
        version="test",
        idempotency=KeptAnswers(Repeats(registry.db, registry.vault, registry.clock)),
        provide=(context,),
    )
    runner = http.runner(app, drain_s=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    keys = {
        name: await access.issue_key(registry.db, name, "", caller=registry.administrator, now=registry.clock())
        for name in ("root", "olga", "otto", "sato")
    }
    yield Api(f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1/", keys, context)
    await runner.cleanup()


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Callable[[str | None], Awaitable[aiohttp.ClientSession]]]:
    """`await client("olga")`: root administers, olga operates C1, otto operates C2, sato supports."""
    opened: list[aiohttp.ClientSession] = []

    async def make(account: str | None) -> aiohttp.ClientSession:
        opened.append(api.as_(account))
        return opened[-1]

    yield make
    for session in opened:
        await session.close()
