"""kill -9 of PostgreSQL or of the controller at every step of a swap: afterwards nothing happened, or all of it did.

A trigger stops the exchanging transaction at each table it writes; there the process is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from controller.services import swap
from controller.store import registry as rows
from controller.store.embedded import Embedded
from controller.store.migrate import migrate
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import Secrets
from tests.registry_fixtures import Registry, people
from tests.rows import HEADER, csv_row
from tests.waiting import until

STEPS = ("lock", "exchange", "registration", "code", "operation", "task", "registration_ledger", "outbox", "audit")
GATE = 4242

_STOP = """
    CREATE OR REPLACE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock({gate}); RETURN NULL; END $$;
    CREATE TRIGGER stop_here AFTER INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION stop_here()"""

CLIENT = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from controller.domain.access import Caller, Role
from controller.services import swap
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import Secrets

async def main(dsn, entry, standby):
    db = await Database.open(dsn)
    by = Caller("olga", Role.OPERATOR, "C1", "test", "127.0.0.1")
    await swap.carry_out(db, Secrets.generate(), swap.Order(entry, standby), caller=by, now=datetime.now(UTC),
                         deadline=timedelta(days=1))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Embedded, Registry]]:
    """A server of this module's own, with durable settings, to be killed."""
    async with Embedded(tmp_path_factory.mktemp("killed")).running() as server:
        await migrate(server.dsn)
        db = await Database.open(server.dsn)
        registry = Registry(db, Secrets.generate())
        await people(registry)
        yield server, registry
        await db.close()


@asynccontextmanager
async def stopped_at(server: Embedded, step: str, entry: str) -> AsyncIterator[None]:
    """Inside, a swap of the entry waits at this step; leaving it opens the gate (if the server lives)."""
    gate = await asyncpg.connect(server.dsn)
    try:
        if step == "lock":  # somebody else holds the entry's registration
            await gate.execute("BEGIN")
            await gate.execute("SELECT FROM registration WHERE code = $1 FOR UPDATE", entry)
        else:
            await gate.execute(_STOP.format(gate=GATE, table=step))
            await gate.execute("SELECT pg_advisory_lock($1)", GATE)
        yield
    finally:
        gate.terminate()


async def waiting_backend(server: Embedded) -> int:
    """The process that waits inside change_registrations."""

    async def found() -> int | None:
        connection = await asyncpg.connect(server.dsn)
        try:
            return await connection.fetchval(
                """SELECT pid FROM pg_stat_activity
                   WHERE wait_event_type = 'Lock' AND query LIKE '%change_registrations%'"""
            )
        finally:
            await connection.close()

    return await until(found)


@retry(retry=retry_if_exception_type(TROUBLE), wait=wait_fixed(0.05), stop=stop_after_delay(30), reraise=True)
async def remove_stop(registry: Registry, step: str) -> None:
    """Also the wait until the server is back: pooled connections may not have noticed yet that it was gone."""
    async with registry.db.connection() as connection:
        await connection.execute("SELECT 1")
    if step != "lock":
        async with registry.db.connection() as connection:
            await connection.execute(f"DROP TRIGGER IF EXISTS stop_here ON {step}")


async def what_happened(registry: Registry, entry: str, standby: str, old: str, new: str) -> str:
    """ "nothing" or "all"; anything else fails the test."""
    async with registry.db.connection() as connection:
        held = await connection.fetchval("SELECT adapter FROM registration WHERE code = $1", entry)
        spare = await connection.fetchval("SELECT adapter FROM registration WHERE code = $1", standby)
        counts = await connection.fetchrow(
            """SELECT (SELECT count(*) FROM exchange WHERE entry = $1) AS exchanges,
                      (SELECT count(*) FROM registration_ledger WHERE code IN ($1, $2) AND cause = 'swap') AS ledger,
                      (SELECT count(*) FROM outbox WHERE subject = $1) AS news,
                      (SELECT count(*) FROM operation WHERE code IN ($1, $2) AND purpose = 'handover') AS orders,
                      (SELECT count(*) FROM audit WHERE subject = $1 AND action = 'swap') AS trail""",
            *(entry, standby),
        )
    story = (held, spare, *counts)
    assert story in {(old, new, 0, 0, 0, 0, 0), (new, old, 1, 2, 1, 2, 1)}, f"half a swap: {story}"
    return "all" if held == new else "nothing"


@pytest.fixture
async def pair(own, numbers) -> tuple[str, str, str, str]:
    _, registry = own
    a, b = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{a}", a) + csv_row(f"S{b}", b, kind="standby"))
    async with registry.db.transaction() as tx:  # newer firmware, a task, adapters at rest: all is written
        await tx.execute(
            """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address)
               SELECT unnest($1::text[]), now(), now(), 'push-method-query', 100, '127.0.0.1'""",
            [f"SER{a:05d}", f"SER{b:05d}"],
        )
        await tx.execute(
            """INSERT INTO firmware_image (series, version, version_key, sha256, size, available_at)
               VALUES ('seil8', '3.50', '{3,50}', repeat('a', 64), 1, now()) ON CONFLICT DO NOTHING"""
        )
        await tx.execute(
            """WITH c AS (INSERT INTO campaign (account, lines, created_at) VALUES ('sato', '{show log}', now())
                          RETURNING id)
               INSERT INTO task (campaign, code, contract, adapter, due_at) SELECT id, $1, 'C1', $2, now() FROM c""",
            *(f"E{a}", f"SER{a:05d}"),
        )
    return f"E{a}", f"S{b}", f"SER{a:05d}", f"SER{b:05d}"


# A killed backend makes the whole server recover; a killed postmaster is what the supervisor has to notice.
KILLS = [("backend", step) for step in STEPS] + [("postmaster", step) for step in ("exchange", "registration", "audit")]


@pytest.mark.parametrize(("victim", "step"), KILLS)
async def test_a_killed_postgresql_forgets_the_half_done_swap(own, pair, victim: str, step: str) -> None:
    server, registry = own
    entry, standby, old, new = pair
    order = swap.Order(entry, standby)

    def swapping() -> asyncio.Task[object]:
        return asyncio.create_task(
            swap.carry_out(
                registry.db,
                registry.vault,
                order,
                caller=registry.operator,
                now=registry.clock(),
                deadline=timedelta(days=1),
            )
        )

    async with stopped_at(server, step, entry):
        doomed = swapping()
        backend = await waiting_backend(server)
        os.kill(backend if victim == "backend" else server.pid, signal.SIGKILL)
        await asyncio.wait([doomed])

    assert isinstance(doomed.exception(), Exception)
    await remove_stop(registry, step)
    assert await what_happened(registry, entry, standby, old, new) == "nothing"
    await swapping()
    assert await what_happened(registry, entry, standby, old, new) == "all"


@pytest.mark.parametrize("step", STEPS)
async def test_a_killed_controller_leaves_nothing_or_all(own, pair, step: str) -> None:
    server, registry = own
    entry, standby, old, new = pair

    async with stopped_at(server, step, entry):
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, server.dsn, entry, standby, cwd=Path(__file__).parents[2]
        )
        backend = await waiting_backend(server)
        client.kill()
        await client.wait()

    async def over() -> bool:
        async with registry.db.connection() as connection:
            return not await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", backend)

    await until(over)
    await remove_stop(registry, step)
    happened = await what_happened(registry, entry, standby, old, new)
    row = await rows.code(registry.db, entry)
    assert (row["exchange_state"] == "ordered") == (happened == "all")
