"""Heartbeats received, verified and decoded, beside a plain asyncio DatagramProtocol with HMAC; and stored at 50,000/s.

5,000 adapters with a passphrase each send the 538 bytes of the captured heartbeat (other figures each time), from
another process. All sides end with the decoded value: every number of the datagram, in groups.
ours:  faces/device/heartbeat.py and services/heartbeats.py as they are in the product, limits against replays
       included, decoded by the batch.
peer:  what anybody would write: datagram_received, hmac.digest, a loop of struct.unpack_from. Once more with our codec.
floor: a blocking recv loop without asyncio, adapters or limits, with one key begun and one struct for the whole.
CPU is the receiving process's own, in rounds that take turns. The last part stores into an embedded PostgreSQL (without
fsync: see benchmarks/registry.py) and counts rows; PostgreSQL's CPU is not in the figure, it is a process of its own.

    python benchmarks/heartbeats.py [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import prometheus_client

from controller.faces.device.heartbeat import HeartbeatListener, enlarge
from controller.services.heartbeat_senders import MAX_WAITING, Senders, Waiting
from controller.services.heartbeats import Intake, Outcome, decoded
from controller.store.embedded import Embedded
from controller.store.migrate import migrate
from controller.store.pool import Database
from controller.store.secrets import Secrets
from protocol.arms.heartbeat import decode_statistics
from protocol.ids import DistributionId

ADAPTERS = 5_000
RATE, FULL_RATE = 20_000, 50_000  # datagrams/s: for the comparison, and to be stored
INTERVAL_S = 0.1  # what the adapters are told here: a sender that catches up must not exceed four in that time
TARGET = 0.6
CAPTURED = Path(__file__).parents[1] / "tests" / "vectors" / "arms" / "heartbeat.dummy.hex"
HERE = "127.0.0.1"


def distribution_id(number: int) -> DistributionId:
    return DistributionId(1 << 112 | 15 << 64 | number)


def passphrase(number: int) -> bytes:
    return f"passphrase of adapter {number:8d}".encode()


# The sending process


def datagrams(adapters: int, variants: int) -> list[bytes]:
    """A turn of all adapters, then another one with other figures, and so on."""
    body = bytearray(bytes.fromhex(CAPTURED.read_text()))
    made = []
    for variant in range(variants):
        for number in range(adapters):
            body[4:24] = bytes(20)
            body[28:44] = distribution_id(number).packed()
            body[-1] = variant
            body[4:24] = hmac.digest(passphrase(number), body, "sha1")
            made.append(bytes(body))
    return made


def send_as_told() -> None:
    """Lines of "port rate seconds" come in; "sent seconds" goes out when each is done."""
    prepared = datagrams(ADAPTERS, 20)
    print(0, 0, flush=True)  # ready
    at = 0
    for line in sys.stdin:
        port, rate, seconds = line.split()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.connect((HERE, int(port)))
            total, sent, began = int(int(rate) * float(seconds)), 0, time.perf_counter()
            while sent < total:
                due = min(total, int((time.perf_counter() - began) * int(rate)) + 1)
                for _ in range(due - sent):
                    out.send(prepared[at])
                    at = at + 1 if at + 1 < len(prepared) else 0
                sent = due
                time.sleep(0.0005)
            print(sent, time.perf_counter() - began, flush=True)


class Sender:
    """The other process."""

    def __init__(self) -> None:
        command = [sys.executable, __file__, "--send"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.done()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def begin(self, port: int, rate: int, seconds: float) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{port} {rate} {seconds}\n")

    def done(self) -> tuple[int, float]:
        """Waits for the end: how many were sent, in how many seconds."""
        assert self._process.stdout
        sent, took = self._process.stdout.readline().split()
        return int(sent), float(took)


# What is compared: each returns CPU µs a datagram


async def spent(sender: Sender, port: int, seconds: float, received: Callable[[], int]) -> float:
    sender.begin(port, RATE, seconds)
    began = time.process_time()
    sent, _ = await asyncio.to_thread(sender.done)
    await asyncio.sleep(0.3)  # for what has arrived and is not decoded yet
    took = time.process_time() - began
    if received() < 0.99 * sent:
        raise SystemExit(f"only {received()} of {sent} were received: the machine is too busy for this comparison")
    return took / received() * 1e6


async def ours(sender: Sender, seconds: float, intake: Intake) -> float:
    """Decoded by the batch, ten times a second, and not stored."""
    listener, count = HeartbeatListener(intake, utc_now), 0

    async def decode() -> None:
        nonlocal count
        while True:
            await asyncio.sleep(0.1)
            for _ in decoded(intake.queue):
                count += 1
            intake.queue.clear()

    decoding = asyncio.create_task(decode())
    try:
        return await spent(sender, listener.start(HERE, 0), seconds, lambda: count)
    finally:
        decoding.cancel()
        listener.close()


class Plain(asyncio.DatagramProtocol):
    """The peer. decode: of a verified datagram."""

    def __init__(self, decode: Callable[[bytes], object]) -> None:
        self.keys = {distribution_id(n).packed(): passphrase(n) for n in range(ADAPTERS)}
        self.decode = decode
        self.received = 0
        self.value: object = None

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        passphrase = self.keys.get(data[28:44])
        if passphrase is None:
            return
        digest = hmac.digest(passphrase, data[:4] + bytes(20) + data[24:], "sha1")
        if hmac.compare_digest(digest, data[4:24]):
            self.value = self.decode(data)
            self.received += 1


async def peer(sender: Sender, seconds: float, decode: Callable[[bytes], object]) -> float:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: Plain(decode), local_addr=(HERE, 0))
    enlarge(transport.get_extra_info("socket"))
    port = transport.get_extra_info("sockname")[1]
    try:
        return await spent(sender, port, seconds, lambda: protocol.received)
    finally:
        transport.close()


FORMS = {
    0x002C: struct.Struct(">H4B"),
    0x0033: struct.Struct(">HB"),
    0x0034: struct.Struct(">H5B"),
    0x0035: struct.Struct(">H2Q"),
    0x0037: struct.Struct(">H2Q"),
    0x0038: struct.Struct(">H6Q"),
    0x0039: struct.Struct(">H6Q"),
}


def plain_decode(datagram: bytes) -> dict[int, list[tuple[int, ...]]]:
    found: dict[int, list[tuple[int, ...]]] = {}
    at = 44
    while at < len(datagram):
        kind, length = struct.unpack_from(">HH", datagram, at)
        form = FORMS.get(kind)
        if form is not None and form.size == length:
            found.setdefault(kind, []).append(form.unpack_from(datagram, at + 4))
        at += 4 + length
    return found


def floor(sender: Sender, seconds: float) -> float:
    everything = struct.Struct(whole_form(bytes.fromhex(CAPTURED.read_text())))
    begun = hmac.new(passphrase(0), b"\0\1\0\x14" + bytes(20), "sha1")
    received = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        enlarge(opened)
        opened.bind((HERE, 0))
        opened.settimeout(0.3)
        sender.begin(opened.getsockname()[1], RATE, seconds)
        began = time.process_time()
        try:
            while True:
                datagram = opened.recv(1025)
                digest = begun.copy()
                digest.update(datagram[24:])
                hmac.compare_digest(digest.digest(), datagram[4:24])
                everything.unpack(datagram)
                received += 1
        except TimeoutError:
            took = time.process_time() - began
    sender.done()
    return took / received * 1e6


def whole_form(datagram: bytes) -> str:
    """The numbers of all statistics in one format for struct."""
    form, at = ">44x", 44
    while at < len(datagram):
        kind, length = struct.unpack_from(">HH", datagram, at)
        form += "4x" + FORMS[kind].format.lstrip(">")
        at += 4 + length
    return form


# The whole way, into the database


async def seed(db: Database, vault: Secrets) -> None:
    numbers = range(ADAPTERS)
    now = utc_now()
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO contract (contract) VALUES ('C')")
        await tx.copy_records_to_table(
            "adapter",
            records=((f"A{n}", "seil8", "SEIL/X4", UUID(int=distribution_id(n).value), b"-", b"-") for n in numbers),
            columns=("serial", "series", "model", "distribution_id", "ls_sa_key", "ssh_password"),
        )
        await tx.copy_records_to_table(
            "code", records=((f"E{n}", "C", "entry") for n in numbers), columns=("code", "contract", "kind")
        )
        await tx.copy_records_to_table(
            "registration",
            records=(
                (f"E{n}", f"A{n}", b"-", vault.seal(passphrase(n), purpose="heartbeat-passphrase"), now)
                for n in numbers
            ),
            columns=("code", "adapter", "rs_sa_key", "heartbeat_passphrase", "since"),
        )
        await tx.execute(
            """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address)
               SELECT serial, now(), now(), 'config-solicitation', 100, $1::text::inet FROM adapter""",
            HERE,
        )
    async with db.connection() as connection:
        await connection.execute("ANALYZE")


async def everybody_known(senders: Senders) -> None:
    """As after the first heartbeat of each."""
    for first in range(0, ADAPTERS, MAX_WAITING):
        for number in range(first, min(first + MAX_WAITING, ADAPTERS)):
            senders.wait(distribution_id(number).packed(), Waiting(b"", HERE, time.monotonic(), utc_now()))
        await senders.fetch()


async def all_stored(sender: Sender, seconds: float, intake: Intake, db: Database) -> dict[str, float]:
    """Received at FULL_RATE and stored by the product's own loop."""
    listener = HeartbeatListener(intake, utc_now)
    port = listener.start(HERE, 0)
    storing = asyncio.create_task(intake.run())
    began = time.process_time()
    sender.begin(port, FULL_RATE, seconds)
    sent, took = await asyncio.to_thread(sender.done)
    listener.close()
    behind = len(intake.queue)
    storing.cancel()
    await asyncio.wait({storing})
    while intake.queue:
        await intake.turn()
    spent_s = time.process_time() - began
    async with db.connection() as connection:
        rows = await connection.fetchval("SELECT count(*) FROM heartbeat")
        size = await connection.fetchval(
            "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'heartbeat'::regclass"
        )
    lost = outcome(intake, Outcome.LOST)
    return {
        "sent": sent,
        "per_s": sent / took,
        "rows": rows,
        "lost": lost,
        "cpu_us": spent_s / sent * 1e6,
        "behind": behind,
        "bytes_per_row": float(size) / max(rows, 1),
    }


