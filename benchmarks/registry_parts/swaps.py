"""Swaps per second: through the registry call, in bulk, over HTTP, and the plain six-statement transaction in pgbench.

All do the same: each swap takes a pair nobody has exchanged since it was loaded, and writes the same rows. (Ours checks
the conditions, keeps the former key and makes new ones besides.)
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from fleets.processes import Bench

from controller.domain.access import Caller, Role
from controller.services import swap
from controller.store.embedded import Embedded
from controller.store.pool import Database
from controller.store.secrets import Secrets

CALLER = Caller("bench", Role.ADMINISTRATOR, None, "bench", "127.0.0.1")
DEADLINE = timedelta(days=1)

SIX_STATEMENTS = r"""
\set i :i + 1
\set n :first + :client_id * :share + :i - 1
BEGIN;
SELECT code, adapter FROM registration WHERE code IN ('E' || :n, 'S' || :n) ORDER BY code FOR UPDATE;
UPDATE registration r SET adapter = o.adapter, since = now() FROM registration o
 WHERE r.code IN ('E' || :n, 'S' || :n) AND o.code IN ('E' || :n, 'S' || :n) AND o.code <> r.code;
INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, state, ordered_at, changed_at,
                      deadline_at, account)
 VALUES ('swap', 'C', 'E' || :n, 'S' || :n, 'B' || :n, 'A' || :n, 'ordered', now(), now(), now(), 'bench');
INSERT INTO registration_ledger (at, code, adapter, cause, account)
 VALUES (now(), 'E' || :n, 'B' || :n, 'swap', 'bench'), (now(), 'S' || :n, 'A' || :n, 'swap', 'bench');
INSERT INTO outbox (at, topic, subject, payload) VALUES (now(), 'exchange.ordered', 'E' || :n, '{"standby": "S"}');
INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
 VALUES (now(), 'bench', 'administrator', 'swap', 'E' || :n, 'C', 'done', '{"standby": "S"}');
COMMIT;
"""

# A registry with a past: every pair has been exchanged before, so plans are made for tables that are not empty.
SEED = """
    INSERT INTO contract (contract) VALUES ('C') ON CONFLICT DO NOTHING;
    INSERT INTO account (account, role) VALUES ('bench', 'administrator') ON CONFLICT DO NOTHING;
    INSERT INTO adapter (serial, series, model, distribution_id, ls_sa_key, ssh_password)
    SELECT k || n, 'seil8', 'SEIL/X4', gen_random_uuid(), '\\x00', '\\x00'
      FROM generate_series({first}, {last}) n, (VALUES ('A'), ('B')) v (k);
    INSERT INTO code (code, contract, kind)
    SELECT k || n, 'C', kind
      FROM generate_series({first}, {last}) n, (VALUES ('E', 'entry'), ('S', 'standby')) v (k, kind);
    INSERT INTO registration (code, adapter, rs_sa_key, heartbeat_passphrase, since)
    SELECT k || n, a || n, '\\x00', '\\x00', now() - interval '1 hour'
      FROM generate_series({first}, {last}) n, (VALUES ('E', 'A'), ('S', 'B')) v (k, a);
    INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, state, ordered_at, changed_at,
                          ended_at, deadline_at, account)
    SELECT 'swap', 'C', 'E' || n, 'S' || n, 'A' || n, 'B' || n, 'confirmed', now(), now(), now(), now(), 'bench'
      FROM generate_series({first}, {last}) n"""


@dataclass
class Timed:
    """What one way of swapping did. waits_s: how long each caller waited."""

    per_s: float
    waits_s: list[float] = field(default_factory=list)


async def seed(db: Database, first: int, last: int) -> None:
    """Pairs E<n>/S<n>, exchanged once before."""
    async with db.connection() as connection:
        await connection.execute(SEED.format(first=first, last=last))
        await connection.execute("ANALYZE")


async def calls(db: Database, vault: Secrets, pairs: Sequence[int], clients: int) -> Timed:
    """Each pair once through services.swap.carry_out, `clients` at a time."""
    waiting, waits = iter(pairs), []

    async def client() -> None:
        for n in waiting:
            order, began = swap.Order(f"E{n}", f"S{n}"), time.perf_counter()
            await swap.carry_out(db, vault, order, caller=CALLER, now=datetime.now(UTC), deadline=DEADLINE)
            waits.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Timed(len(pairs) / (time.perf_counter() - began), waits)


async def bulk(db: Database, vault: Secrets, pairs: Sequence[int]) -> Timed:
    """Each pair once, all in one call of services.swap.carry_out_many."""
    began = time.perf_counter()
    orders = [swap.Order(f"E{n}", f"S{n}") for n in pairs]
    done = await swap.carry_out_many(db, vault, orders, caller=CALLER, now=datetime.now(UTC), deadline=DEADLINE)
    wrong = [one for one in done if not isinstance(one, swap.Done)]
    if wrong:
        raise SystemExit(f"A swap was refused: {wrong[0]}")
    return Timed(len(pairs) / (time.perf_counter() - began))


async def pgbench(server: Embedded, first: int, count: int, clients: int, folder: Path) -> Timed:
    """Each of `count` pairs from `first` on once, by the six statements; pgbench's own figure."""
    file = folder / "script.sql"
    file.write_text(SIX_STATEMENTS)
    share = count // clients
    given = [f"-D{name}={value}" for name, value in (("first", first), ("share", share), ("i", 0))]
    command = [server.binaries.folder / "pgbench", "-n", "-Mprepared", f"-c{clients}", "-j2", f"-t{share}", *given]
    done = await asyncio.to_thread(
        subprocess.run, [*command, "-f", file, server.dsn], capture_output=True, text=True, check=False
    )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or found is None:
        raise SystemExit(f"pgbench failed: {done.stderr[-500:]}")
    return Timed(float(found[1]))


async def over_http(bench: Bench, pairs: Sequence[int], clients: int) -> Timed:
    """Each pair once through the controller's API, `clients` at a time on connections that are kept."""
    key = (bench.folder / "data/admin.key").read_text().strip()
    waiting, waits = iter(pairs), []

    async def client(session: aiohttp.ClientSession) -> None:
        for n in waiting:
            began = time.perf_counter()
            async with session.post(f"{bench.api}/api/v1/codes/E{n}/swap", json={"standby": f"S{n}"}) as answer:
                if answer.status != 200:
                    raise SystemExit(f"HTTP {answer.status}: {await answer.text()}")
                await answer.read()
            waits.append(time.perf_counter() - began)

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        began = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(clients)))
        return Timed(len(pairs) / (time.perf_counter() - began), waits)
