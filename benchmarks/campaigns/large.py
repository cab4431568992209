"""A campaign with very many adapters, read back; and one that is aborted while hundreds of adapters are being asked."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
from campaigns.api import Api
from fleets.processes import Bench, Process

from agent import inventory
from agent.generate import Recipe, generate
from controller.store.embedded import running_dsn

SLOW = Path(__file__).with_name("slow_devices.py")
Told = Callable[..., dict[str, Any]]  # Any: JSON
IN_FLIGHT, _ABORT_S, _SETTLED_S = 500, 15.0, 3.0

_WRITE = """
    WITH contract AS (INSERT INTO contract (contract) VALUES ('LARGE') ON CONFLICT DO NOTHING),
    adapters AS (
        INSERT INTO adapter (serial, series, model, distribution_id, ls_sa_key, ssh_password)
        SELECT 'LARGE' || n, 'seil8', 'SEIL/X4', gen_random_uuid(), '', '' FROM generate_series(1, $1::int) n)
    INSERT INTO code (code, contract, kind) SELECT 'LARGE' || n, 'LARGE', 'entry' FROM generate_series(1, $1::int) n"""

# One adapter in fifty runs another version; the rest differ in serial and clock, which is noise.
_TEXT = (
    "SEIL/X4 Ver. %s (Name)\r\n\r\nArch    : SEIL/X4 Rev. A\r\nCPU     : Quad\r\nVendor  : OEM\r\nSerial  : LARGE%s\r\n"
    '\r\nHost    : "branch"\r\nDate    : 2026/11/22 06:30:%s (JST)\r\nUp      : %s minutes\r\n'
)

_RESULTS = """
    WITH printed AS (
        SELECT t.id, t.adapter, t.code, l.line, l.o, convert_to(format($3, CASE WHEN t.id % 50 = 0 THEN '3.33' ELSE
               '3.42' END, t.id, lpad((t.id % 60)::text, 2, '0'), t.id % 1000) || l.line, 'UTF8') AS body
        FROM task t CROSS JOIN unnest($2::text[]) WITH ORDINALITY AS l (line, o) WHERE t.campaign = $1),
    kept AS (
        INSERT INTO output (sha256, size, packing, body) SELECT DISTINCT ON (sha256(body)) sha256(body), length(body),
               'plain', body FROM printed ON CONFLICT DO NOTHING)
    INSERT INTO transcript (task, position, line, command, sha256, truncated, adapter, code, registered_since, firmware,
                            started_at, duration_s)
    SELECT id, o, line, line, sha256(body), false, adapter, code, now(), '3.42', now(), 0.1 FROM printed"""

_TASKS = """
    INSERT INTO task (campaign, code, contract, adapter, state, failure, due_at, started_at, finished_at, via)
    SELECT $1, 'LARGE' || n, 'LARGE', 'LARGE' || n, CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'done' END,
           CASE WHEN n % 100 = 0 THEN 'timeout' END, now(), now() - interval '1 s' * (n % 30), now(), 'ssh'
    FROM generate_series(1, $2::int) n"""


async def written(bench: Bench, count: int, lines: list[str]) -> int:
    """A campaign that has ended on `count` adapters with one output a line, put into the database; its id."""
    connection = await asyncpg.connect(running_dsn(bench.folder / "data"))
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL hikitsugi.retention = 'on'")
            await connection.execute(_WRITE, count)
            campaign: int = await connection.fetchval(
                """INSERT INTO campaign (account, reason, lines, state, created_at, ended_at)
                   VALUES ('admin', 'benchmark', $1, 'finished', now(), now()) RETURNING id""",
                lines,
            )
            await connection.execute(_TASKS, campaign, count)
            await connection.execute(_RESULTS, campaign, lines, _TEXT)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return campaign


async def _times(api: Api, path: str, rounds: int) -> list[float]:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        await api.get(path)
        took.append((time.perf_counter() - began) * 1000)
    return took


async def _measure(bench: Bench, count: int, rounds: int) -> dict[str, tuple[float, float, float]]:
    """For each question: ms of the first answer, which may have to read the outputs, then p50 and p99."""
    campaign = await written(bench, count, ["show system", "show version", "show log"])
    measured = {}
    async with Api(bench) as api:
        for name in ("odd", "summary"):
            first = (await _times(api, f"campaigns/{campaign}/{name}", 1))[0]
            took = sorted(await _times(api, f"campaigns/{campaign}/{name}", rounds))
            p99 = statistics.quantiles(took, n=100, method="inclusive")[98]
            measured[name] = (first, statistics.median(took), p99)
    return measured


def claims(bench: Bench, count: int, rounds: int, told: Told) -> list[dict[str, Any]]:
    """Latency of summary and odd ones out of a campaign with `count` adapters. The targets are ours."""
    measured = asyncio.run(_measure(bench, count, rounds))
    found = []
    for name, (first, p50, p99) in measured.items():
        print(f"{name} of {count} adapters x 3 lines: first {first:.0f} ms, then p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        claim = f"{name} of a campaign with {count} adapters, p99 ms (target ours; p50 is beside it as peer)"
        found.append(told(claim, p99, p50, p99 / 500, 1.0))
    return found


def under_way(
    folder: Path, stack: contextlib.ExitStack, loaded: Callable[..., Bench], worker: Callable[..., Any], told: Told
) -> list[dict[str, Any]]:
    """Memory of a worker with 500 sessions in flight on slow devices; and the time from asking for an abort in the
    middle of it to the last byte that reached any of them."""
    devices = Bench(_made(folder.with_name("slow")), stack).start(sys.executable, SLOW)
    facts = devices.next_fact()
    rows = [
        replace(
            row,
            contract="C",
            contract_name="",
            ssh_address=f"127.78.{number // 250}.{number % 250 + 1}",
            ssh_port=str(facts["port"]),
            ssh_host_key=facts["host_key"],
            ssh_username=facts["username"],
            ssh_password=facts["password"],
        )
        for number, row in enumerate(_seil8(IN_FLIGHT))
    ]
    bench = loaded(folder, stack, rows, HIKITSUGI_SSH_CONCURRENCY="1", HIKITSUGI_SSH_KEPT="0")
    with worker(bench, HIKITSUGI_SSH_CONCURRENCY=str(IN_FLIGHT)) as process:
        at_rest_kb = process.resident_kb
        asked_at, running, most_kb = asyncio.run(_abort(bench, process))
        time.sleep(2)  # whatever is still to come
    heard = devices.ask({})
    late_ms, each_kb = (heard["last"] - asked_at) * 1000, (most_kb - at_rest_kb) / max(running, 1)
    print(f"a worker with {running} sessions in flight: {most_kb / 1024:.0f} MB, {at_rest_kb / 1024:.0f} MB at rest")
    print(f"abort: the last byte reached a device {late_ms:.0f} ms after it was asked for")
    return [
        told("memory of a worker, KB per session in flight (target ours)", each_kb, None, each_kb / 256, 1.0),
        told("abort to the last byte sent to a device, ms (target ours)", late_ms, None, late_ms / 1000, 1.0),
    ]


async def _abort(bench: Bench, worker: Process) -> tuple[float, int, float]:
    """When the abort was asked for, how many adapters were being asked then, and the worker's memory."""
    async with Api(bench) as api:
        campaign = await api.run(["show system", "show log"] * 5, contract="C")
        running, until = 0, time.monotonic() + _ABORT_S
        while running < IN_FLIGHT - 2 and time.monotonic() < until:
            running = (await api.get(f"campaigns/{campaign}"))["running"]
            await asyncio.sleep(0.1)
        await asyncio.sleep(_SETTLED_S)  # logged in everywhere, and lines are being typed all the time
        asked_at = time.monotonic()
        await api.post(f"campaigns/{campaign}/abort", {"reason": "benchmark"})
        return asked_at, running, worker.resident_kb


def _seil8(count: int) -> list[inventory.Row]:
    rows = (row for row in generate(Recipe(count * 4)) if row.kind == "entry" and row.series == "seil8")
    return [row for row, _ in zip(rows, range(count), strict=False)]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
