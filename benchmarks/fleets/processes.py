"""What the benchmark stands on: a folder, free ports, processes that end with it, and what /proc says of them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

HIKITSUGI = [sys.executable, "-m", "controller.main"]
ANSWER_S, END_S = 240.0, 20.0
Fact = dict[str, Any]  # Any: JSON


class Process:
    """A program that takes and gives lines of JSON."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        with log.open("a") as file:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
            )
        self._log = log

    def ask(self, question: Fact) -> Fact:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # next_fact says what happened
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        return self.next_fact()

    def next_fact(self) -> Fact:
        """What it says next. Ends the benchmark, with its last words, when it has ended or is silent for ANSWER_S."""
        assert self._process.stdout
        too_long = threading.Timer(ANSWER_S, self._process.kill)
        too_long.start()
        line = self._process.stdout.readline()
        too_long.cancel()
        if not line:
            raise SystemExit(f"A process ended too soon. Its log ends:\n{self._log.read_text()[-2000:]}")
        fact: Fact = json.loads(line)
        return fact

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def cpu_s(self) -> float:
        """User and system time of all its threads so far, those that ended too; in steps of 10 ms."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def busy_s(self) -> float:
        """The same of the threads that it has now, in steps of nanoseconds."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    @property
    def resident_kb(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024

    def end(self) -> None:
        """SIGTERM, and SIGKILL for one that does not go."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._process.kill()
        self._process.wait()


class Bench:
    """Starts processes below one folder; all of them end with `stack`. settings: of the controller, by variable."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack, **settings: str) -> None:
        self.folder = folder
        self._stack = stack
        self._api, self.devices = free_ports(2)
        ours = {
            "HIKITSUGI_DATA_DIR": str(folder / "data"),
            "HIKITSUGI_API_LISTEN": f"127.0.0.1:{self._api}",
            "HIKITSUGI_DEVICE_LISTEN": f"127.0.0.1:{self.devices}",
            **settings,
        }
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("HIKITSUGI_")} | ours
        self.process: Process  # the controller, once it was started

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self._api}"

    def start(self, *command: str | Path, **settings: str) -> Process:
        """settings: for this process only."""
        process = Process([str(part) for part in command], self._environment | settings, self.folder / "log")
        self._stack.callback(process.end)
        return process

    def controller(self, start_s: float) -> Process:
        """A controller with its own PostgreSQL, ready."""
        process = self.process = self.start(*HIKITSUGI, "serve")
        until(lambda: process.has_ended or self.get("/readyz"), start_s, "the controller ready")
        if process.has_ended:
            process.next_fact()
        return process

    def hikitsugi(self, *arguments: str | Path) -> Any:
        """Any: the JSON answer of a command."""
        command = [*HIKITSUGI, *map(str, arguments), "--json"]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"hikitsugi {' '.join(map(str, arguments))} failed: {done.stderr[-500:]}")
        return json.loads(done.stdout)

    def get(self, path: str) -> str:
        """From the controller's API port; "" while it does not answer with 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self._api, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.read().decode() if answer.status == 200 else ""
        return ""


def until(true: Callable[[], object], deadline_s: float, what: str, *, every_s: float = 0.1) -> None:
    ends_at = time.monotonic() + deadline_s
    while not true():
        if time.monotonic() > ends_at:
            raise SystemExit(f"{what}: not within {deadline_s:.0f} s.")
        time.sleep(every_s)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, below the range that outgoing connections take theirs from."""
    found: list[int] = []
    for port in random.sample(range(15_000, 32_000), count + 500):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("", port))
            found.append(port)
        if len(found) == count:
            break
    return found


def prepare_this_process() -> None:
    """As many descriptors as we may have, for us and all we start; SIGTERM ends us in good order."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, _told_to_end)


def _told_to_end(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)
