"""One 32 MiB image to 1, 64 and 500 at once, whole and in ranges, on plain HTTP and TLS, beside nginx in the same run.

Ours is a controller as a person would start it, with its embedded PostgreSQL: TLS at the door that adapters talk to,
plain HTTP at firmware_listen; each connection is another adapter's, which shows its key; each answer is authorised and
logged. nginx is one process with the same file and certificate, and asks nobody. CPU is the server process's own time,
without PostgreSQL's, and without what a controller takes each second when nothing is asked of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import os
import ssl
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from firmwares import nginx
from firmwares.updating import ONE_ADDRESS, Peak, ask, entries
from fleets.processes import Bench, Fact, Process, free_ports

from agent import inventory
from agent.inventory import Row
from controller.store.embedded import running_dsn
from protocol.arms.http import basic, encode_pull
from protocol.arms.messages import RsSolicitation, RsSolicitationRequest
from protocol.arms.xml import decode_response, encode
from protocol.ids import DistributionId
from protocol.image import build

SIZE, SERIES, VERSION, PIECE, GIB = 32 << 20, "seil8", "9.99", 64 << 10, 1 << 30
WHOLE, RANGES, NGINX, MEMORY_MB, IDLE_S = 1.1, 4.0, 0.95, 2.0, 2.0
SETTINGS = ONE_ADDRESS | {
    "HIKITSUGI_FIRMWARE_TLS": "off",
    "HIKITSUGI_FIRMWARE_DOWNLOADS": "1000",
    "HIKITSUGI_FIRMWARE_DOWNLOADS_PER_ADDRESS": "1000",  # the client has only one
}


@dataclass(frozen=True, slots=True)
class Server:
    """One that is measured. requests: one of each adapter, without its Range field and last empty line."""

    process: Process
    plain: int
    tls: int
    requests: Sequence[str]


@dataclass(frozen=True, slots=True)
class Load:
    """connections at once, each the whole image; so often for one figure."""

    connections: int
    times: int = 1
    rounds: int | None = None
    """Counted ones, if not as many as of all."""


def settings(plain: int) -> dict[str, str]:
    return SETTINGS | {"HIKITSUGI_FIRMWARE_LISTEN": f"127.0.0.1:{plain}"}


def ours(bench: Bench, controller: Process, plain: int, adapters: int) -> tuple[Server, str]:
    """The registry with so many adapters that are to run the image; the server, and the image's sha256."""
    rows = entries(adapters)
    file, image = bench.folder / "all.csv", bench.folder / "one.img"
    inventory.write(rows, file)
    bench.hikitsugi("inventory", "import", file)
    image.write_bytes(build(SERIES, VERSION, (), os.urandom(SIZE - 512)))
    size = image.stat().st_size
    assert size == SIZE, size
    bench.hikitsugi("firmware", "import", image, "--series", SERIES, "--version", VERSION)
    asyncio.run(ask(bench, "UPDATE code SET firmware_target = $1", VERSION))
    sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda row: _authorization(bench, row), rows))
    begin = f"GET /firmware/{SERIES}/{VERSION}/sha256/{sha256} HTTP/1.1\r\nHost: bench\r\nAuthorization: "
    return Server(controller, plain, bench.devices, [f"{begin}{key}\r\n" for key in keys]), sha256


def peer(bench: Bench, sha256: str) -> Server:
    certificate = next((bench.folder / "data/authority").glob("location-server*.pem"))
    found = nginx.start(bench, certificate, bench.folder / "data/firmware/sha256")
    request = f"GET /{sha256[:2]}/{sha256}/{SIZE} HTTP/1.1\r\nHost: bench\r\n"
    return Server(found.process, found.plain, found.tls, [request])


def _authorization(bench: Bench, row: Row) -> str:
    """With what the location server tells the adapter for its downloads."""
    who = DistributionId.parse(row.distribution_id)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = encode_pull("/ls", who, row.ls_sa_key, encode(RsSolicitationRequest(who, "power on boot", "bench")))
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    connection = http.client.HTTPSConnection("127.0.0.1", bench.devices, timeout=30, context=context)
    connection.request("POST", "/ls", body, fields)
    answer = decode_response(connection.getresponse().read())
    assert isinstance(answer, RsSolicitation), answer
    return basic(who, answer.rs_preshared_key)


