"""One 32 MiB image to 1, 64 and 500 at once, whole and in ranges, on plain HTTP and TLS, beside nginx in the same run.

Ours is a controller as a person would start it, with its embedded PostgreSQL: TLS at the door that adapters talk to,
plain HTTP at firmware_listen; the adapter shows its key, each answer is authorised and logged. nginx is one process
with the same file and certificate, and asks nobody. CPU is the server process's own time, without PostgreSQL's, and
without what a controller takes each second when nothing is asked of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import ssl
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmwares import nginx
from firmwares.updating import Peak
from fleets.processes import Bench, Fact, Process, free_ports

from agent import inventory
from agent.generate import Recipe, generate
from controller.store.embedded import running_dsn
from protocol.arms.http import basic, encode_pull
from protocol.arms.messages import RsSolicitation, RsSolicitationRequest
from protocol.arms.xml import decode_response, encode
from protocol.ids import DistributionId
from protocol.image import build

SIZE, VERSION, PIECE, GIB = 32 << 20, "9.99", 64 << 10, 1 << 30
WHOLE, RANGES, NGINX, MEMORY_MB, IDLE_S = 1.1, 4.0, 0.95, 2.0, 2.0
SETTINGS = {
    "HIKITSUGI_FIRMWARE_TLS": "off",
    "HIKITSUGI_FIRMWARE_DOWNLOADS": "1000",
    "HIKITSUGI_FIRMWARE_DOWNLOADS_PER_ADDRESS": "1000",  # the client has only one
}


@dataclass(frozen=True, slots=True)
class Server:
    """One that is measured. request: without its Range field and last empty line."""

    process: Process
    plain: int
    tls: int
    request: str


@dataclass(frozen=True, slots=True)
class Load:
    """connections at once, each the first `part` bytes of the image (0: all of it); repeated so often."""

    connections: int
    part: int
    times: int


def settings(plain: int) -> dict[str, str]:
    return SETTINGS | {"HIKITSUGI_FIRMWARE_LISTEN": f"127.0.0.1:{plain}"}


def ours(bench: Bench, controller: Process, plain: int) -> tuple[Server, str]:
    """The registry with one adapter that is to run the image; the server, and the image's sha256."""
    row = next(row for row in generate(Recipe(12)) if row.kind == "entry")
    file, image = bench.folder / "one.csv", bench.folder / "one.img"
    inventory.write([row], file)
    bench.hikitsugi("inventory", "import", file)
    image.write_bytes(build(row.series, VERSION, (), os.urandom(SIZE - 512)))
    size = image.stat().st_size
    assert size == SIZE, size
    bench.hikitsugi("firmware", "import", image, "--series", row.series, "--version", VERSION)
    bench.hikitsugi("code", "firmware", row.code, VERSION)
    sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
    who = DistributionId.parse(row.distribution_id)
    request = (
        f"GET /firmware/{row.series}/{VERSION}/sha256/{sha256} HTTP/1.1\r\nHost: bench\r\n"
        f"Authorization: {basic(who, _key(bench, who, row.ls_sa_key))}\r\n"
    )
    return Server(controller, plain, bench.devices, request), sha256


def peer(bench: Bench, sha256: str) -> Server:
    certificate = next((bench.folder / "data/authority").glob("location-server*.pem"))
    found = nginx.start(bench, certificate, bench.folder / "data/firmware/sha256")
    request = f"GET /{sha256[:2]}/{sha256}/{SIZE} HTTP/1.1\r\nHost: bench\r\n"
    return Server(found.process, found.plain, found.tls, request)


