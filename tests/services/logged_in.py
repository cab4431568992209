"""Adapters with real SSH servers behind their codes, and a worker that really logs in to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from asyncpg import Record

from controller.domain.credential import Credential
from controller.ports import Limits
from controller.services import campaigns, rotation, selections, work
from controller.store import campaigns as rows
from controller.store import logins, task_pages
from controller.store.credentials import Change, Scope
from controller.transports.ssh.collect import SshCollector
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row
from tests.transports.collecting import ANSWERS
from tests.transports.scripted_adapter import Script, ScriptedAdapter
from tests.waiting import until

LIMITS = Limits(connect_s=5, login_s=5, line_s=5, total_s=20)


@dataclass
class Unit:
    """One adapter on a code, and its SSH server; the inventory's login is admin with pw-<number>."""

    code: str
    serial: str
    server: ScriptedAdapter

    @property
    def tried(self) -> list[tuple[str, str]]:
        """The logins tried since this was asked last."""
        seen = self.server.seen.logins
        tried = seen.copy()
        seen.clear()
        return tried


class Place:
    """The registry with units in it."""

    def __init__(self, registry: Registry, numbers: Callable[[], int], stack: AsyncExitStack) -> None:
        self.registry, self._numbers, self._stack = registry, numbers, stack
        self._collector = SshCollector()

    async def unit(self, contract: str = "C1", kind: str = "entry", **script: object) -> Unit:
        number = self._numbers()
        server = ScriptedAdapter(Script(ANSWERS, **{"password": f"pw-{number}", **script}))
        await server.start()
        self._stack.push_async_callback(server.stop)
        code = f"{'E' if kind == 'entry' else 'S'}{number}"
        row = csv_row(code, number, kind=kind, contract=contract).rstrip("\r\n").removesuffix(",")
        header = HEADER.replace(",config", ",ssh_address,ssh_port,ssh_host_key")
        await self.registry.load(f"{header}{row},127.0.0.1,{server.target.port},{server.public_key()}\r\n")
        return Unit(code, f"SER{number:05d}", server)

    async def set(self, scope: Scope, username: str, password: str = "", *, key: str = "", **more: bool) -> None:
        alone = Change("a reason", self.registry.administrator, self.registry.clock.forward(seconds=1), **more)
        await rotation.put(self.registry.db, self.registry.vault, scope, Credential.of(username, password, key), alone)

    async def run(self, *codes: str) -> list[Record]:
        """A run on these codes, over SSH, to its end; its tasks."""
        now = self.registry.clock.forward(seconds=1)
        selected = selections.Selection(tuple(codes), kind="both")
        asked = await campaigns.ask(
            self.registry.db, ["show system"], selected, "", caller=self.registry.administrator, now=now
        )
        parts = (self.registry.db, self.registry.vault, self._collector, LIMITS, 4, self.registry.clock)
        worker = asyncio.create_task(work.run(work.Work(*parts, wake := asyncio.Event(), stopping := asyncio.Event())))

        async def ended() -> bool:
            row = await rows.one(self.registry.db, asked.campaign, contract=None)
            return row is not None and row["waiting"] + row["running"] == 0

        await until(ended)
        stopping.set()
        wake.set()
        await worker
        wanted = task_pages.Wanted(campaign=asked.campaign)
        return await task_pages.page(self.registry.db, wanted, before=None, limit=50)

    async def login(self, unit: Unit) -> Record:
        row = await logins.of(self.registry.db, unit.serial)
        assert row is not None
        return row


@pytest.fixture
async def place(registry: Registry, numbers: Callable[[], int]) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        yield Place(registry, numbers, stack)