class Work:
    """CPU seconds of a process while this is entered, less what it takes anyway."""

    def __init__(self, process: Process, idle: float) -> None:
        self._process, self._idle, self.cpu_s = process, idle, 0.0

    def __enter__(self) -> Work:
        self._before, self._began = self._process.busy_s, time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        took_s = time.monotonic() - self._began
        self.cpu_s = self._process.busy_s - self._before - took_s * self._idle


def idle_shares(*processes: Process) -> dict[Process, float]:
    """CPU seconds per second of each while nothing is asked of it: a controller looks after more than firmware."""
    before = {process: process.busy_s for process in processes}
    time.sleep(IDLE_S)
    return {process: (process.busy_s - before[process]) / IDLE_S for process in processes}


class Measuring:
    """Rounds with both servers in turn; the first round is not counted."""

    def __init__(
        self, client: Process, us: Server, nginx: Server, sha256: str, idle: dict[Process, float], rounds: int
    ) -> None:
        self._client, self._us, self._nginx, self._sha256, self._rounds = client, us, nginx, sha256, rounds
        self._idle = idle | {nginx.process: 0.0}

    def whole(self, loads: list[Load], *, tls: bool) -> list[Fact]:
        return [self._whole(load, tls) for load in loads]

    def ranges(self, connections: int, pieces: int, *, tls: bool) -> Fact:
        def one(server: Server, turn: int) -> float:
            with Work(server.process, self._idle[server.process]) as work:
                said = self._fetch(server, tls, connections, PIECE, pieces)
            return float(work.cpu_s / said["answers"] * 1e6)

        how = "TLS" if tls else "plain HTTP"
        return self._compared(f"64 KiB ranges, {connections} connections, {how}: CPU µs per request", one, RANGES)

    def memory(self, connections: int, hold_s: float) -> list[Fact]:
        """Of readers that take nothing, on each way."""
        return [self._memory(connections, hold_s, tls) for tls in (False, True)]

    def shipped(self, connections: int, asked: Process, server: Server) -> list[Fact]:
        """nginx as shipped and the process that it asks, beside bare nginx: CPU and bytes per second. Both count."""
        bare, ships = list[tuple[float, float]](), list[tuple[float, float]]()
        for turn in range(self._rounds + 1):
            pair = [(ships, server, (server.process, asked)), (bare, self._nginx, (self._nginx.process,))]
            for figures, which, processes in pair if turn % 2 else reversed(pair):
                figures.append(self._both(which, processes, connections))
        how = f"nginx as shipped, {connections} at once, whole image, TLS, beside bare nginx"
        cpu = self._shipped(f"{how}: GiB per CPU s, with the CPU of the firmware server that it asks", ships, bare, 0)
        return [cpu, self._shipped(f"{how}: GiB per s", ships, bare, 1)]

    def _both(self, which: Server, processes: tuple[Process, ...], connections: int) -> tuple[float, float]:
        """GiB per CPU s, GiB per s."""
        works = [Work(each, self._idle[each]) for each in processes]
        with contextlib.ExitStack() as stack:
            for work in works:
                stack.enter_context(work)
            said = self._fetch(which, True, connections, 0, 1)
        return said["bytes"] / GIB / sum(work.cpu_s for work in works), said["bytes"] / GIB / said["seconds"]

    def _shipped(self, what: str, ships: list[tuple[float, float]], bare: list[tuple[float, float]], at: int) -> Fact:
        us, them = [each[at] for each in ships[1:]], [each[at] for each in bare[1:]]
        ratio = statistics.median(a / b for a, b in zip(us, them, strict=True))
        print(what, [round(x, 3) for x in us], "bare", [round(x, 3) for x in them], flush=True)
        made = claim(what, statistics.median(us), statistics.median(them), ratio, NGINX)
        return made | {"met": made["ratio"] >= NGINX}

    def _whole(self, load: Load, tls: bool) -> Fact:
        def one(server: Server, turn: int) -> float:
            got = 0
            with Work(server.process, self._idle[server.process]) as work:
                for _ in range(load.times):
                    digest = self._sha256 if not turn and load.connections < 100 else ""
                    got += self._fetch(server, tls, load.connections, 0, 1, digest)["bytes"]
            return float(work.cpu_s / got * GIB)

        what = f"{load.connections} at once, whole image, {'TLS' if tls else 'plain HTTP'}: CPU s per GiB"
        return self._compared(what, one, WHOLE, load.rounds)

    def _memory(self, connections: int, hold_s: float, tls: bool) -> Fact:
        process = self._us.process
        with Peak(process) as peak:
            self._fetch(self._us, tls, connections, 0, 1, hold=hold_s)
        each = (peak.mb - peak.before) / connections
        how = "TLS" if tls else "plain HTTP"
        what = f"{connections} downloads by readers that take nothing, {how}: resident MB per download (of 2)"
        return claim(what, each, None, each / MEMORY_MB, 1.0)

    def _compared(
        self, what: str, one: Callable[[Server, int], float], target: float, rounds: int | None = None
    ) -> Fact:
        us, them = list[float](), list[float]()
        for turn in range((rounds or self._rounds) + 1):
            pair = [(us, self._us), (them, self._nginx)]
            for figures, server in pair if turn % 2 else reversed(pair):
                figures.append(one(server, turn))
        ratio = statistics.median(a / b for a, b in zip(us[1:], them[1:], strict=True))
        print(what, [round(x, 3) for x in us[1:]], "nginx", [round(x, 3) for x in them[1:]], flush=True)
        return claim(what, statistics.median(us[1:]), statistics.median(them[1:]), ratio, target)

    def _fetch(
        self, server: Server, tls: bool, connections: int, piece: int, pieces: int, sha256: str = "", hold: float = 0
    ) -> Fact:
        task = {"place": ["127.0.0.1", server.tls if tls else server.plain], "tls": tls, "requests": server.requests}
        task |= {"connections": connections, "piece": piece, "pieces": pieces, "size": SIZE}
        said = self._client.ask(task | {"sha256": sha256, "hold": hold})
        if said["failed"]:
            raise SystemExit(f"Not everything was served: {said}")
        return said


