"""Swaps per second through services.swap, beside pgbench running the plain six-statement transaction.

One embedded PostgreSQL, without fsync: a disk that stalls for seconds now and then, as shared ones do, would hide what
is compared (--fsync puts it back). Rounds are interleaved, medians compared. All three do the same: each
transaction takes a pair nobody has exchanged yet and writes the same rows. The floor is pgbench calling the server-side
function alone: what is left when Python costs nothing.

    python benchmarks/swap.py [--quick] [--fsync]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.domain.access import Caller, Role
from controller.services import swap
from controller.store.embedded import Embedded
from controller.store.migrate import migrate
from controller.store.pool import Database
from controller.store.secrets import Secrets

CLIENTS = 8
TARGET = 1.0
CALLER = Caller("bench", Role.ADMINISTRATOR, None, "bench", "127.0.0.1")

SIX_STATEMENTS = r"""
\set i :i + 1
\set n :first + :client_id * :share + :i - 1
BEGIN;
SELECT code, adapter FROM registration WHERE code IN ('E' || :n, 'S' || :n) ORDER BY code FOR UPDATE;
UPDATE registration r SET adapter = o.adapter, since = now() FROM registration o
 WHERE r.code IN ('E' || :n, 'S' || :n) AND o.code IN ('E' || :n, 'S' || :n) AND o.code <> r.code;
INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, state, ordered_at, deadline_at, account)
 VALUES ('swap', 'C', 'E' || :n, 'S' || :n, 'B' || :n, 'A' || :n, 'ordered', now(), now(), 'bench');
INSERT INTO registration_ledger (at, code, adapter, cause, account)
 VALUES (now(), 'E' || :n, 'B' || :n, 'swap', 'bench'), (now(), 'S' || :n, 'A' || :n, 'swap', 'bench');
INSERT INTO outbox (at, topic, subject, payload) VALUES (now(), 'exchange.ordered', 'E' || :n, '{"standby": "S"}');
INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
 VALUES (now(), 'bench', 'administrator', 'swap', 'E' || :n, 'C', 'done', '{"standby": "S"}');
COMMIT;
"""

ONE_CALL = r"""
\set i :i + 1
\set n :first + :client_id * :share + :i - 1
SELECT swap_registrations('E' || :n, 'S' || :n, NULL, NULL, now(), now() + interval '1 day', '\x00', '\x00', '\x00',
                          'bench', 'administrator', '', '');
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
    INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, state, ordered_at, deadline_at,
                          account)
    SELECT 'swap', 'C', 'E' || n, 'S' || n, 'A' || n, 'B' || n, 'confirmed', now(), now(), 'bench'
      FROM generate_series({first}, {last}) n"""


async def ours(db: Database, vault: Secrets, pairs: list[int]) -> float:
    """Swap each pair once with CLIENTS at a time; swaps per second."""
    waiting = iter(pairs)

    async def client() -> None:
        for n in waiting:
            order = swap.Order(f"E{n}", f"S{n}")
            await swap.carry_out(db, vault, order, caller=CALLER, now=datetime.now(UTC), deadline=timedelta(days=1))

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return len(pairs) / (time.perf_counter() - began)


async def pgbench(server: Embedded, script: str, first: int, count: int, folder: Path) -> float:
    """Each of `count` pairs from `first` on once; pgbench's own figure, transactions/s without connection time."""
    file = folder / "script.sql"
    file.write_text(script)
    share = count // CLIENTS
    given = [f"-D{name}={value}" for name, value in (("first", first), ("share", share), ("i", 0))]
    command = [server.binaries.folder / "pgbench", "-n", "-Mprepared", f"-c{CLIENTS}", "-j2", f"-t{share}", *given]
    done = await asyncio.to_thread(
        subprocess.run, [*command, "-f", file, server.dsn], capture_output=True, text=True, check=False
    )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or found is None:
        raise SystemExit(f"pgbench failed: {done.stderr[-500:]}")
    return float(found[1])


async def main(quick: bool, fsync: bool) -> None:
    rounds, batch = (3, 2400) if quick else (7, 12000)
    results: dict[str, list[float]] = {"ours": [], "peer": [], "floor": []}
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder:
        async with Embedded(Path(folder), settings={"fsync": "on" if fsync else "off"}).running() as server:
            await migrate(server.dsn)
            db, vault = await Database.open(server.dsn, size=CLIENTS, statement_s=300), Secrets.generate()
            async with db.connection() as connection:
                await connection.execute(SEED.format(first=1, last=3 * rounds * batch))
                await connection.execute("ANALYZE")
            for turn in range(rounds):
                first = 1 + 3 * turn * batch
                results["peer"].append(await pgbench(server, SIX_STATEMENTS, first, batch, Path(folder)))
                results["ours"].append(await ours(db, vault, list(range(first + batch, first + 2 * batch))))
                results["floor"].append(await pgbench(server, ONE_CALL, first + 2 * batch, batch, Path(folder)))
                print({name: round(values[-1]) for name, values in results.items()}, flush=True)
            await db.close()
    report(results, rounds)


def report(results: dict[str, list[float]], rounds: int) -> None:
    middle = {name: statistics.median(values) for name, values in results.items()}
    ratio = middle["ours"] / middle["peer"]
    print(f"swaps/s, median of {rounds} rounds, {CLIENTS} clients; higher is better")
    line = {
        "claim": "swaps/s through services.swap beside pgbench's six-statement transaction",
        **{name: round(value) for name, value in middle.items()},
        "ratio": round(ratio, 2),
        "target": f">= {TARGET}",
        "met": ratio >= TARGET,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    parser.add_argument("--fsync", action="store_true", help="with the disk's part")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.quick, arguments.fsync))
