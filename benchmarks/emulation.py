"""2,000 emulated adapters in one process: how soon they listen and have pulled, what an idle one and a login cost.

    python benchmarks/emulation.py [--quick] [--boots N] [--rounds N]

The controller (embedded PostgreSQL, settings as shipped) and the fleet are processes started as a person would start
them; every adapter is on an entry code. Seconds count from the start of the fleet's process, imports and inventory
included, until the first and the last address take a connection, and until the last adapter is in service: three pulls
each (rs-solicitation, config-solicitation, push-method-query), every one a new TLS connection. Memory is the fleet's
resident memory at rest less that of a fleet without adapters, divided by their number. Adapters only pull here
(--no-push): what an open tunnel adds to one is a question of TLS (docs/fleet.md).

Then one client logs in with a password, runs one line and leaves, 50 at a time: at adapters of that fleet, at 50
devices of FakeNOS, at plain asyncssh, and at the floor (Go's x/crypto, if it can be built). Rounds are interleaved and
their order turns; only the server's user and system time counts; a ratio is the median of the rounds' ratios.

The last line is a JSON list, one object per claim: claim, ours, peer, floor, ratio (to the peer, else to the target),
target, met. FakeNOS comes with `make install-bench`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleets.processes import HIKITSUGI, Bench, Fact, Process, free_ports, prepare_this_process, until

from agent import inventory
from agent.generate import Recipe, generate

ADAPTERS, DEVICES, START_S = 2000, 50, 60.0
LISTENING_S, PULLED_S, KB_EACH, LOGIN_RATIO = 1.0, 15.0, 40.0, 0.2
LINE, USER, PASSWORD, MARKER = "show system", "admin", "benchmark", "Serial  : "
PARTS = Path(__file__).parent / "fleets"
_GO_PACKAGES = Path("/usr/share/gocode")


@dataclass(frozen=True, slots=True)
class Boot:
    """What one boot of everybody took. kb: of resident memory, per adapter. cpu_s: of fleet and controller."""

    listening_s: float
    in_service_s: float
    kb: float
    cpu_s: tuple[float, float]


@dataclass(slots=True)
class Server:
    """Something to log in to. places: [host, port, user, password, what has to be in the answer]."""

    name: str
    process: Process
    places: list[list[Any]]
    logins: int
    cpu_ms: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)

    def play(self, client: Process) -> None:
        here = [self.places[at % len(self.places)] for at in range(self.logins)]
        self.places = self.places[self.logins :] + self.places[: self.logins]
        before = self.process.cpu_s
        answer = client.ask({"places": here, "line": LINE})
        self.cpu_ms.append((self.process.cpu_s - before) / self.logins * 1000)
        self.per_s.append(self.logins / answer["seconds"])


def boot_all(bench: Bench, controller: Process, rows: list[inventory.Row], times: int) -> tuple[Process, list[Boot]]:
    """Power everybody on, each time in a new fleet; the last fleet stays up."""
    empty = start_fleet(bench, [])
    empty.next_fact()
    empty_kb = empty.resident_kb
    empty.end()
    fleet, took = boot(bench, controller, rows, empty_kb)
    boots = [took]
    for _ in range(times - 1):
        fleet.end()
        fleet, took = boot(bench, controller, rows, empty_kb)
        boots.append(took)
    return fleet, boots


def boot(bench: Bench, controller: Process, rows: list[inventory.Row], empty_kb: float) -> tuple[Process, Boot]:
    before, began = controller.cpu_s, time.perf_counter()
    fleet = start_fleet(bench, rows)
    until(
        lambda: fleet.has_ended or (takes_connections(rows[0]) and takes_connections(rows[-1])),
        START_S,
        "The fleet listening",
        every_s=0.01,
    )
    listening_s = time.perf_counter() - began
    fleet.next_fact()
    stages = fleet.next_fact()["stages"]
    in_service_s = time.perf_counter() - began
    if stages != {"in service": len(rows)}:
        raise SystemExit(f"Not everybody is in service: {stages}")
    cpu_s = fleet.cpu_s, controller.cpu_s - before
    time.sleep(1)  # the last connections close
    return fleet, Boot(listening_s, in_service_s, (fleet.resident_kb - empty_kb) / len(rows), cpu_s)


def start_fleet(bench: Bench, rows: list[inventory.Row]) -> Process:
    state = Path(tempfile.mkdtemp(dir=bench.folder))
    file = state / "adapters.csv"
    inventory.write(rows, file)
    there = ("--ls-url", f"https://127.0.0.1:{bench.devices}/ls", "--ca", bench.folder / "data/authority/root.pem")
    return bench.start(*HIKITSUGI, "fleet", "up", "--inventory", file, *there, "--state", state, "--no-push", "--json")


def takes_connections(row: inventory.Row) -> bool:
    """An adapter that is still booting resets it afterwards, as a real one would."""
    with contextlib.suppress(OSError), socket.create_connection((row.ssh_address, int(row.ssh_port)), timeout=5):
        return True
    return False


def pulls(bench: Bench) -> Fact:
    """How the controller answered so far, by message and result code."""
    counted = re.findall(r'^hikitsugi_pulls_total\{message="(.+)",result="(.+)"\} (.+)$', bench.get("/metrics"), re.M)
    return {f"{message} {result}": int(float(count)) for message, result, count in counted}


def servers(bench: Bench, fleet: Process, rows: list[inventory.Row], client: Process) -> tuple[list[Server], float]:
    """All contestants, ours first, and the KB that a FakeNOS device takes. The others answer what ours answers."""
    ours = [[row.ssh_address, int(row.ssh_port), row.ssh_username, row.ssh_password, row.serial] for row in rows]
    text = client.ask({"places": ours[:1], "line": LINE})["text"]
    task = {"user": USER, "password": PASSWORD, "line": LINE, "text": text}
    ports = free_ports(DEVICES + 2)

    def contestant(name: str, command: list[str | Path], on: list[int], logins: int) -> tuple[Server, Fact]:
        process = bench.start(*command)
        said = process.ask(task | {"ports": on})
        return Server(name, process, [["127.0.0.1", port, USER, PASSWORD, MARKER] for port in on], logins), said

    fakenos, said = contestant("FakeNOS", [sys.executable, PARTS / "fakenos_devices.py"], ports[2:], 100)
    raw, _ = contestant("raw asyncssh", [sys.executable, PARTS / "raw_asyncssh.py"], ports[:1], 250)
    found = [Server("ours", fleet, ours[1:], 250), fakenos, raw]
    if binary := floor_binary(bench.folder):
        found.append(contestant("Go x/crypto", [binary], ports[1:2], 250)[0])
    return found, float(said["kb_per_device"])


def floor_binary(folder: Path) -> Path | None:
    """Build the floor if Go and Debian's golang-golang-x-crypto-dev are there."""
    go = shutil.which("go")
    if not go or not (_GO_PACKAGES / "src/golang.org/x/crypto/ssh").is_dir():
        return None
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": str(_GO_PACKAGES), "GOFLAGS": ""}
    command = [go, "build", "-o", str(folder / "floor"), str(PARTS / "floor" / "main.go")]
    return folder / "floor" if subprocess.run(command, env=environment, check=False).returncode == 0 else None


