"""What stock must never be, refused by the database itself, and the mark that keeps its lists short (R3.7)."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg
import pytest

from controller.domain.stock import REPLACED, Stock
from tests.registry_fixtures import Registry, numbers, registry
from tests.rows import HEADER, csv_row

__all__ = ["numbers", "registry"]

REGISTER = """INSERT INTO registration (code, adapter, rs_sa_key, heartbeat_passphrase, since)
              VALUES ($1, $2, '', '', now())"""
CASE = """INSERT INTO exchange (kind, contract, entry, old_adapter, state, ordered_at, account)
          VALUES ('send-back', 'C1', $1, $2, 'closed', now(), 'root') RETURNING id"""


async def execute(registry: Registry, *queries: tuple[object, ...]) -> None:
    async with registry.db.transaction() as tx:
        for query, *values in queries:
            await tx.execute(query, *values)


async def value(registry: Registry, query: str, *values: object) -> object:
    async with registry.db.connection() as connection:
        return await connection.fetchval(query, *values)


@pytest.fixture
async def spare(registry: Registry, numbers: Callable[[], int]) -> str:
    """A unit in stock, and an empty code E-<serial>."""
    number = numbers()
    serial = f"SER{number:05d}"
    await registry.load(HEADER + csv_row("", number, kind="stock", contract=""))
    await execute(registry, ("INSERT INTO code (code, contract, kind) VALUES ($1, 'C1', 'entry')", f"E-{serial}"))
    return serial


@pytest.mark.parametrize("state", [state for state in Stock if state is not Stock.IN_STOCK])
async def test_only_a_unit_in_stock_is_registered(registry: Registry, spare: str, state: Stock) -> None:
    await execute(registry, ("UPDATE adapter SET stock = $2 WHERE serial = $1", spare, state))

    with pytest.raises(asyncpg.CheckViolationError, match="no code can hold it"):
        await execute(registry, (REGISTER, f"E-{spare}", spare))


@pytest.mark.parametrize("state", sorted(REPLACED))
async def test_a_unit_that_is_put_away_sits_on_no_code(registry: Registry, spare: str, state: Stock) -> None:
    """R3.7: a code never holds what was put out."""
    await execute(registry, (REGISTER, f"E-{spare}", spare))

    with pytest.raises(asyncpg.CheckViolationError, match="put away"):
        await execute(registry, ("UPDATE adapter SET stock = $2 WHERE serial = $1", spare, state))


async def test_it_may_leave_its_code_in_the_same_transaction_in_any_order(registry: Registry, spare: str) -> None:
    await execute(registry, (REGISTER, f"E-{spare}", spare))

    await execute(
        registry,
        ("UPDATE adapter SET stock = 'under-return' WHERE serial = $1", spare),
        ("DELETE FROM registration WHERE adapter = $1", spare),
    )

    assert await value(registry, "SELECT stocked FROM adapter WHERE serial = $1", spare) is True


@pytest.mark.parametrize("state", [Stock.IN_STOCK, Stock.IN_TRANSIT])
async def test_a_unit_that_an_exchange_put_out_is_never_ready_to_go_out(
    registry: Registry, spare: str, state: Stock
) -> None:
    """R3.7: it is let in again by coming into stock, both at once."""
    case = await value(registry, CASE, f"E-{spare}", spare)
    put_out = """UPDATE adapter SET locked_out_at = now(), locked_by_exchange = $2, stock = 'returned'
                 WHERE serial = $1"""
    await execute(registry, (put_out, spare, case))

    with pytest.raises(asyncpg.CheckViolationError, match="replaced_ones_are_not_in_stock"):
        await execute(registry, ("UPDATE adapter SET stock = $2 WHERE serial = $1", spare, state))


async def test_history_of_stock_is_append_only(registry: Registry, spare: str) -> None:
    note = "INSERT INTO stock_ledger (at, adapter, from_stock, to_stock, account) VALUES (now(), $1, '', '', '')"
    await execute(registry, (note, spare))

    for change in (
        "UPDATE stock_ledger SET note = 'x' WHERE adapter = $1",
        "DELETE FROM stock_ledger WHERE adapter = $1",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await execute(registry, (change, spare))


async def test_the_mark_says_who_stock_knows_after_every_way_on_and_off_a_code(
    registry: Registry, spare: str, numbers: Callable[[], int]
) -> None:
    """The lists of stock read only what is marked: a unit that is missed there would never be sent out."""
    marked = "SELECT stocked FROM adapter WHERE serial = $1"
    assert await value(registry, marked, spare) is True

    await execute(registry, (REGISTER, f"E-{spare}", spare))
    assert await value(registry, marked, spare) is False

    await execute(registry, ("UPDATE adapter SET stock = 'in-transit' WHERE serial = $1", spare))
    assert await value(registry, marked, spare) is True  # R3.6: held by its code, and still on its way
    await execute(registry, ("UPDATE adapter SET stock = 'in-stock' WHERE serial = $1", spare))
    assert await value(registry, marked, spare) is False

    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    assert await value(registry, marked, f"SER{number:05d}") is False
    wrong = """SELECT count(*) FROM adapter a
        WHERE a.stocked IS DISTINCT FROM (a.stock <> 'in-stock' OR NOT EXISTS (
            SELECT FROM registration r WHERE r.adapter = a.serial))"""
    assert await value(registry, wrong) == 0
