"""From a swap's commit to the config on the new device, both adapters connected: with a warm spare and with a cold one.

    python benchmarks/handover.py [--quick] [--pairs N]

The controller is a process started as a person would start it, settings as shipped (a stand-by adapter asks every 8 to
10 s); the adapters are emulated in this process, in real time, over real TLS. Each pair is exchanged once, through the
API; a wait ends when the spare has applied the entry's config, and for the old entry when it has been told that it is
a stand-by. Half of the pairs have warm spares, half cold ones. Warm ones go one after the other, so that each is timed
by itself; cold ones all within one retry interval, since a wait is what is measured. There is no peer: no other
controller hands over.

The last line is a JSON list: claim, ours (p99), peer, floor, ratio (to the target), target, met.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp
from fleets.processes import Bench, free_ports, prepare_this_process

from agent import inventory
from agent.fleet import Fleet, Settings
from agent.generate import Recipe, generate
from agent.inventory import Row
from agent.lifecycle import Stage

WARM_S, COLD_S, TOLD_S, START_S, DEADLINE_S = 2.0, 10.0, 2.0, 60.0, 60.0
Pair = tuple[Row, Row]


def pairs(count: int, port: int) -> list[Pair]:
    """Entries and spares of one model, two of a kind at a time."""
    rows = [row for row in generate(Recipe(count * 12, ssh_port=port)) if row.series == "seil3"]
    spares: dict[str, list[Row]] = {row.contract: [] for row in rows}
    for row in rows:
        if row.kind == "standby":
            spares[row.contract].append(row)
    made: list[Pair] = []
    for row in rows:
        if row.kind == "entry" and spares[row.contract] and len(made) < count:
            made.append((row, spares[row.contract].pop()))
    return made


async def applied(fleet: Fleet, new: Row, config: bytes) -> None:
    adapter = fleet.find(new.serial)
    while adapter.running_text != config or adapter.stage is not Stage.IN_SERVICE:  # noqa: ASYNC110
        await asyncio.sleep(0.002)


async def told(fleet: Fleet, old: Row) -> None:
    adapter = fleet.find(old.serial)
    while adapter.stage is not Stage.STANDBY:  # noqa: ASYNC110
        await asyncio.sleep(0.002)


async def exchange(api: aiohttp.ClientSession, fleet: Fleet, pair: Pair) -> tuple[float, float]:
    """Seconds from the API's answer, which follows the commit, to the config on the device, and to the old one told."""
    entry, spare = pair
    config = fleet.find(entry.serial).running_text
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        async with api.post(f"codes/{entry.code}/swap", json={"standby": spare.code}) as answer:
            if answer.status != 200:
                raise SystemExit(f"The swap was refused: {await answer.text()}")
        began = time.perf_counter()

        async def seconds(what: asyncio.Task[None]) -> float:
            await what
            return time.perf_counter() - began

        on_device = group.create_task(seconds(asyncio.create_task(applied(fleet, spare, config))))
        stand_by = group.create_task(seconds(asyncio.create_task(told(fleet, entry))))
    return on_device.result(), stand_by.result()


async def measure(bench: Bench, made: list[Pair]) -> dict[str, list[tuple[float, float]]]:
    anchor = (bench.folder / "data/authority/root.pem").read_text()
    settings = Settings(ls_url=f"https://127.0.0.1:{bench.devices}/ls", ls_anchor=anchor)
    key = (bench.folder / "data/admin.key").read_text().strip()
    warm, cold = made[: len(made) // 2], made[len(made) // 2 :]
    headers = {"Authorization": f"Bearer {key}"}
    rows = [row for pair in made for row in pair]
    async with aiohttp.ClientSession(bench.api + "/api/v1/", headers=headers) as api:
        for _, spare in warm:
            async with api.put(f"codes/{spare.code}/warm", json={"warm": True}) as answer:
                answer.raise_for_status()
        async with Fleet(rows, settings) as fleet:
            await fleet.settled(deadline_s=DEADLINE_S)
            await connected(fleet, [entry for entry, _ in made] + [spare for _, spare in warm])
            one_by_one = [await exchange(api, fleet, pair) for pair in warm]

            async def at_some_time(pair: Pair) -> tuple[float, float]:
                await asyncio.sleep(random.uniform(0, COLD_S))
                return await exchange(api, fleet, pair)

            spread = await asyncio.gather(*(at_some_time(pair) for pair in cold))
    return {"warm": one_by_one, "cold": list(spread)}


async def connected(fleet: Fleet, rows: list[Row]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        for row in rows:
            while fleet.find(row.serial).stage is not Stage.IN_SERVICE:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    await asyncio.sleep(2)  # the last confirmations


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def claim(text: str, values: list[float], target: float) -> dict[str, object]:
    high = p99(values)
    print(f"{text}: p50 {statistics.median(values):.2f} s, p99 {high:.2f} s, most {max(values):.2f} s, n {len(values)}")
    return {
        "claim": f"{text}, p99, s",
        "ours": round(high, 2),
        "peer": None,
        "floor": None,
        "ratio": round(high / target, 2),
        "target": target,
        "met": high <= target,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 pairs (under 50 s)")
    parser.add_argument("--pairs", type=int)
    arguments = parser.parse_args()
    prepare_this_process()
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, contextlib.ExitStack() as stack:
        bench = Bench(Path(folder), stack)
        bench.controller(START_S)
        made = pairs(arguments.pairs or (20 if arguments.quick else 200), free_ports(1)[0])
        inventory.write([row for pair in made for row in pair], bench.folder / "all.csv")
        bench.hikitsugi("inventory", "import", bench.folder / "all.csv")
        took = asyncio.run(measure(bench, made))
    claims = [
        claim("swap to config on device, warm spare", [each[0] for each in took["warm"]], WARM_S),
        claim("swap to config on device, cold spare", [each[0] for each in took["cold"]], COLD_S),
        claim("swap to the old entry told", [each[1] for each in took["warm"] + took["cold"]], TOLD_S),
    ]
    print(json.dumps(claims))


if __name__ == "__main__":
    main()