def claims(boots: list[Boot], played: list[Server], device_kb: float) -> list[Fact]:
    ours, peer, _, *floors = played
    floor = floors[0] if floors else None
    ratio = statistics.median(a / b for a, b in zip(ours.cpu_ms, peer.cpu_ms, strict=True))
    kb = statistics.median(each.kb for each in boots)
    return [
        limit(f"{ADAPTERS} adapters listening, s from process start", [b.listening_s for b in boots], LISTENING_S),
        limit(
            f"{ADAPTERS} adapters pulled and in service, s from process start",
            [b.in_service_s for b in boots],
            PULLED_S,
        ),
        limit("memory per idle adapter, KB", [kb], KB_EACH) | {"peer": round(device_kb, 1)},
        {
            "claim": "server CPU ms per SSH login with one command, beside FakeNOS",
            "ours": round(statistics.median(ours.cpu_ms), 3),
            "peer": round(statistics.median(peer.cpu_ms), 3),
            "floor": round(statistics.median(floor.cpu_ms), 3) if floor else None,
            "ratio": round(ratio, 3),
            "target": LOGIN_RATIO,
            "met": ratio <= LOGIN_RATIO,
        },
    ]


def limit(text: str, measured: list[float], target: float) -> Fact:
    """A claim against a limit: FakeNOS does nothing of the kind, nor does anybody who could be the floor."""
    ours = statistics.median(measured)
    said: Fact = {"claim": text, "ours": round(ours, 3), "peer": None, "floor": None}
    return said | {"ratio": round(ours / target, 3), "target": target, "met": ours <= target}


def show(boots: list[Boot], answered: Fact, played: list[Server]) -> None:
    for each in boots:
        fleet_s, controller_s = each.cpu_s
        print(
            f"listening {each.listening_s:.2f} s, in service {each.in_service_s:.2f} s, {each.kb:.1f} KB each; "
            f"CPU s: fleet {fleet_s:.1f}, controller {controller_s:.1f} without PostgreSQL"
        )
    print(f"pulls answered: {answered}")
    print(f"{'':14}{'CPU ms/login':>14}{'(min-max)':>16}{'logins/s':>10}")
    for server in played:
        low, high, rate = min(server.cpu_ms), max(server.cpu_ms), statistics.median(server.per_s)
        print(f"{server.name:14}{statistics.median(server.cpu_ms):14.2f}{f'({low:.2f}-{high:.2f})':>16}{rate:10.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one boot and three rounds of logins (under 50 s)")
    parser.add_argument("--boots", type=int)
    parser.add_argument("--rounds", type=int)
    arguments = parser.parse_args()
    times, rounds = (1, 3) if arguments.quick else (3, 9)
    prepare_this_process()
    load = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, contextlib.ExitStack() as stack:
        bench = Bench(Path(folder), stack)
        controller = bench.controller(START_S)
        everybody = generate(Recipe(ADAPTERS * 5 // 4, ssh_port=free_ports(1)[0]))
        rows = [row for row in everybody if row.kind == "entry"]
        inventory.write(rows, bench.folder / "all.csv")
        bench.hikitsugi("inventory", "import", bench.folder / "all.csv")
        fleet, boots = boot_all(bench, controller, rows, arguments.boots or times)
        answered = pulls(bench)
        client = bench.start(sys.executable, PARTS / "logins.py")
        played, device_kb = servers(bench, fleet, rows, client)
        for number in range(arguments.rounds or rounds):
            turn = number % len(played)
            for server in played[turn:] + played[:turn]:
                server.play(client)
    show(boots, answered, played)
    print(f"load average (1, 5, 15 min) before {load}, after {os.getloadavg()}; {os.cpu_count()} cores")
    print(json.dumps(claims(boots, played, device_kb)))


if __name__ == "__main__":
    main()
