"""Emulated adapters: how fast thousands are up, what one costs in memory, and what one login costs.

    python benchmarks/emulation.py [--quick] [--adapters N] [--rounds N]

One `fleet up` process boots N adapters (2,000; --quick 1,000) against a server that only answers
(fleets/arms_server.py, a process of its own), with real TLS and a connection per request. Times begin with the start of
the process: interpreter, imports and reading the inventory count. It listens when the first and the last adapter's
address take a connection. Memory is the process's resident size beyond that of a fleet of one, divided by N. Logins
(connect, password, terminal, shell, prompt) come from one client in turns to ours, to FakeNOS with 50 devices, and to
the floor (Go's x/crypto, if it can be built); only the server's user and system time counts, and a ratio is the median
of the rounds' ratios. FakeNOS comes with `make install-bench`.

The last line is a JSON list, one object per claim: claim, ours, peer, floor, ratio, target, met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent import inventory
from agent.generate import Recipe, generate

FLEETS = Path(__file__).parent / "fleets"
PORT, FAKENOS_PORT, FLOOR_PORT = 10922, 10930, 10929
DEVICES = 50
AT_ONCE = 20
LISTENING_S, PULLED_S, KB_EACH, LOGIN_RATIO = 1.0, 15.0, 40.0, 0.2
_GO_PACKAGES = Path("/usr/share/gocode")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """Something to log in to. hosts: [address, port, user, password]."""

    name: str
    pid: int
    hosts: list[list[Any]]
    cpu_ms: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)

    def play(self, logins: int) -> None:
        before = cpu_s(self.pid)
        task = json.dumps({"hosts": self.hosts, "logins": logins, "at_once": AT_ONCE})
        command = [sys.executable, str(FLEETS / "logins.py")]
        done = subprocess.run(command, input=task + "\n", capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"logins to {self.name} failed: {done.stderr[-500:]}")
        self.cpu_ms.append((cpu_s(self.pid) - before) / logins * 1000)
        self.per_s.append(float(done.stdout))


@dataclass(frozen=True)
class Booted:
    """listening_s, pulled_s: since the process was started. kb: resident size when everybody is in service."""

    pid: int
    listening_s: float
    pulled_s: float
    cpu_s: float
    kb: float


def cpu_s(pid: int) -> float:
    """User and system time of a process, all threads."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def resident_kb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


