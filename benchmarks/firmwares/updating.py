"""Two thousand agents update at one moment, every tenth connection cut; and one that is up to date looks again.

    python benchmarks/firmwares/updating.py [--quick] [--adapters N] [--mib N]

A controller as a person would start it, with its embedded PostgreSQL and the limits it is shipped with; one process
plays all adapters, from their first pull on. They begin to fetch in the same moment: whoever finds no room comes back
when the controller said so. Counted is what the controller has handed to connections, by its own log of downloads,
beside what the images need; each adapter verifies its own. CPU is the process's own user and system time.

The last line is a JSON list: claim, ours, peer, floor, ratio, target, met.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import asyncpg

sys.path.insert(0, str(Path(__file__).parents[1]))

from fleets.processes import Bench, Fact, Process, prepare_this_process

from agent import inventory
from agent.generate import Recipe, generate
from agent.inventory import Row
from controller.store.embedded import running_dsn
from protocol.image import build

AGENTS = Path(__file__).with_name("agents.py")
START_S, SERIES, VERSION = 60.0, "seil8", "9.99"
CUT, REFRESHED, TARGET, MEMORY_MB = 10, 100, 1.15, 2.0
ONE_ADDRESS = {"HIKITSUGI_PULLS_PER_MINUTE_PER_ADDRESS": "200000", "HIKITSUGI_PULLS_PER_MINUTE": "10000"}


class Peak:
    """The largest resident size of a process while this is entered, MB; looked at ten times a second."""

    def __init__(self, process: Process) -> None:
        self._process, self._over = process, threading.Event()
        self.before = self.mb = process.resident_kb / 1024
        self._watch = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.mb = max(self.mb, self._process.resident_kb / 1024)

    def __enter__(self) -> Peak:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()


def ready(bench: Bench, count: int, size: int) -> tuple[Process, int]:
    """A root of trust, a catalogue, codes, and adapters that are about to fetch; who plays them, and how many."""
    rows = site(bench, count, size)
    agents = bench.start(sys.executable, AGENTS)
    pull(bench, agents, rows)
    return agents, len(rows)


def measure(bench: Bench, controller: Process, agents: Process, count: int, size: int) -> list[Fact]:
    """Both parts; the claims. They are `ready`."""
    return update(bench, controller, agents, count, size) + refresh(controller, agents, min(count, REFRESHED))


def entries(count: int) -> list[Row]:
    """So many of one series."""
    many = generate(Recipe(count * 15 // 4 + 30))
    return [row for row in many if row.kind == "entry" and row.series == SERIES][:count]


def site(bench: Bench, count: int, size: int) -> list[Row]:
    """A registry with so many entries of one series, a signed image for them, and all of them on their way to it."""
    rows = entries(count)
    inventory.write(rows, bench.folder / "all.csv")
    bench.hikitsugi("inventory", "import", bench.folder / "all.csv")
    image = bench.folder / "image.img"
    image.write_bytes(build(SERIES, VERSION, (), os.urandom(size - 512)))
    _ceremony(bench)
    bench.hikitsugi("firmware", "import", image, "--series", SERIES, "--version", VERSION)
    _with_key(bench, "sign", "--key", bench.folder / "ceremony/keys" / f"{SERIES}.pem", "--yes")
    asyncio.run(ask(bench, "UPDATE code SET firmware_target = $1 RETURNING code", VERSION))
    return rows


def _ceremony(bench: Bench) -> None:
    online, folder = bench.folder / "online.json", bench.folder / "ceremony"
    (bench.folder / "passphrase").write_text("seven words drawn at random from a list\n")
    bench.hikitsugi("firmware", "trust", "online-keys", "--out", online)
    _with_key(bench, "ceremony", folder, "--online", online, "--series", SERIES)
    bench.hikitsugi("firmware", "trust", "establish", folder / "metadata", "--yes")


def _with_key(bench: Bench, *words: str | Path) -> None:
    bench.hikitsugi("firmware", *words, "--passphrase-file", bench.folder / "passphrase")


async def ask(bench: Bench, query: str, *values: object) -> list[asyncpg.Record]:
    """In the database itself: two thousand orders over the API would be another benchmark."""
    connection = await asyncpg.connect(running_dsn(bench.folder / "data"))
    try:
        return await connection.fetch(query, *values)
    finally:
        await connection.close()


def pull(bench: Bench, agents: Process, rows: list[Row]) -> None:
    """Everybody up to where an update begins; they believe the root of the ceremony."""
    ca = next((bench.folder / "data/authority").glob("root*.pem")).read_text()
    root = (bench.folder / "ceremony/metadata/1.root.json").read_text()
    task = {"do": "pull", "inventory": str(bench.folder / "all.csv"), "state": str(bench.folder / "agents")}
    answer = agents.ask(task | {"ls_url": f"https://127.0.0.1:{bench.devices}/ls", "ca": ca, "root": root})
    if answer["ready"] != len(rows):
        raise SystemExit(f"{answer['ready']} of {len(rows)} adapters were told to update.")


def update(bench: Bench, controller: Process, agents: Process, count: int, size: int) -> list[Fact]:
    """All of them at once; the claims."""
    before = controller.cpu_s
    with Peak(controller) as peak:
        said = agents.ask({"do": "update", "cut": CUT})
    said["controller_cpu_s"] = controller.cpu_s - before
    time.sleep(2.5)  # the log of downloads is written once a second
    (sums,) = asyncio.run(ask(bench, "SELECT sum(sent) AS sent, count(*) AS rows FROM firmware_download"))
    needed, sent = count * size, int(sums["sent"] or 0)
    print(f"{count} adapters, {size / 1048576:.3g} MiB each: {said}, server {dict(sums)}, needed {needed}")
    verified = said["ended"].get("verified", 0)
    each_mb = (peak.mb - peak.before) / count
    print(f"controller's resident MB: {peak.before:.0f} before, {peak.mb:.0f} at its highest")
    what = f"{count} adapters update at once, every tenth connection cut:"
    return [
        claim(f"{what} bytes sent beside bytes needed", sent, needed, target=TARGET),
        claim(f"{what} adapters beside those that end verified", count, verified, target=1.0),
        claim(f"{what} controller's memory, MB more for each", each_mb, MEMORY_MB, target=1.0),
    ]


def refresh(controller: Process, agents: Process, count: int) -> list[Fact]:
    """Adapters that have seen all of the metadata look again; the claims. They have looked before, in `pull`."""
    before = controller.cpu_s
    said = agents.ask({"do": "refresh", "adapters": count})
    served_ms = (controller.cpu_s - before) / count * 1000
    print(f"metadata refresh of {count} adapters that are up to date: {said}, controller CPU ms each {served_ms:.2f}")
    what = "metadata refresh of an adapter that is up to date, TLS handshake and all:"
    return [
        claim(f"{what} body bytes", said["received"] / count),
        claim(f"{what} adapter's CPU ms", said["cpu_s"] / count * 1000),
        claim(f"{what} controller's CPU ms", served_ms),
    ]


def claim(what: str, ours: float, floor: float | None = None, *, target: float | None = None) -> Fact:
    """met: ours / floor is within the target. A figure without a floor is told, and measured against nothing."""
    ratio = ours / max(floor, 1e-9) if floor is not None else None
    return {
        "claim": what,
        "ours": round(ours, 2),
        "peer": None,
        "floor": floor,
        "ratio": None if ratio is None else round(ratio, 3),
        "target": target,
        "met": None if ratio is None or target is None else ratio <= target,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 40 s")
    parser.add_argument("--adapters", type=int)
    parser.add_argument("--mib", type=float, help="size of an image")
    arguments = parser.parse_args()
    count = arguments.adapters or (200 if arguments.quick else 2000)
    size = int((arguments.mib or 1) * (1 << 20))
    prepare_this_process()
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, contextlib.ExitStack() as stack:
        bench = Bench(Path(folder), stack, **ONE_ADDRESS)
        controller = bench.controller(START_S)
        claims = measure(bench, controller, *ready(bench, count, size), size)
    print(json.dumps(claims))


if __name__ == "__main__":
    main()
