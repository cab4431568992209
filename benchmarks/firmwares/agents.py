"""Emulated adapters that do what the benchmark says, one step of their life for all of them at a time.

Reads one JSON object a line and answers each with one:

    {"do": "pull", "inventory": file, "ls_url": url, "ca": PEM, "root": JSON, "state": folder}
        everybody asks for its config, 64 at a time, looks what the image must be, and stops there
    {"do": "update", "cut": every}     all of them fetch at once; of so many connections, the first one breaks half-way
    {"do": "refresh", "adapters": N}   so many look at signed metadata that they have seen before, 8 at a time

Sums are over all adapters: bytes are body bytes as they came, CPU is this process's.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agent import download, inventory, metadata_fetching
from agent.adapter import Adapter, Offer
from agent.boot import World, power_on, take
from agent.faults import Fault
from agent.firmware_trust import FirmwareTrust
from agent.reaction import Next, Step
from agent.seeds import DEFAULT_SEED

PULLS_AT_ONCE, REFRESHES_AT_ONCE, TIME_SCALE, DEADLINE_S = 64, 8, 0.02, 200.0
Fact = dict[str, Any]  # Any: JSON


class Play:
    """The adapters between two tasks."""

    def __init__(self) -> None:
        self.adapters: list[Adapter] = []
        self.world: World
        self.taken = 0
        self._count(download.Partial, "take", lambda _, data: len(data))

    def _count(self, owner: type, name: str, of: Callable[..., int]) -> None:
        """Every byte that an adapter takes, whatever becomes of it."""
        before = getattr(owner, name)

        def counting(*arguments: Any) -> Any:  # Any: as before
            self.taken += of(*arguments)
            return before(*arguments)

        setattr(owner, name, counting)

    async def pull(self, task: Fact) -> Fact:
        rows = inventory.read(Path(task["inventory"]))
        trust = FirmwareTrust(task["root"].encode(), Path(task["state"]))
        self.world = World(task["ls_url"], task["ca"], lambda _: "", lambda _: None, None, trust, TIME_SCALE)
        self.adapters = [Adapter(row, DEFAULT_SEED) for row in rows]
        began = [power_on(adapter, self.world) for adapter in self.adapters]
        due = await at_once(
            PULLS_AT_ONCE, [self._until_update(*each) for each in zip(self.adapters, began, strict=True)]
        )
        return {"ready": sum(due)}

    async def _until_update(self, adapter: Adapter, upcoming: Next | None) -> bool:
        while upcoming and upcoming.step in (Step.LOCATE, Step.PULL):
            await asyncio.sleep(upcoming.wait_s * TIME_SCALE)
            upcoming = await take(upcoming.step, adapter, self.world)
        if upcoming is None or upcoming.step is not Step.DOWNLOAD:
            return False
        assert adapter.volatile.offer is not None
        adapter.volatile.offer.wanted = await self._look(adapter)
        return True

    async def update(self, task: Fact) -> Fact:
        for adapter in self.adapters[:: task["cut"]]:
            adapter.faults.set(Fault.CUT_DOWNLOAD, 1)
        ended: Counter[str] = Counter()
        began, before = time.monotonic(), cpu_s()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*(self._update(adapter, ended) for adapter in self.adapters))
        return {
            "ended": dict(ended),
            "taken": self.taken,
            "seconds": time.monotonic() - began,
            "cpu_s": cpu_s() - before,
        }

    async def _update(self, adapter: Adapter, ended: Counter[str]) -> None:
        """Until the image is verified, as the adapter itself judges, or given up."""
        upcoming: Next | None = Next(Step.DOWNLOAD)
        while upcoming and upcoming.step is Step.DOWNLOAD:
            await asyncio.sleep(upcoming.wait_s * TIME_SCALE)
            upcoming = await take(Step.DOWNLOAD, adapter, self.world)
            ended["connections"] += 1
        is_verified = upcoming is not None and upcoming.step is Step.FLASHED
        ended["verified" if is_verified else adapter.volatile.reason] += 1

    async def refresh(self, task: Fact) -> Fact:
        received = 0
        get = metadata_fetching.Fetching.download_bytes

        def counting(fetching: metadata_fetching.Fetching, url: str, most: int) -> bytes:
            nonlocal received
            data = get(fetching, url, most)
            received += len(data)
            return data

        metadata_fetching.Fetching.download_bytes = counting  # type: ignore[method-assign]
        some = self.adapters[: task["adapters"]]
        began, before = time.monotonic(), cpu_s()
        await at_once(REFRESHES_AT_ONCE, [self._look(adapter) for adapter in some])
        said = {"seconds": time.monotonic() - began, "cpu_s": cpu_s() - before}
        return said | {"received": received, "adapters": len(some)}

    async def _look(self, adapter: Adapter) -> download.Wanted:
        offer, server, trust = adapter.volatile.offer, adapter.volatile.server, self.world.firmware_trust
        assert offer is not None
        assert server is not None
        assert trust is not None
        return await trust.wanted(adapter, server, Offer(offer.version, offer.url, b""), "")


async def at_once(many: int, all_of: list[Awaitable[Any]]) -> list[Any]:
    """Any: what they give, in their order; so many under way at a time."""
    room = asyncio.Semaphore(many)

    async def one(each: Awaitable[Any]) -> Any:
        async with room:
            return await each

    return await asyncio.gather(*map(one, all_of))


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main() -> None:
    play = Play()
    for line in iter(await asyncio.to_thread(lambda: sys.stdin.readline), ""):
        task = json.loads(line)
        answer = await getattr(play, {"pull": "pull", "update": "update", "refresh": "refresh"}[task["do"]])(task)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
