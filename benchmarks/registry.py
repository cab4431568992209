"""The registry: swaps per second, and what its questions cost with a million adapters.

    python benchmarks/registry.py [--quick] [--fsync]

Swaps are compared with pgbench, which runs the plain six-statement transaction with as many clients. One embedded
PostgreSQL, without fsync: a disk that stalls for seconds now and then, as shared ones do, would hide what is compared
(--fsync puts it back). Rounds are interleaved; of ratios, the median of the rounds is told. Afterwards the same over
HTTP: of a controller started as a person would start it, on the same database and the same cores as its clients.

With a million adapters and three million ledger rows loaded (50,000 adapters with --quick), p99 of a swap, of a look-up
at a time, of a search and of list pages are compared with those of ten thousand: see registry_parts/questions.py.

The last line is a JSON list: claim, ours, peer, floor, ratio, target, met.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog
from fleets.processes import Bench, Fact, prepare_this_process
from registry_parts import swaps
from registry_parts.questions import questions
from registry_parts.swaps import Timed

from controller.store.embedded import Embedded
from controller.store.migrate import migrate
from controller.store.pool import Database
from controller.store.secrets import Secrets

CLIENTS, CALL, BULK, START_S = 16, 1.5, 4.0, 60.0


async def measure_swaps(quick: bool, fsync: bool) -> list[Fact]:
    """Claims about swaps. Each round: the peer, the call, bulk. Then over HTTP, so that no idle controller disturbs."""
    rounds, batch, over_http = (5, 1600, 320) if quick else (15, 8000, 4800)
    times: dict[str, list[Timed]] = {"peer": [], "call": [], "bulk": [], "http": []}
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, contextlib.ExitStack() as stack:
        async with Embedded(Path(folder), settings={"fsync": "on" if fsync else "off"}).running() as server:
            await migrate(server.dsn)
            db, vault = await Database.open(server.dsn, size=CLIENTS, statement_s=300), Secrets.generate()
            await swaps.seed(db, 1, 3 * rounds * batch + over_http)
            for turn in range(rounds):
                first = [1 + (3 * turn + n) * batch for n in range(4)]
                times["peer"].append(await swaps.pgbench(server, first[0], batch, CLIENTS, Path(folder)))
                times["call"].append(await swaps.calls(db, vault, range(first[1], first[2]), CLIENTS))
                times["bulk"].append(await swaps.bulk(db, vault, range(first[2], first[3])))
                print({name: round(timed[-1].per_s) for name, timed in times.items() if timed}, flush=True)
            bench = Bench(Path(folder), stack, HIKITSUGI_DATABASE_URL=server.dsn)
            await asyncio.to_thread(bench.controller, START_S)
            last = 3 * rounds * batch
            times["http"].append(await swaps.over_http(bench, range(last + 1, last + over_http + 1), CLIENTS))
            bench.process.end()
            await db.close()
    return swap_claims(times)


def swap_claims(times: dict[str, list[Timed]]) -> list[Fact]:
    """The claims, and beside them how long callers waited."""
    for name in ("call", "http"):
        waits = [wait for timed in times[name] for wait in timed.waits_s]
        print(f"{name}: p50 {percentile(waits, 50):.1f} ms, p99 {percentile(waits, 99):.1f} ms, {CLIENTS} at a time")
    asked = f"swaps/s, {CLIENTS} at a time"
    return [
        claim(
            f"{asked}, through the registry call, beside pgbench's six statements", times["call"], times["peer"], CALL
        ),
        claim("swaps/s in bulk, beside pgbench's six statements", times["bulk"], times["peer"], BULK),
        claim(f"{asked}, over HTTP (a figure)", times["http"], times["peer"][-1:], None),
    ]


def claim(what: str, ours: Sequence[Timed], peer: Sequence[Timed], target: float | None) -> Fact:
    ratio = statistics.median(a.per_s / b.per_s for a, b in zip(ours, peer, strict=True))
    return {
        "claim": what,
        "ours": round(statistics.median(timed.per_s for timed in ours)),
        "peer": round(statistics.median(timed.per_s for timed in peer)),
        "floor": None,
        "ratio": round(ratio, 2),
        "target": f">= {target}" if target else None,
        "met": ratio >= target if target else None,
    }


def percentile(waits_s: Sequence[float], percent: int) -> float:
    """In ms."""
    return statistics.quantiles(waits_s, n=100)[percent - 1] * 1000


async def main(quick: bool, fsync: bool) -> None:
    claims = await measure_swaps(quick, fsync) + await questions(quick)
    print(f"load average {os.getloadavg()}; {os.cpu_count()} cores")
    for each in claims:
        print(each)
    print(json.dumps(claims))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    parser.add_argument("--fsync", action="store_true", help="with the disk's part")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    prepare_this_process()
    asyncio.run(main(arguments.quick, arguments.fsync))