def claim(what: str, ours: float, peer: float | None, ratio: float, target: float) -> Fact:
    rounded = round(ratio, 3)
    figures = {"ours": round(ours, 3), "peer": peer and round(peer, 3), "floor": None, "ratio": rounded}
    return {"claim": what, **figures, "target": target, "met": rounded <= target}


def measure(bench: Bench, us: Server, sha256: str, client: Process, *, quick: bool) -> list[Fact]:
    """All claims of serving."""
    certificate = next((bench.folder / "data/authority").glob("location-server*.pem"))
    front, asked, port = nginx.start_shipped(bench, certificate, running_dsn(bench.folder / "data"))
    ships = Server(front, 0, port, us.requests)
    idle = idle_shares(us.process, front, asked)
    run = Measuring(client, us, peer(bench, sha256), sha256, idle, rounds=2 if quick else 5)
    claims = run.memory(100, 1.5) if quick else run.memory(500, 3)
    if quick:
        claims += run.whole([Load(1, times=4), Load(64)], tls=False)
        claims += run.whole([Load(1, times=2), Load(8)], tls=True)
    else:
        many = Load(500, rounds=2)
        claims += run.whole([Load(1, times=32), Load(64), many], tls=False)
        claims += run.whole([Load(1, times=8), Load(64), many], tls=True)
    claims += [run.ranges(16, 100 if quick else 500, tls=tls) for tls in (False, True)]
    return claims + run.shipped(4 if quick else 64, asked, ships)


def plain_port() -> int:
    return free_ports(1)[0]


def client_of(bench: Bench, python: str) -> Process:
    return bench.start(python, Path(__file__).with_name("client.py"))