@contextlib.contextmanager
def child(*command: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """A process that says one JSON object when it is ready, and ends with its standard input."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        said = process.stdout.readline()
        if not said:
            raise SystemExit(f"{command} did not start.")
        yield process.pid, json.loads(said)
        process.stdin.close()


def wait_for(address: str) -> None:
    """Until a connection is taken there (an adapter that is still booting resets it afterwards)."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((address, PORT), timeout=5):
            return
        time.sleep(0.005)
    raise SystemExit(f"Nobody listens on {address}.")


@contextlib.contextmanager
def fleet(file: Path, arms: dict[str, Any], state: Path, ends: tuple[str, str]) -> Iterator[Booted]:
    """Boot everybody in the inventory and keep the fleet up. ends: the first and the last address."""
    command = [sys.executable, "-m", "agent", "up", "--inventory", str(file), "--ls-url", arms["url"]]
    command += ["--ca", arms["ca"], "--state", str(state), "--json"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for address in ends:
            wait_for(address)
        listening_s = time.perf_counter() - began
        for event in ("listening", "settled"):
            said = json.loads(process.stdout.readline() or "{}")
            if said.get("event") != event:
                raise SystemExit(f"The fleet said {said} instead of {event}.")
        pulled_s = time.perf_counter() - began
        in_service = said["stages"].get("in service", 0)
        if in_service != said["adapters"]:
            raise SystemExit(f"Only {in_service} of {said['adapters']} adapters came into service: {said['stages']}.")
        yield Booted(process.pid, listening_s, pulled_s, cpu_s(process.pid), resident_kb(process.pid))
        process.terminate()
        process.stdout.read()


def floor_binary(folder: Path) -> Path | None:
    """Build the floor if Go and Debian's golang-golang-x-crypto-dev are there."""
    go = shutil.which("go")
    if not go or not (_GO_PACKAGES / "src/golang.org/x/crypto/ssh").is_dir():
        return None
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": str(_GO_PACKAGES), "GOFLAGS": ""}
    command = [go, "build", "-o", str(folder / "floor"), str(FLEETS / "floor" / "main.go")]
    return folder / "floor" if subprocess.run(command, env=environment, check=False).returncode == 0 else None


def boot(folder: Path, adapters: int) -> tuple[list[Booted], float]:
    """Three boots of all, and what a fleet of one weighs (KB)."""
    booted = []
    weights = []
    for count in (1, adapters, adapters, adapters):
        rows = list(generate(Recipe(count, ssh_port=PORT)))
        inventory.write(rows, folder / "fleet.csv")
        command = (sys.executable, str(FLEETS / "arms_server.py"), str(folder / "fleet.csv"), str(folder))
        with (
            child(*command) as (_, arms),
            tempfile.TemporaryDirectory() as state,
            fleet(folder / "fleet.csv", arms, Path(state), (rows[0].ssh_address, rows[-1].ssh_address)) as up,
        ):
            (weights if count == 1 else booted).append(up)
            print(f"{count} adapters: listening {up.listening_s:.2f} s, pulled {up.pulled_s:.2f} s", file=sys.stderr)
    return booted, weights[0].kb


def log_in(folder: Path, adapters: int, rounds: int, logins: int) -> list[Server]:
    """Rounds of logins, in an order that turns."""
    rows = list(generate(Recipe(adapters, ssh_port=PORT)))
    inventory.write(rows, folder / "fleet.csv")
    arms_command = (sys.executable, str(FLEETS / "arms_server.py"), str(folder / "fleet.csv"), str(folder))
    fakenos = (sys.executable, str(FLEETS / "fakenos_fleet.py"), str(DEVICES), str(FAKENOS_PORT))
    with contextlib.ExitStack() as stack:
        arms = stack.enter_context(child(*arms_command))[1]
        state = stack.enter_context(tempfile.TemporaryDirectory())
        ends = (rows[0].ssh_address, rows[-1].ssh_address)
        up = stack.enter_context(fleet(folder / "fleet.csv", arms, Path(state), ends))
        hosts = [[r.ssh_address, int(r.ssh_port), r.ssh_username, r.ssh_password] for r in rows if r.kind == "entry"]
        servers = [Server("ours", up.pid, hosts)]
        pid, said = stack.enter_context(child(*fakenos))
        servers.append(Server("FakeNOS", pid, said["hosts"]))
        if binary := floor_binary(folder):
            pid, _ = stack.enter_context(child(str(binary), str(FLOOR_PORT)))
            servers.append(Server("Go x/crypto", pid, [["127.0.0.1", FLOOR_PORT, "admin", "benchmark"]]))
        for number in range(rounds):
            turn = number % len(servers)
            for server in servers[turn:] + servers[:turn]:
                server.play(logins)
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return servers


def claim(text: str, ours: float, target: float) -> dict[str, Any]:
    """A claim against a limit, without a peer; ratio: to the limit. Any: numbers and None."""
    said = {"claim": text, "ours": round(ours, 3), "peer": None, "floor": None}
    return said | {"ratio": round(ours / target, 3), "target": target, "met": ours <= target}


def login_claim(ours: Server, peer: Server, floor: Server | None) -> dict[str, Any]:
    """ratio: ours to the peer."""
    ratio = statistics.median(a / b for a, b in zip(ours.cpu_ms, peer.cpu_ms, strict=True))
    return {
        "claim": "server CPU ms per SSH login, beside FakeNOS",
        "ours": round(statistics.median(ours.cpu_ms), 3),
        "peer": round(statistics.median(peer.cpu_ms), 3),
        "floor": round(statistics.median(floor.cpu_ms), 3) if floor else None,
        "ratio": round(ratio, 3),
        "target": LOGIN_RATIO,
        "met": ratio <= LOGIN_RATIO,
    }


def show(servers: list[Server]) -> None:
    print(f"{'':14}{'CPU ms/login':>14}{'(min-max)':>16}{'logins/s':>12}")
    for server in servers:
        low, high = min(server.cpu_ms), max(server.cpu_ms)
        ms, rate = statistics.median(server.cpu_ms), statistics.median(server.per_s)
        print(f"{server.name:14}{ms:14.2f}{f'({low:.2f}-{high:.2f})':>16}{rate:12.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer adapters and rounds (under 50 s)")
    parser.add_argument("--adapters", type=int)
    parser.add_argument("--rounds", type=int)
    arguments = parser.parse_args()
    adapters = arguments.adapters or (1000 if arguments.quick else 2000)
    rounds, logins = (arguments.rounds or (3 if arguments.quick else 9)), (60 if arguments.quick else 200)
    with tempfile.TemporaryDirectory() as folder:
        booted, empty_kb = boot(Path(folder), adapters)
        servers = log_in(Path(folder), 100, rounds, logins)
    show(servers)
    middle = {name: statistics.median(getattr(each, name) for each in booted) for name in Booted.__dataclass_fields__}
    print(f"{adapters} adapters: {middle['cpu_s']:.1f} s CPU of the fleet's process until all had pulled")
    ours, peer, *floor = servers
    claims = [
        claim(f"{adapters} adapters listening, seconds from process start", middle["listening_s"], LISTENING_S),
        claim(
            f"{adapters} adapters pulled, seconds from process start", middle["pulled_s"], PULLED_S * adapters / 2000
        ),
        claim("memory per idle adapter in service, KB", (middle["kb"] - empty_kb) / adapters, KB_EACH),
        login_claim(ours, peer, floor[0] if floor else None),
    ]
    print(json.dumps(claims))


if __name__ == "__main__":
    main()
