"""A site for stories: a real controller process, and adapters in this process that live fifty times as fast.

The adapters share the event loop with the test: while a call blocks it (`Controller.ask`, `kill`), no adapter answers.
And what they carry out can be counted and held up where it happens (`Watch`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg
import pytest

from agent import inventory
from agent.adapter import Adapter
from agent.fleet import Fleet, PlugIn, Settings
from agent.generate import PER_GROUP, Recipe, generate
from agent.lifecycle import Stage
from tests.fleet.processes import Controller
from tests.fleet.watch import Watch
from tests.ports import free_ports
from tests.waiting import until

TIME_SCALE = 0.02
DEADLINE_S = 20.0
"""For whatever takes a second or two here: two shared cores are slow at times."""

SETTINGS = {
    "HIKITSUGI_PULLS_PER_MINUTE": "6000",  # adapters ask fifty times as often
    "HIKITSUGI_RS_RETRY_MAX": "8",
    "HIKITSUGI_RS_RETRY_INTERVAL_S": "10",  # 0.2 s here
    "HIKITSUGI_HEARTBEAT_INTERVAL_S": "4",
    "HIKITSUGI_LIVENESS_CHECK_S": "5",  # more than a heartbeat's interval
    "HIKITSUGI_TUNNEL_GRACE_S": "1",
    "HIKITSUGI_SSH_CONNECT_S": "5",
}
ENDED = ("done", "failed", "unknown", "cancelled", "expired")


@dataclass
class Group:
    """Entries of one series and their standby; all without power at first. new and old are named before a swap."""

    entries: list[Adapter]
    new: Adapter

    @property
    def old(self) -> Adapter:
        """The entry of the standby's own model."""
        return next(each for each in self.entries if each.model == self.new.model)


