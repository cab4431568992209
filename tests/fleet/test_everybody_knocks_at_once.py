"""A whole country gets its power back: 5,000 adapters ask the location server in the same second, 400 boot wholly.

5,000 whole boots, with tunnels, take two cores a minute: that is benchmarks/boot_storm.py.
"""

from __future__ import annotations

import asyncio
import random
import resource
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from csv import DictWriter
from dataclasses import replace
from io import StringIO
from typing import TypeAlias

import asyncpg
import pytest

from agent.exchange import Line, Unanswered, ask
from agent.fleet import Fleet, Settings
from agent.generate import Recipe, generate
from agent.inventory import Row, record
from agent.reaction import LS_RETRY_S
from protocol.arms.codes import ResultCode
from protocol.arms.messages import RsSolicitation, RsSolicitationRequest
from protocol.ids import DistributionId
from tests.fleet.processes import Controller
from tests.fleet.site import Site
from tests.ports import free_ports

SEED = 99
COUNT = 5_000
BOOTS = 500
"""Of these the entries boot wholly: 400."""
WAIT_S = LS_RETRY_S * 0.05
SHED_ENOUGH = 500

Seen: TypeAlias = Counter[str]


@pytest.fixture(scope="module")
async def country(shared_site: Site) -> list[Row]:
    """Adapters that nobody else uses, known to the controller."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * COUNT:
        pytest.skip(f"needs {2 * COUNT} file descriptors, {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * COUNT), hard))
    (port,) = free_ports(1)
    rows = [
        replace(row, code=f"k{row.code[1:]}", config=row.config if at < BOOTS else "")
        for at, row in enumerate(generate(Recipe(COUNT, seed=SEED, contracts=1, ssh_port=port)))
    ]
    await shared_site.ask("POST", "/inventory/import", csv_of(rows), "text/csv")
    return rows


def csv_of(rows: list[Row]) -> bytes:
    file = StringIO()
    writer = DictWriter(file, list(record(rows[0])))
    writer.writeheader()
    writer.writerows(map(record, rows))
    return file.getvalue().encode()


@asynccontextmanager
async def stalled(controller: Controller) -> AsyncIterator[None]:
    """No registration can be read inside, as when the database's disk is slow."""
    cluster = controller.folder / "postgres/cluster"
    lines = (cluster / "postmaster.pid").read_text().splitlines()
    socket = str((cluster / lines[4]).resolve())
    connection = await asyncpg.connect(host=socket, port=int(lines[3]), user="hikitsugi", database="hikitsugi")
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE registration IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def knock(row: Row, line: Line, seen: Seen, keys: dict[str, str]) -> None:
    """Ask until the location server answers, with the real client's wait after anything else."""
    who = DistributionId.parse(row.distribution_id)
    request = RsSolicitationRequest(who, "power on boot", "one of many")
    while row.serial not in keys:
        seen["requests"] += 1
        try:
            answer = await ask(line, who, row.ls_sa_key, request)
        except Unanswered:
            seen["unanswered"] += 1
        else:
            seen[f"{answer.result.value}"] += 1
            if isinstance(answer, RsSolicitation):
                keys[row.serial] = answer.rs_preshared_key
                return
        await asyncio.sleep(WAIT_S * random.uniform(0.9, 1.1))


async def test_everyone_is_served_or_told_to_wait_and_nobody_storms(shared_site: Site, country: list[Row]) -> None:
    controller, seen = shared_site.controller, Seen()
    keys: dict[str, str] = {}
    url, shed = f"https://127.0.0.1:{controller.devices}/ls", f"{ResultCode.SERVER_BUSY.value}"

    async with asyncio.timeout(100), asyncio.TaskGroup() as group, stalled(controller):
        for row in country:
            group.create_task(knock(row, Line(url, controller.root, row.ssh_address, True), seen, keys))
        await shared_site.when(lambda: seen[shed] >= SHED_ENOUGH, deadline_s=40)

    assert len(set(keys.values())) == COUNT, "everybody was served, each with a key of its own"
    assert seen["requests"] == COUNT + seen[shed] + seen["unanswered"] <= 3 * COUNT
    told = controller.figure(f'hikitsugi_pulls_total{{message="rs-solicitation",result="{shed}"}}')
    assert seen[shed] <= told <= seen[shed] + seen["unanswered"], "clients and controller count the same"


async def test_whole_boots_at_once_all_end_with_a_tunnel_and_nobody_asks_twice(
    shared_site: Site, country: list[Row]
) -> None:
    controller = shared_site.controller
    served = {
        message: f'hikitsugi_pulls_total{{message="{message}",result="100"}}'
        for message in ("rs-solicitation", "config-solicitation", "push-method-query")
    }
    entries = [row for row in country[:BOOTS] if row.kind == "entry"]
    before = {message: controller.figure(name) for message, name in served.items()}
    url = f"https://127.0.0.1:{controller.devices}/ls"
    settings = Settings(ls_url=url, ls_anchor=controller.root, seed=SEED, boots_at_once=len(entries))

    async with Fleet(entries, settings) as fleet:
        await fleet.settled(deadline_s=50)

        async def all_are_up() -> bool:
            return await asyncio.to_thread(controller.figure, "hikitsugi_tunnels") == len(entries)

        await shared_site.soon(all_are_up)
        assert all(each.contact and each.contact.is_up for each in fleet.adapters.values())
        assert all(each.running_text == each.row.config.encode() for each in fleet.adapters.values())
    counts = {message: controller.figure(name) - before[message] for message, name in served.items()}
    assert counts == dict.fromkeys(served, len(entries))
