"""Campaigns over hundreds of adapters go on when a worker or the controller is killed with -9 in the middle.

What was recorded stays as it is and is not run again; every task ends; what must not be done twice is not.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from agent import inventory
from agent.adapter import Adapter
from agent.fleet import Fleet, PlugIn, Settings
from agent.generate import Recipe, generate
from tests.fleet.site import Site
from tests.ports import free_ports

SEED = 31
GROUPS = 50
CONTRACT = "K0001"
LOOK, CLEAR = "show system", "clear arp"
AT_ONCE = 50
"""What a process works on at a time (setting ssh_concurrency)."""
FEW = 10

_RECORDED = """
    SELECT t.id, t.adapter, t.campaign, t.state, t.failure, t.detail, t.fence, t.finished_at,
           (SELECT array_agg((r.position, r.sha256, r.started_at) ORDER BY r.position)
            FROM transcript r WHERE r.task = t.id) AS printed
    FROM task t WHERE t.finished_at IS NOT NULL ORDER BY t.id"""


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    number: int


@dataclass
class MidCampaign:
    """of_controller, of_worker: campaigns of CLEAR, of which FEW tasks each wait for the adapter's last word; the
    controller's others are done. looking: a campaign over all adapters, of which a part is done and a part is not.
    recorded: what the database had of it all at the last moment (Any: rows by task)."""

    of_controller: int
    of_worker: int
    looking: int
    recorded: dict[int, Any]


@dataclass
class Country:
    """200 adapters in service, to which nothing but SSH leads."""

    site: Site
    adapters: list[Adapter]
    worker: Worker | None = None

    async def in_mid_campaign(self) -> MidCampaign:
        """Controller and worker at work on all of them."""
        site, watch = self.site, self.site.watch
        (controller,) = await self._numbers()
        mine, his, stuck = self.adapters[:AT_ONCE], self.adapters[AT_ONCE:][:FEW], self.adapters[-FEW:]
        watch.hold_line(CLEAR, *mine, *his)
        watch.hold_line(LOOK, *stuck)
        of_controller = await site.campaign(CLEAR, codes=[each.row.code for each in mine])
        await self._taken(of_controller, controller, AT_ONCE)  # now it is full, and leaves the next ones to the worker
        self.worker = await self._started()
        of_worker = await site.campaign(CLEAR, codes=[each.row.code for each in his])
        await self._taken(of_worker, self.worker.number, FEW)
        await self._typed(CLEAR, *mine, *his)
        watch.let_go(*mine[FEW:])
        looking = await site.campaign(LOOK, "show status interface", contract=CONTRACT)
        await self._typed(LOOK, *stuck)
        await site.seen(f"/campaigns/{of_controller}", lambda row: row["done"] == AT_ONCE - FEW)
        await site.seen(f"/campaigns/{looking}", lambda row: row["done"] >= AT_ONCE)
        return MidCampaign(of_controller, of_worker, looking, await self._recorded())

    async def _started(self) -> Worker:
        before = await self._numbers()
        process = self.site.controller.worker()

        async def there() -> set[int]:
            return await self._numbers() - before

        try:
            await self.site.soon(there)
        except BaseException:
            process.kill()
            raise
        return Worker(process, max(await there()))

    async def _numbers(self) -> set[int]:
        return {row["id"] for row in await self.site.rows("SELECT id FROM controller")}

    async def running(self, campaign: int, number: int) -> int:
        """How many of its tasks that process has under way."""
        query = "SELECT count(*) FROM task WHERE state = 'running' AND campaign = $1 AND controller = $2"
        return int((await self.site.rows(query, campaign, number))[0]["count"])

    async def _taken(self, campaign: int, number: int, count: int) -> None:
        async def so_many() -> bool:
            return await self.running(campaign, number) == count

        await self.site.soon(so_many)

    async def _typed(self, line: str, *adapters: Adapter) -> None:
        await self.site.when(lambda: all(self.site.watch.typed(each, line) for each in adapters))

    async def _recorded(self) -> dict[int, Any]:
        return {row["id"]: row for row in await self.site.rows(_RECORDED)}

    async def unknown(self, campaign: int) -> int:
        """How many of its tasks ended as unknown, each told of: in the task, the audit trail and the outbox."""
        tasks = [task for task in await self.site.tasks(campaign) if task["failure"] == "unknown"]
        assert all("look at the adapter first" in task["detail"] for task in tasks)
        audit = await self.site.get("/audit", action="task.unknown", contract=CONTRACT, limit="200")
        told = await self.site.rows(
            "SELECT (payload ->> 'task')::bigint AS task FROM outbox WHERE topic = 'task.unknown'"
        )
        numbers = {task["id"] for task in tasks}
        assert numbers <= {row["detail"]["task"] for row in audit}
        assert numbers <= {row["task"] for row in told}
        return len(tasks)

    async def is_whole(self, mid: MidCampaign) -> None:
        """Everything was looked at; what was recorded is as it was; neither that nor CLEAR ran twice anywhere."""
        ended = await self.site.over(mid.looking, 100)
        assert (ended["done"], ended["tasks"]) == (len(self.adapters), len(self.adapters))
        after = await self._recorded()
        assert {task: after[task] for task in mid.recorded} == mid.recorded
        assert {len(row["printed"]) for row in after.values() if row["campaign"] == mid.looking} == {2}
        looked = {row["adapter"] for row in mid.recorded.values() if row["campaign"] == mid.looking}
        watch = self.site.watch
        assert {watch.typed(each, LOOK) for each in self.adapters if each.serial in looked} == {1}
        assert max(watch.typed(each, CLEAR) for each in self.adapters) == 1


@pytest.fixture(scope="module")
async def adapters(shared_site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Adapter]]:
    """They have their configs without the controller."""
    (port,) = free_ports(1)
    made = generate(Recipe(GROUPS * 5, seed=SEED, contracts=1, ssh_port=port))
    rows = [replace(row, contract=CONTRACT, code=f"m{row.code[1:]}") for row in made if row.kind == "entry"]
    file = tmp_path_factory.mktemp("country") / "rows.csv"
    inventory.write(rows, file)
    await shared_site.ask("POST", "/inventory/import", file.read_bytes(), "text/csv")
    async with Fleet(rows, Settings(seed=SEED, plug_in=PlugIn.ALL, push=False, time_scale=0.02)) as fleet:
        await fleet.settled(deadline_s=20)
        yield list(fleet.adapters.values())


@pytest.fixture
async def country(site: Site, adapters: list[Adapter]) -> AsyncIterator[Country]:
    site.watch.ran.clear()
    country = Country(site, adapters)
    yield country
    if country.worker:
        country.worker.process.kill()
        country.worker.process.wait()


async def test_worker_killed_in_mid_campaign_leaves_nothing_undone_but_what_nobody_knows(
    site: Site, country: Country
) -> None:
    mid = await country.in_mid_campaign()
    assert country.worker

    country.worker.process.kill()
    site.watch.let_go()
    # It was not seen for half a minute.
    query = "UPDATE controller SET seen_at = seen_at - interval '30 s' WHERE id = $1"
    await site.rows(query, country.worker.number)

    assert (await site.over(mid.of_worker))["failed"] == FEW
    assert await country.unknown(mid.of_worker) == FEW
    assert (await site.over(mid.of_controller))["done"] == AT_ONCE
    await country.is_whole(mid)


async def test_controller_killed_in_mid_campaign_loses_its_own_tasks_and_no_worker_its(
    site: Site, country: Country
) -> None:
    mid = await country.in_mid_campaign()
    assert country.worker

    site.controller.kill()
    await site.restart()
    assert await country.running(mid.of_worker, country.worker.number) == FEW
    site.watch.let_go()

    ended = await site.over(mid.of_controller, 100)
    assert (ended["done"], ended["failed"]) == (AT_ONCE - FEW, FEW)
    assert await country.unknown(mid.of_controller) == FEW
    assert (await site.over(mid.of_worker, 100))["done"] == FEW
    await country.is_whole(mid)