def outcome(intake: Intake, which: Outcome) -> int:
    return int(intake.figures.labels(which.value)._value.get())


def fresh(db: Database, senders: Senders) -> Intake:
    figures = prometheus_client.Counter("hb", "", ("outcome",), registry=prometheus_client.CollectorRegistry())
    return Intake(db, senders, utc_now, INTERVAL_S, False, figures)


def utc_now() -> datetime:
    return datetime.now(UTC)


async def main(quick: bool) -> None:
    rounds, seconds, storing_s = (3, 1.5, 4.0) if quick else (7, 3.0, 10.0)
    results: dict[str, list[float]] = {"ours": [], "peer": [], "peer, our codec": [], "floor": []}
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, Sender() as sender:
        async with Embedded(Path(folder), settings={"fsync": "off"}).running() as server:
            await migrate(server.dsn)
            db, vault = await Database.open(server.dsn, statement_s=300), Secrets.generate()
            await seed(db, vault)
            senders = Senders(db, vault, time.monotonic)
            await everybody_known(senders)
            for _ in range(rounds):
                results["peer"].append(await peer(sender, seconds, plain_decode))
                results["ours"].append(await ours(sender, seconds, fresh(db, senders)))
                results["peer, our codec"].append(await peer(sender, seconds, decode_statistics))
                results["floor"].append(floor(sender, seconds))
                print({name: round(values[-1], 2) for name, values in results.items()}, flush=True)
            whole = await all_stored(sender, storing_s, fresh(db, senders), db)
            await db.close()
    report(results, whole, rounds)