def _key(bench: Bench, who: DistributionId, ls_key: str) -> str:
    """What the location server tells the adapter for its downloads."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = encode_pull("/ls", who, ls_key, encode(RsSolicitationRequest(who, "power on boot", "bench")))
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    connection = http.client.HTTPSConnection("127.0.0.1", bench.devices, timeout=30, context=context)
    connection.request("POST", "/ls", body, fields)
    answer = decode_response(connection.getresponse().read())
    assert isinstance(answer, RsSolicitation), answer
    return answer.rs_preshared_key


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


def idle_share(process: Process) -> float:
    """CPU seconds per second of one of which nothing is asked: a controller looks after more than firmware."""
    before = process.busy_s
    time.sleep(IDLE_S)
    return (process.busy_s - before) / IDLE_S


class Measuring:
    """Rounds with both servers in turn; the first round is not counted."""

    def __init__(self, client: Process, us: Server, nginx: Server, sha256: str, rounds: int) -> None:
        self._client, self._us, self._nginx, self._sha256, self._rounds = client, us, nginx, sha256, rounds
        self._idle = {server.process: idle_share(server.process) for server in (us, nginx)}

    def whole(self, loads: list[Load], *, tls: bool) -> list[Fact]:
        return [self._whole(load, tls) for load in loads]

    def ranges(self, connections: int, pieces: int, *, tls: bool) -> Fact:
        def one(server: Server, turn: int) -> float:
            with Work(server.process, self._idle[server.process]) as work:
                said = self._fetch(server, tls, connections, PIECE, pieces)
            return work.cpu_s / said["answers"] * 1e6

        how = "TLS" if tls else "plain HTTP"
        return self._compared(f"64 KiB ranges, {connections} connections, {how}: CPU µs per request", one, RANGES)

    def memory(self, connections: int) -> list[Fact]:
        """Of readers that take nothing, on each way."""
        return [self._memory(connections, tls) for tls in (False, True)]

    def shipped(self, connections: int, asked: Process, server: Server) -> Fact:
        """nginx as shipped and the process that it asks, beside bare nginx; more is better here."""

        def one(which: Server, processes: tuple[Process, ...]) -> float:
            works = [Work(each, self._idle.get(each) or 0.0) for each in processes]
            with contextlib.ExitStack() as stack:
                for work in works:
                    stack.enter_context(work)
                got = self._fetch(which, True, connections, 0, 1)["bytes"]
            return sum(work.cpu_s for work in works) / got * GIB

        bare, ships = list[float](), list[float]()
        for _ in range(self._rounds + 1):
            bare.append(one(self._nginx, (self._nginx.process,)))
            ships.append(one(server, (server.process, asked)))
        ratio = statistics.median(a / b for a, b in zip(bare[1:], ships[1:], strict=True))
        what = f"nginx as shipped, {connections} at once, whole image, TLS: bare nginx's CPU s per GiB / its"
        print(what, [round(x, 3) for x in ships[1:]], "bare", [round(x, 3) for x in bare[1:]], flush=True)
        made = claim(what, statistics.median(ships[1:]), statistics.median(bare[1:]), ratio, NGINX)
        return made | {"met": ratio >= NGINX}

    def _whole(self, load: Load, tls: bool) -> Fact:
        def one(server: Server, turn: int) -> float:
            got = 0
            with Work(server.process, self._idle[server.process]) as work:
                for _ in range(load.times):
                    digest = self._sha256 if not turn and not load.part and load.connections < 100 else ""
                    got += self._fetch(server, tls, load.connections, load.part, 1, digest)["bytes"]
            return work.cpu_s / got * GIB

        much = f"{load.part >> 20} MiB each" if load.part else "whole image"
        what = f"{load.connections} at once, {much}, {'TLS' if tls else 'plain HTTP'}: CPU s per GiB"
        return self._compared(what, one, WHOLE)

    def _memory(self, connections: int, tls: bool) -> Fact:
        process = self._us.process
        with Peak(process) as peak:
            self._fetch(self._us, tls, connections, 0, 1, hold=3)
        each = (peak.mb - peak.before) / connections
        how = "TLS" if tls else "plain HTTP"
        what = f"{connections} downloads by readers that take nothing, {how}: resident MB per download (of 2)"
        return claim(what, each, None, each / MEMORY_MB, 1.0)

    def _compared(self, what: str, one: Callable[[Server, int], float], target: float) -> Fact:
        us, them = list[float](), list[float]()
        for turn in range(self._rounds + 1):
            pair = [(us, self._us), (them, self._nginx)]
            for figures, server in pair if turn % 2 else reversed(pair):
                figures.append(one(server, turn))
        ratio = statistics.median(a / b for a, b in zip(us[1:], them[1:], strict=True))
        print(what, [round(x, 3) for x in us[1:]], "nginx", [round(x, 3) for x in them[1:]], flush=True)
        return claim(what, statistics.median(us[1:]), statistics.median(them[1:]), ratio, target)

    def _fetch(
        self, server: Server, tls: bool, connections: int, piece: int, pieces: int, sha256: str = "", hold: float = 0
    ) -> Fact:
        task = {"place": ["127.0.0.1", server.tls if tls else server.plain], "tls": tls, "request": server.request}
        task |= {"connections": connections, "piece": piece, "pieces": pieces, "size": SIZE}
        said = self._client.ask(task | {"sha256": sha256, "hold": hold})
        if said["failed"]:
            raise SystemExit(f"Not everything was served: {said}")
        return said


def claim(what: str, ours: float, peer: float | None, ratio: float, target: float) -> Fact:
    rounded = round(ratio, 3)
    figures = {"ours": round(ours, 3), "peer": peer and round(peer, 3), "floor": None, "ratio": rounded}
    return {"claim": what, **figures, "target": target, "met": rounded <= target}


def measure(bench: Bench, controller: Process, client: Process, plain: int, *, quick: bool) -> list[Fact]:
    """All claims of serving."""
    us, sha256 = ours(bench, controller, plain)
    them = peer(bench, sha256)
    run = Measuring(client, us, them, sha256, rounds=2 if quick else 5)
    claims = run.memory(100 if quick else 500)
    many = [] if quick else [Load(500, 0, 1)]
    claims += run.whole([Load(1, 0, 32), Load(64, 0, 1), *many], tls=False)
    claims += run.whole([Load(1, 0, 8), Load(16 if quick else 64, 0, 1), *many], tls=True)
    claims += [run.ranges(16, 300 if quick else 500, tls=tls) for tls in (False, True)]
    certificate = next((bench.folder / "data/authority").glob("location-server*.pem"))
    front, asked, port = nginx.start_shipped(bench, certificate, running_dsn(bench.folder / "data"))
    return [*claims, run.shipped(16, asked, Server(front, 0, port, us.request))]


def plain_port() -> int:
    return free_ports(1)[0]


def client_of(bench: Bench, python: str) -> Process:
    return bench.start(python, Path(__file__).with_name("client.py"))
