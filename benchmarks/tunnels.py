"""Idle tunnels: what one costs the controller in memory and CPU, beside plain asyncio holding TLS connections.

    python benchmarks/tunnels.py [--quick] [--tunnels N] [--echo-s SECONDS]

5,000 (2,000 with --quick) adapters each open a tunnel to one controller, confirm it, and ask for their echo once in
60 s. Memory is the controller's resident memory with all of them less that before the first connection, so everything
that grew on the way is in it, divided by their number. CPU is the controller's own while the echoes go, in per cent of
a core. The peer is a plain asyncio server that does nothing but hold as many TLS connections with the same certificate;
the floor is the same with asyncio's buffer cut to our 32 KiB. The client is another process.

The last line is a JSON list: claim, ours, peer, floor, ratio, target, met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from fleets.processes import Bench, Fact, Process, free_ports, prepare_this_process

from agent import inventory
from agent.generate import Recipe, generate

TARGET_KB, INTERVAL_S, START_S, AT_ONCE = 64.0, 60.0, 60.0, 64
PARTS = Path(__file__).parent / "boots"
OURS_BUFFER = 32 * 1024


def settled(process: Process) -> float:
    """Resident KB after a moment without work."""
    time.sleep(2)
    return process.resident_kb


def ask(client: Process, task: Fact) -> Fact:
    answer = client.ask(task)
    if answer["failed"]:
        raise SystemExit(f"Not everything was answered: {answer}")
    return answer


def controller(bench: Bench, client: Process, count: int, echo_s: float) -> tuple[float, float]:
    """KB per tunnel, and per cent of a core while echoes go."""
    process = bench.controller(START_S)
    rows = [row for row in generate(Recipe(count * 5 // 4 + 10)) if row.kind == "entry"][:count]
    inventory.write(rows, bench.folder / "all.csv")
    bench.hikitsugi("inventory", "import", bench.folder / "all.csv")
    before = settled(process)
    who = [[row.distribution_id, row.ls_sa_key] for row in rows]
    place = ["127.0.0.1", bench.devices]
    said = ask(client, {"do": "dig", "adapters": who, "at_once": AT_ONCE, "place": place})
    if said["held"] != count:
        raise SystemExit(f"{said['held']} of {count} tunnels are up.")
    kb = (settled(process) - before) / count
    cpu, began = process.cpu_s, time.monotonic()
    ask(client, {"do": "echo", "seconds": echo_s, "interval": INTERVAL_S})
    percent = (process.cpu_s - cpu) / (time.monotonic() - began) * 100
    if client.ask({"do": "close"})["held"]:
        raise SystemExit("The client still holds tunnels.")
    process.end()
    return kb, percent


def plain(bench: Bench, client: Process, count: int, *buffer: int) -> float:
    """KB per connection of a server that only holds them."""
    certificate, port = next((bench.folder / "data/authority").glob("location-server*.pem")), free_ports(1)[0]
    process = bench.start(sys.executable, PARTS / "holder.py", certificate, str(port), *map(str, buffer))
    process.next_fact()
    before = settled(process)
    ask(client, {"do": "hold", "count": count, "at_once": AT_ONCE, "place": ["127.0.0.1", port]})
    kb = (settled(process) - before) / count
    client.ask({"do": "close"})
    process.end()
    return kb


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2,000 tunnels (under 50 s)")
    parser.add_argument("--tunnels", type=int)
    parser.add_argument("--echo-s", type=float, help="how long echoes are watched")
    arguments = parser.parse_args()
    count, echo_s = (2000, 8.0) if arguments.quick else (5000, 60.0)
    count, echo_s = arguments.tunnels or count, arguments.echo_s or echo_s
    prepare_this_process()
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, contextlib.ExitStack() as stack:
        bench = Bench(Path(folder), stack, HIKITSUGI_PULLS_PER_MINUTE_PER_ADDRESS="200000")
        client = bench.start(sys.executable, PARTS / "client.py")
        ours, percent = controller(bench, client, count, echo_s)
        few = min(count, 1000)
        peer, floor = plain(bench, client, few), plain(bench, client, few, OURS_BUFFER)
    print(f"{count} tunnels, {count / INTERVAL_S:.0f} echoes/s: {percent:.1f} % of a core; load {os.getloadavg()}")
    claim = {
        "claim": f"memory per idle tunnel with {count} in one process, KB, beside asyncio holding TLS connections",
        "ours": round(ours, 1),
        "peer": round(peer, 1),
        "floor": round(floor, 1),
        "ratio": round(ours / peer, 2),
        "target": TARGET_KB,
        "met": ours <= TARGET_KB,
    }
    cpu = {"claim": f"per cent of a core for the echoes of {count} tunnels", "ours": round(percent, 1), "peer": None}
    print(json.dumps([claim, cpu | {"floor": None, "ratio": None, "target": 10, "met": percent <= 10}]))


if __name__ == "__main__":
    main()