def report(results: dict[str, list[float]], whole: dict[str, float], rounds: int) -> None:
    middle = {name: statistics.median(values) for name, values in results.items()}
    print(f"receiving CPU µs a datagram, median of {rounds} rounds at {RATE}/s; lower is better")
    print("stored:", {name: round(value, 1) for name, value in whole.items()})
    lines = [
        {
            "claim": f"CPU µs per heartbeat up to the decoded value, beside {name}",
            "ours": round(middle["ours"], 2),
            "peer": round(middle[key], 2),
            "floor": round(middle["floor"], 2),
            "ratio": round(middle["ours"] / middle[key], 2),
            "target": target,
            "met": None if target is None else middle["ours"] / middle[key] <= TARGET,
        }
        for name, key, target in (
            ("a plain DatagramProtocol with HMAC", "peer", f"<= {TARGET}"),
            ("the same with our codec", "peer, our codec", None),
        )
    ]
    missing = whole["sent"] - whole["rows"]
    lines.append(
        {
            "claim": f"heartbeats sent at {FULL_RATE}/s that are not in the database",
            "ours": missing,
            "peer": None,
            "floor": None,
            "ratio": round(whole["per_s"] / FULL_RATE, 2),
            "target": "0, and a ratio of 1 to the rate wanted",
            "met": missing == 0 and whole["per_s"] >= 0.99 * FULL_RATE,
            "cpu_us": round(whole["cpu_us"], 2),
        }
    )
    print(json.dumps(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.send:
        send_as_told()
    else:
        asyncio.run(main(arguments.quick))
