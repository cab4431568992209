"""What must never be, refused by the database itself, also when two transactions try at once (architecture: truth)."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.registry_fixtures import numbers, registry
from tests.rows import HEADER, csv_row

__all__ = ["numbers", "registry"]


@pytest.fixture
async def two(registry, numbers) -> tuple[int, int]:
    """Numbers of an entry with its adapter and of a standby with its own."""
    a, b = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{a}", a) + csv_row(f"S{b}", b, kind="standby"))
    return a, b


async def execute(registry, query: str, *values: object) -> None:
    async with registry.db.connection() as connection:
        await connection.execute(query, *values)


REGISTER = """INSERT INTO registration (code, adapter, rs_sa_key, heartbeat_passphrase, since)
              VALUES ($1, $2, '', '', now())"""
OPEN_EXCHANGE = """INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, state, ordered_at,
        deadline_at, account) VALUES ('swap', 'C1', $1, $2, $3, $4, 'ordered', now(), now(), 'root')"""
RUNNING_TASK = """INSERT INTO task (campaign, code, contract, adapter, state, due_at, lease_until)
        VALUES ($1, $2, 'C1', $3, 'running', now(), now())"""


async def test_one_adapter_cannot_sit_in_two_codes(registry, two) -> None:
    a, b = two

    with pytest.raises(asyncpg.UniqueViolationError, match="one_code_per_adapter"):
        await execute(registry, "UPDATE registration SET adapter = $2 WHERE code = $1", f"E{a}", f"SER{b:05d}")


async def test_of_two_that_register_one_adapter_at_once_one_fails(registry, numbers) -> None:
    number, codes = numbers(), [f"E{numbers()}" for _ in range(2)]
    await registry.load(HEADER + csv_row("", number, kind="stock", contract=""))
    for code in codes:
        await execute(registry, "INSERT INTO code (code, contract, kind) VALUES ($1, 'C1', 'entry')", code)

    async def register(code: str) -> None:
        async with registry.db.transaction() as tx:
            await tx.execute(REGISTER, code, f"SER{number:05d}")
            await tx.execute("SELECT pg_sleep(0.05)")  # so that both are in the middle

    results = await asyncio.gather(*(register(code) for code in codes), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["NoneType", "UniqueViolationError"]


@pytest.mark.parametrize("side", [0, 1])
async def test_a_code_has_one_open_exchange(registry, two, numbers, side: int) -> None:
    a, b = two
    c, d = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{c}", c) + csv_row(f"S{d}", d, kind="standby"))
    await execute(registry, OPEN_EXCHANGE, f"E{a}", f"S{b}", f"SER{b:05d}", f"SER{a:05d}")
    other = (f"E{a}", f"S{d}") if side == 0 else (f"E{c}", f"S{b}")

    with pytest.raises(asyncpg.UniqueViolationError, match="one_open_exchange"):
        await execute(registry, OPEN_EXCHANGE, *other, f"SER{d:05d}", f"SER{c:05d}")


async def test_an_adapter_has_one_running_task(registry, two) -> None:
    a, _ = two
    async with registry.db.connection() as connection:
        campaign = await connection.fetchval(
            "INSERT INTO campaign (account, lines, created_at) VALUES ('sato', '{show system}', now()) RETURNING id"
        )
    await execute(registry, RUNNING_TASK, campaign, f"E{a}", f"SER{a:05d}")

    with pytest.raises(asyncpg.UniqueViolationError, match="one_running_task_per_adapter"):
        await execute(registry, RUNNING_TASK, campaign, f"E{a}", f"SER{a:05d}")


@pytest.mark.parametrize("table", ["registration_ledger", "audit", "config_revision", "transcript"])
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
async def test_history_is_neither_changed_nor_deleted(registry, two, table: str, statement: str) -> None:
    a, _ = two
    column = {"transcript": "line", "audit": "action"}.get(table, "code")
    if table == "transcript":
        async with registry.db.transaction() as tx:
            campaign = await tx.fetchval(
                "INSERT INTO campaign (account, lines, created_at) VALUES ('sato', '{show system}', now()) RETURNING id"
            )
            task = await tx.fetchval(
                """INSERT INTO task (campaign, code, contract, adapter, due_at) VALUES ($1, $2, 'C1', $3, now())
                   RETURNING id""",
                *(campaign, f"E{a}", f"SER{a:05d}"),
            )
            await tx.execute(
                """WITH kept AS (INSERT INTO output (sha256, size, packing, body) VALUES (sha256(''), 0, 'plain', '')
                                ON CONFLICT DO NOTHING)
                   INSERT INTO transcript (task, position, line, sha256, truncated, adapter, code, registered_since,
                   firmware, started_at, duration_s)
                   VALUES ($1, 1, 'l', sha256(''), false, 'a', 'c', now(), '', now(), 0)""",
                task,
            )
    if table == "config_revision":
        await execute(
            registry,
            "INSERT INTO config_revision (code, module, body, at, account) VALUES ($1, 0, '', now(), 'x')",
            f"E{a}",
        )

    with pytest.raises(asyncpg.RestrictViolationError, match=r"append-only|evidence"):
        await execute(registry, statement.format(table, column))


@pytest.mark.parametrize(
    ("query", "constraint"),
    [
        ("INSERT INTO account (account, role) VALUES ('x', 'operator')", "operator_has_one_contract"),
        ("INSERT INTO account (account, role, contract) VALUES ('x', 'support', 'C1')", "operator_has_one_contract"),
        ("UPDATE adapter SET ownership = 'purchased'", "purchased_names_its_reseller"),
        ("INSERT INTO access_key (access_key, account, secret_hash) VALUES ('k', 'root', 'short')", "secret_hash"),
    ],
)
async def test_what_a_row_must_say_is_checked(registry, two, query: str, constraint: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match=constraint):
        await execute(registry, query)
