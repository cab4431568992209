"""Status collection over SSH: client CPU per adapter and adapters per second, beside the peers and the floor.

    python benchmarks/status_collection.py [--quick] [--adapters N] [--rounds N]

Work: connect, log in with a password, three lines of 2.2 KB each from every adapter, 50 sessions at once; "kept" is the
same on connections that are already open. The server is a process of its own, and so is every contestant
(benchmarks/ssh_clients/); only the contestant's user and system time counts. Rounds are interleaved and their order
turns; a ratio is the median of the rounds' ratios. Peers come with `make install-bench`; the floor is Go's x/crypto,
if a Go compiler and Debian's golang-golang-x-crypto-dev are installed.

The last line is a JSON list, one object per claim: claim, ours, peer, floor (CPU ms per adapter), ratio, target, met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIENTS = Path(__file__).parent / "ssh_clients"
FLOOR = "Go x/crypto"
_GO_PACKAGES = Path("/usr/share/gocode")

CONTESTANTS = {  # name: what is run, after the interpreter
    "ours cold": ["ours.py", "seil8", "cold"],
    "ours cold, seil3": ["ours.py", "seil3", "cold"],  # with its two set-up lines, as netmiko's driver types them
    "ours kept": ["ours.py", "seil8", "kept"],
    "raw asyncssh": ["raw_asyncssh.py"],
    "parallel-ssh": ["parallel_ssh.py"],
    "Nornir+netmiko": ["nornir_threads.py", "cold"],
    "Nornir+netmiko kept": ["nornir_threads.py", "kept"],
    "product cold": ["product.py"],
}


@dataclass(frozen=True, slots=True)
class Claim:
    """ours needs at most `target` times the CPU of the peer."""

    name: str
    ours: str
    peer: str
    target: float


CLAIMS = (
    Claim("SSH engine, cold, beside Nornir+netmiko", "ours cold", "Nornir+netmiko", 0.25),
    Claim("SSH engine, cold with set-up lines, beside Nornir+netmiko", "ours cold, seil3", "Nornir+netmiko", 0.25),
    Claim("SSH engine, cold, beside parallel-ssh", "ours cold", "parallel-ssh", 0.7),
    Claim("SSH engine, kept connections, beside Nornir+netmiko", "ours kept", "Nornir+netmiko", 0.1),
    Claim(
        "whole product path, tasks and transcripts stored, beside Nornir+netmiko", "product cold", "Nornir+netmiko", 0.4
    ),
)


class Contestant:
    """A process that plays rounds."""

    def __init__(self, name: str, command: list[str], task: dict[str, Any]) -> None:
        self.name = name
        self.cpu_ms: list[float] = []
        self.adapters_per_s: list[float] = []
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CLIENTS)
        self._ask(json.dumps(task))

    def play(self) -> None:
        answer = self._ask("")
        self.cpu_ms.append(answer["cpu_ms"])
        self.adapters_per_s.append(answer["adapters_per_s"])

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(20)

    def _ask(self, line: str) -> dict[str, float]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended in the middle; what it said is above.")
        parsed: dict[str, float] = json.loads(answer)
        return parsed


@contextlib.contextmanager
def server() -> Iterator[dict[str, Any]]:
    """Start the server; gives the task without hosts."""
    command = [sys.executable, str(CLIENTS / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def floor_command(folder: Path) -> tuple[list[str], str]:
    """Build the floor. Gives its command, or [] and why there is none."""
    go = shutil.which("go")
    if not go:
        return [], "no Go compiler is installed"
    if not (_GO_PACKAGES / "src/golang.org/x/crypto/ssh").is_dir():
        return [], "Debian's golang-golang-x-crypto-dev is not installed"
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": str(_GO_PACKAGES), "GOFLAGS": ""}
    built = subprocess.run(
        [go, "build", "-o", str(folder / "floor"), str(CLIENTS / "floor" / "main.go")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ([str(folder / "floor")], "") if built.returncode == 0 else ([], f"it does not build: {built.stderr[:200]}")


def ratio(ours: Contestant, other: Contestant) -> float:
    return statistics.median(a / b for a, b in zip(ours.cpu_ms, other.cpu_ms, strict=True))


def median(contestant: Contestant | None) -> float | None:
    return round(statistics.median(contestant.cpu_ms), 3) if contestant else None


def judged(claim: Claim, played: dict[str, Contestant]) -> dict[str, Any]:
    ours, peer = played[claim.ours], played[claim.peer]
    measured = ratio(ours, peer)
    return {
        "claim": f"{claim.name}: client CPU ms per adapter",
        "ours": median(ours),
        "peer": median(peer),
        "floor": median(played.get(FLOOR)),
        "ratio": round(measured, 3),
        "target": claim.target,
        "met": measured <= claim.target,
    }


def play_all(contestants: list[Contestant], rounds: int) -> None:
    """Every round everybody, in an order that turns, so that nobody always runs after the same one."""
    for number in range(rounds):
        turn = number % len(contestants)
        for contestant in contestants[turn:] + contestants[:turn]:
            contestant.play()
        print(f"round {number + 1} of {rounds}", file=sys.stderr)


def show(contestants: list[Contestant]) -> None:
    print(f"{'':24}{'CPU ms/adapter':>16}{'(min-max)':>16}{'adapters/s':>12}")
    for contestant in sorted(contestants, key=lambda each: statistics.median(each.cpu_ms)):
        low, high = min(contestant.cpu_ms), max(contestant.cpu_ms)
        rate = statistics.median(contestant.adapters_per_s)
        print(
            f"{contestant.name:24}{statistics.median(contestant.cpu_ms):16.2f}{f'({low:.2f}-{high:.2f})':>16}{rate:12.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds instead of nine (under 50 s)")
    parser.add_argument("--adapters", type=int, default=200)
    parser.add_argument("--rounds", type=int)
    arguments = parser.parse_args()
    rounds = arguments.rounds or (2 if arguments.quick else 9)
    hosts = [f"127.77.{number // 250}.{number % 250 + 1}" for number in range(arguments.adapters)]
    with tempfile.TemporaryDirectory() as folder, server() as facts, contextlib.ExitStack() as stack:
        floor, why = floor_command(Path(folder))
        if not floor:
            print(f"floor: none, {why}.")
        commands = {name: [sys.executable, *parts] for name, parts in CONTESTANTS.items()} | (
            {FLOOR: floor} if floor else {}
        )
        played = {}
        for name, command in commands.items():
            played[name] = Contestant(name, command, facts | {"hosts": hosts})
            stack.callback(played[name].stop)
        play_all(list(played.values()), rounds)
    show(list(played.values()))
    print(json.dumps([judged(claim, played) for claim in CLAIMS]))


if __name__ == "__main__":
    main()
