"""The contestant's side of a benchmark: do a round when told to, and say what it cost this process.

A contestant is a process of its own, so that nobody's threads, patches or garbage weigh on another. Protocol, in lines
of JSON: the task comes first on standard input; after that each empty line asks for a round and is answered by
{"cpu_ms": per adapter, "adapters_per_s": ...}; the end of the input ends the process.
"""

from __future__ import annotations

import base64
import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WARM_UP = 10
AT_ONCE = 50
"""Sessions open at the same time, for every contestant."""


@dataclass(frozen=True, slots=True)
class Task:
    """Collect these lines from these hosts; each must print exactly `body`, where it is not empty.

    keep: a folder; what each host printed goes into a file of its own there, as evidence. "" keeps nothing.
    """

    hosts: list[str]
    port: int
    host_key: str
    username: str
    password: str
    lines: list[str]
    body: bytes
    keep: str = ""


def read_task() -> Task:
    given = json.loads(sys.stdin.readline())
    return Task(**{**given, "body": base64.b64decode(given["body"])})


def check(body: bytes, expected: bytes) -> None:
    """A contestant that brings home something else has not done the work. Line ends may differ."""
    if body.replace(b"\r\n", b"\n").strip() != expected.replace(b"\r\n", b"\n").strip():
        raise SystemExit(f"wrong output: {len(body)} bytes, beginning {body[:60]!r}, instead of {len(expected)}")


def brought(task: Task, host: str, line: str, body: bytes) -> None:
    """What a contestant has brought home: checked, and kept if that is wanted."""
    if task.body:
        check(body, task.body)
    elif len(body) < 40:
        raise SystemExit(f"{host} printed {body[:60]!r} for {line}: that is too little to be true.")
    if task.keep:
        with Path(task.keep, host).open("ab") as file:
            file.write(line.encode() + b"\n" + body + b"\n")


def serve_rounds(task: Task, play: Callable[[list[str]], None]) -> None:
    """Answer each request for a round with all hosts. Before them comes one with a few hosts, to warm up."""
    play(task.hosts[:WARM_UP])
    print("{}", flush=True)
    for _ in sys.stdin:
        gc.collect()
        wall, cpu = time.perf_counter(), _cpu_s()
        play(task.hosts)
        cpu, wall = _cpu_s() - cpu, time.perf_counter() - wall
        count = len(task.hosts)
        print(json.dumps({"cpu_ms": cpu / count * 1000, "adapters_per_s": count / wall}), flush=True)


def _cpu_s() -> float:
    """User and system time of this process, all threads, and of the programs it started that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
