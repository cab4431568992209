"""Everybody boots at once: full boots per second and controller CPU per boot, beside nginx taking as many connections.

    python benchmarks/boot_storm.py [--quick] [--adapters N] [--rounds N]

A full boot is four new TLS connections (full handshakes, P-256): rs-solicitation, config-solicitation,
push-method-query, and a tunnel that is opened and confirmed. The controller is a process started as a person would
start it, with its embedded PostgreSQL; nginx (one process, the same certificate) answers the same number of new
connections with a request and an answer of the same size. Rounds are interleaved; both get the same client, another
process on the other core. CPU is the server process's own user and system time; PostgreSQL's is told beside it.
Afterwards 5,000 adapters (1,250 with --quick) knock within a second, each boot begun at once: all must get in, and the
number of requests tells whether that was a storm.

The last line is a JSON list: claim, ours, peer, floor, ratio, target, met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
from pathlib import Path

from boots import nginx
from fleets.processes import Bench, Fact, Process, prepare_this_process

from agent import inventory
from agent.generate import Recipe, generate
from protocol.arms.http import encode_pull
from protocol.arms.messages import RsSolicitationRequest
from protocol.arms.xml import encode
from protocol.ids import DistributionId

TARGET, START_S, AT_ONCE, CONNECTIONS = 2.5, 60.0, 64, 4
CLIENT = Path(__file__).parent / "boots" / "client.py"
_SHIPPED_LIMITS_ARE_PER_ADDRESS = {"HIKITSUGI_PULLS_PER_MINUTE_PER_ADDRESS": "200000"}  # the client has only one
_SHIPPED_LIMITS_ARE_PER_ADDRESS["HIKITSUGI_PULLS_PER_MINUTE"] = "10000"  # and its adapters boot once a round


def adapters(rows: list[inventory.Row]) -> list[list[str]]:
    return [[row.distribution_id, row.ls_sa_key] for row in rows]


def postgres_cpu_s(data: Path) -> float:
    """All of PostgreSQL's processes, by their cluster's postmaster."""
    postmaster = (data / "postgres/cluster/postmaster.pid").read_text().split()[0]
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = stat.read_text()
            fields = text.rpartition(")")[2].split()
            if postmaster in (fields[1], stat.parent.name):
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def ask(client: Process, task: Fact) -> Fact:
    answer = client.ask(task)
    if answer["failed"]:
        raise SystemExit(f"Not everything was answered: {answer}")
    return answer


def storm(bench: Bench, controller: Process, client: Process, rows: list[inventory.Row]) -> Fact:
    """Everybody at once; what came of it."""
    before = controller.cpu_s
    said = ask(client, {"do": "boot", "adapters": adapters(rows), "at_once": len(rows)})
    said["cpu_ms"] = (controller.cpu_s - before) / len(rows) * 1000
    said["resident_mb"] = controller.resident_kb / 1024
    ask(client, {"do": "close"})
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    parser.add_argument("--adapters", type=int, help="of the storm")
    parser.add_argument("--rounds", type=int)
    arguments = parser.parse_args()
    batch, rounds, crowd = (200, 3, 1250) if arguments.quick else (500, 7, 5000)
    crowd, rounds = arguments.adapters or crowd, arguments.rounds or rounds
    prepare_this_process()
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, contextlib.ExitStack() as stack:
        bench = Bench(Path(folder), stack, **_SHIPPED_LIMITS_ARE_PER_ADDRESS)
        controller = bench.controller(START_S)
        rows = [row for row in generate(Recipe(max(crowd, batch) * 5 // 4 + 10)) if row.kind == "entry"][:crowd]
        inventory.write(rows, bench.folder / "all.csv")
        bench.hikitsugi("inventory", "import", bench.folder / "all.csv")
        certificate = next((bench.folder / "data/authority").glob("location-server*.pem"))
        peer, port = nginx.start(bench, certificate, "x" * 2000 + "</arms-message>")
        client = bench.start(sys.executable, CLIENT)
        ours_ms, peer_ms, boots_s, database_ms = measure(bench, controller, peer, port, client, rows[:batch], rounds)
        crowded = storm(bench, controller, client, rows)
        shed = re.findall(r'hikitsugi_pulls_total\{message="(.+)",result="301"\} (.+)', bench.get("/metrics"))
    print(
        f"boots/s {statistics.median(boots_s):.0f}, PostgreSQL's CPU ms per boot {statistics.median(database_ms):.2f}"
    )
    print(f"{crowd} at once: {crowded}, shed: {shed}")
    print(f"load average {os.getloadavg()}; {os.cpu_count()} cores")
    report(ours_ms, peer_ms, crowd, crowded)


def measure(
    bench: Bench, controller: Process, peer: Process, port: int, client: Process, rows: list[inventory.Row], rounds: int
) -> tuple[list[float], list[float], list[float], list[float]]:
    """CPU ms per boot, ours and nginx's, boots per second, and PostgreSQL's CPU ms per boot; one value a round."""
    ours_ms, peer_ms, boots_s, database_ms = [], [], [], []
    who, count = DistributionId.parse(rows[0].distribution_id), len(rows)
    request = encode_pull("/rs", who, "x" * 32, encode(RsSolicitationRequest(who, "power on boot", "bench"))).decode()
    for turn in range(rounds + 1):
        before, database = controller.cpu_s, postgres_cpu_s(bench.folder / "data")
        task = {"do": "boot", "adapters": adapters(rows), "at_once": AT_ONCE, "place": ["127.0.0.1", bench.devices]}
        said = ask(client, task)
        ours = (controller.cpu_s - before) / count * 1000
        database = (postgres_cpu_s(bench.folder / "data") - database) / count * 1000
        ask(client, {"do": "close"})
        before = peer.cpu_s
        task = {"do": "requests", "count": count * CONNECTIONS, "at_once": AT_ONCE, "body": request}
        ask(client, task | {"place": ["127.0.0.1", port]})
        peers = (peer.cpu_s - before) / count * 1000
        client.ask({"do": "close", "place": ["127.0.0.1", bench.devices]})
        print({"ours ms": round(ours, 2), "nginx ms": round(peers, 2), "boots/s": round(count / said["seconds"])})
        if turn:  # the first round warms both up: caches, plans, first certificates
            ours_ms.append(ours)
            peer_ms.append(peers)
            boots_s.append(count / said["seconds"])
            database_ms.append(database)
    return ours_ms, peer_ms, boots_s, database_ms


def report(ours_ms: list[float], peer_ms: list[float], crowd: int, crowded: Fact) -> None:
    ratio = statistics.median(a / b for a, b in zip(ours_ms, peer_ms, strict=True))
    per_boot = crowded["requests"] / crowd
    claims = [
        {
            "claim": "controller CPU ms per full boot (LS, RS, query, tunnel up), beside nginx taking four connections",
            "ours": round(statistics.median(ours_ms), 2),
            "peer": round(statistics.median(peer_ms), 2),
            "floor": None,
            "ratio": round(ratio, 2),
            "target": TARGET,
            "met": ratio <= TARGET,
        },
        {
            "claim": f"{crowd} boots at once: pull requests per boot (three without any repetition)",
            "ours": round(per_boot, 2),
            "peer": None,
            "floor": 3,
            "ratio": round(per_boot / 3, 2),
            "target": 2.0,
            "met": per_boot <= 6,
        },
    ]
    print(json.dumps(claims))


if __name__ == "__main__":
    main()
