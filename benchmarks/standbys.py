"""What a cold spare costs that asks every few seconds whether it is needed: CPU of one stand-by answer.

    python benchmarks/standbys.py [--quick]

The controller is a process started as a person would start it, with its embedded PostgreSQL and a registry of 5,000
adapters. Spares that have been told to stand by ask the resolve server again, each time on a new TLS connection with a
full handshake (P-256), and are told 404 again. CPU is the controller process's own; PostgreSQL's is told beside it.
nginx (one process, the same certificate) answers as many new connections with an answer of the same size. Rounds are
interleaved, medians compared.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
from pathlib import Path

from boot_storm import CLIENT, START_S, ask, postgres_cpu_s
from boots import nginx
from boots.client import Play, locate
from fleets.processes import Bench, Process, prepare_this_process

from agent import inventory
from agent.generate import Recipe, generate
from protocol.arms.codes import ResultCode
from protocol.arms.http import encode_pull
from protocol.arms.messages import ConfigSolicitationRequest, Refusal
from protocol.arms.xml import encode
from protocol.ids import DistributionId

ADAPTERS, SPARES, AT_ONCE = 5_000, 20, 16
TARGET = 4.0  # nobody asked for one: it is there to notice when the answer grows dearer
_END = "</arms-message>"  # where clients stop reading
FLEET, INTERVAL_S = 10_000, 9.0  # the default interval is 8 to 10 s
_LIMITS = {"HIKITSUGI_PULLS_PER_MINUTE_PER_ADDRESS": "200000", "HIKITSUGI_PULLS_PER_MINUTE": "10000"}  # one address


async def questions(bench: Bench, rows: list[inventory.Row]) -> list[str]:
    """The config-solicitation of each spare, with the key that the location server has given it."""
    found = []
    for row in rows:
        who = DistributionId.parse(row.distribution_id)
        key = await locate(Play(("127.0.0.1", bench.devices)), who, row.ls_sa_key)
        request = ConfigSolicitationRequest(who, "4.0", "power on boot", "3.40", "bench")
        found.append(encode_pull("/rs", who, key, encode(request)).decode())
    return found


def measure(
    bench: Bench, controller: Process, peer: Process, port: int, client: Process, bodies: list[str], each: int
) -> tuple[float, float, float]:
    """CPU ms per answer: ours, PostgreSQL's, nginx's."""
    count, data = each * len(bodies), bench.folder / "data"
    before, database = controller.cpu_s, postgres_cpu_s(data)
    for body in bodies:
        task = {"do": "requests", "count": each, "at_once": AT_ONCE, "body": body}
        ask(client, task | {"place": ["127.0.0.1", bench.devices]})
    ours, database = controller.cpu_s - before, postgres_cpu_s(data) - database
    before = peer.cpu_s
    task = {"do": "requests", "count": count, "at_once": AT_ONCE, "body": bodies[0], "place": ["127.0.0.1", port]}
    ask(client, task)
    return tuple(round(1000 * s / count, 3) for s in (ours, database, peer.cpu_s - before))  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    rounds, each = (3, 60) if parser.parse_args().quick else (7, 200)
    prepare_this_process()
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, contextlib.ExitStack() as stack:
        bench = Bench(Path(folder), stack, **_LIMITS)
        controller = bench.controller(START_S)
        rows = list(generate(Recipe(ADAPTERS)))
        inventory.write(rows, bench.folder / "all.csv")
        bench.hikitsugi("inventory", "import", bench.folder / "all.csv")
        certificate = next((bench.folder / "data/authority").glob("location-server*.pem"))
        told = encode(Refusal("config-solicitation", ResultCode.SA_STAND_BY, ResultCode.SA_STAND_BY.phrase))
        peer, port = nginx.start(bench, certificate, "x" * (len(told) - len(_END)) + _END)
        client = bench.start(sys.executable, CLIENT)
        bodies = asyncio.run(questions(bench, [row for row in rows if row.kind == "standby"][:SPARES]))
        turns = []
        for _ in range(rounds + 1):
            turns.append(measure(bench, controller, peer, port, client, bodies, each))
            print(dict(zip(("ours ms", "PostgreSQL ms", "nginx ms"), turns[-1], strict=True)), flush=True)
        told = dict(
            re.findall(r'pulls_total{message="config-solicitation",result="(\d+)"} ([\d.]+)', bench.get("/metrics"))
        )
        if told != {"404": str(float(each * SPARES * len(turns)))}:
            raise SystemExit(f"Not every answer was 404: {told}")
    report(turns[1:])  # the first round warms everything up


def report(turns: list[tuple[float, float, float]]) -> None:
    ours, database, peer = (statistics.median(values) for values in zip(*turns, strict=True))
    a_second = FLEET / INTERVAL_S
    print(
        f"{FLEET} spares, one question each in {INTERVAL_S:.0f} s: {a_second:.0f} answers/s, controller "
        f"{a_second * ours / 10:.0f} % of a core, PostgreSQL {a_second * database / 10:.0f} %; "
        f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    claim = {
        "claim": "controller CPU ms per stand-by answer, beside nginx answering a new TLS connection",
        "ours": ours,
        "peer": peer,
        "floor": None,
        "ratio": round(ours / peer, 2),
        "target": TARGET,
        "met": ours / peer <= TARGET,
        "postgresql_ms": database,
    }
    print(json.dumps(claim))


if __name__ == "__main__":
    main()