@dataclass
class Site:
    controller: Controller
    fleet: Fleet
    watch: Watch
    _groups: list[Group]

    def group(self, series: str) -> Group:
        """Adapters that no other story uses."""
        found = next(each for each in self._groups if each.new.row.series == series)
        self._groups.remove(found)
        return found

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        key: Path | None = None,
    ) -> Any:
        """Any: JSON. While the controller answers, the adapters live on. key: whose file; None: the administrator's."""
        return await asyncio.to_thread(self.controller.ask, method, path, body, content_type, key)

    async def answer(self, method: str, path: str, body: Any = None, key: Path | None = None) -> tuple[int, Any]:
        """The same with its status, whatever that is."""
        return await asyncio.to_thread(self.controller.answer, method, path, body, "application/json", key)

    async def run(self, *arguments: str, expect: int = 0, key: Path | None = None) -> Any:
        """Any: what the command says with --json."""
        return await asyncio.to_thread(partial(self.controller.run, *arguments, expect=expect, key=key))

    async def account(self, name: str, role: str, contract: str | None = None) -> Path:
        """Somebody new; the file with their access key."""
        await self.ask("POST", "/accounts", {"account": name, "role": role, "contract": contract})
        file = self.controller.folder.parent / f"{name}.key"
        file.write_text((await self.ask("POST", f"/accounts/{name}/keys", {}))["key"])
        file.chmod(0o600)
        return file

    async def rows(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """From the database itself (Any: as asyncpg takes them); also for making time pass there."""
        connection = await asyncpg.connect(self.controller.dsn)
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    async def campaign(self, *lines: str, key: Path | None = None, **more: Any) -> int:
        """Ask for one; its id. more: as POST /campaigns takes them (Any: JSON)."""
        return int((await self.ask("POST", "/campaigns", {"lines": lines, **more}, key=key))["campaign"])

    async def over(self, campaign: int, deadline_s: float = DEADLINE_S) -> Any:
        """The campaign (Any: JSON) when none of its tasks is open any more."""
        return await self.seen(f"/campaigns/{campaign}", lambda row: not row["waiting"] + row["running"], deadline_s)

    async def task(self, campaign: int, adapter: Adapter | None = None) -> Any:
        """The only task of a campaign, or its task on that adapter, with what was printed (Any: JSON)."""
        (one,) = await self.tasks(campaign, *([adapter.serial] if adapter else []))
        return await self.get(f"/tasks/{one['id']}")

    async def tasks(self, campaign: int, *serials: str) -> list[Any]:
        """All tasks of a campaign, or those on the adapters (Any: JSON); the newest first."""
        found = await self.get("/tasks", campaign=str(campaign), limit="1000")
        return [task for task in found if not serials or task["adapter"] in serials]

    async def get(self, path: str, **query: str) -> Any:
        """Any: JSON; of a page its items."""
        answer = await self.ask("GET", f"{path}?{urlencode(query)}" if query else path)
        return answer["items"] if isinstance(answer, dict) and "items" in answer else answer

    async def seen(self, path: str, wanted: Callable[[Any], Any], deadline_s: float = DEADLINE_S, **query: str) -> Any:
        """The answer (Any: JSON) as soon as it is as wanted."""
        last: Any = None

        async def look() -> Any:
            nonlocal last
            last = await self.get(path, **query)
            return last if wanted(last) else None

        try:
            return await until(look, deadline_s=deadline_s, every_s=0.05)
        except Exception as error:
            raise AssertionError(f"{path} stayed at {json.dumps(last)}") from error

    async def soon(self, look: Callable[[], Awaitable[Any]], deadline_s: float = DEADLINE_S) -> None:
        """Wait for whatever can be asked for."""
        await until(look, deadline_s=deadline_s, every_s=0.05)

    async def when(self, condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> None:
        """Wait for something that adapters of this process do."""

        async def look() -> Any:
            return condition()

        await until(look, deadline_s=deadline_s)

    async def up(self, *adapters: Adapter) -> None:
        """Plug them in, and wait until the controller can push to them."""
        self.fleet.plug(*(each.serial for each in adapters))
        for each in adapters:
            await self.seen(f"/adapters/{each.serial}/connection", lambda at: at["methods"])
            await self.when(partial(_is_in_service, each))

    async def order(self, adapter: Adapter, kind: str, **more: Any) -> int:
        """Ask for an operation; its id."""
        answer = await self.ask("POST", f"/adapters/{adapter.serial}/{kind}", more)
        return int(answer["operation"])

    async def write(self, adapter: Adapter, config: bytes) -> str:
        """Make it the working config; the code."""
        code = adapter.row.code
        await self.ask("PUT", f"/codes/{code}/configs/0/working", config, "text/plain")
        return code

    async def push(self, adapter: Adapter, config: bytes, **more: str) -> int:
        """Push a config; the operation's id."""
        code = await self.write(adapter, config)
        return int((await self.ask("POST", f"/codes/{code}/pushes", more))["operation"])

    async def stage(self, adapter: Adapter, name: str) -> bytes:
        """The config of its code in that stage."""
        body = await self.ask("GET", f"/codes/{adapter.row.code}/configs/0/{name}")
        assert isinstance(body, bytes)
        return body

    async def ended(self, operation: int, deadline_s: float = DEADLINE_S) -> Any:
        """The operation (Any: JSON) when nothing more is awaited."""
        return await self.seen(f"/operations/{operation}", lambda row: row["state"] in ENDED, deadline_s)

    async def swap(self, group: Group) -> Any:
        """Any: the report."""
        return await self.ask("POST", f"/codes/{group.old.row.code}/swap", {"standby": group.new.row.code})

    async def handed_over(self, exchange: int) -> Any:
        """The exchange (Any: JSON) once its adapter has the config in force."""
        return await self.seen(f"/exchanges/{exchange}", lambda row: row["state"] == "confirmed")

    async def restart(self) -> None:
        """Start the killed controller again."""

        async def ready() -> bool:
            return await asyncio.to_thread(self.controller.is_ready)

        self.controller.start(wait=False)
        await until(ready, deadline_s=60, every_s=0.1)


def _is_in_service(adapter: Adapter) -> bool:
    return adapter.stage is Stage.IN_SERVICE


def applied(adapter: Adapter) -> int:
    """How many configs it has put in force since it has power."""
    return sum(line.text.startswith("configuration applied") for line in adapter.log_lines or ())


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@asynccontextmanager
async def opened(folder: Path, groups: int) -> AsyncIterator[Site]:
    """A controller, and adapters of all three series in turn, on one contract."""
    (ssh_port,) = free_ports(1)
    rows = list(generate(Recipe(count=groups * PER_GROUP, contracts=1, ssh_port=ssh_port)))
    inventory.write(rows, folder / "rows.csv")
    controller = Controller(folder / "data", **SETTINGS)
    watch, patch = Watch(), pytest.MonkeyPatch()
    watch.put_in(patch)
    try:
        await asyncio.to_thread(controller.start)
        await asyncio.to_thread(
            controller.ask, "POST", "/inventory/import", (folder / "rows.csv").read_bytes(), "text/csv"
        )
        ls_url = f"https://127.0.0.1:{controller.devices}/ls"
        settings = Settings(ls_url=ls_url, ls_anchor=controller.root, plug_in=PlugIn.NONE, time_scale=TIME_SCALE)
        async with Fleet(rows, settings) as fleet:
            adapters = list(fleet.adapters.values())
            cut = [adapters[at : at + PER_GROUP] for at in range(0, len(adapters), PER_GROUP)]
            yield Site(controller, fleet, watch, [Group(each[:-1], each[-1]) for each in cut])
    finally:
        patch.undo()
        controller.kill()
