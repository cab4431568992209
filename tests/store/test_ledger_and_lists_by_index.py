"""Lists that are stretches of an index show what a plain look at the tables shows, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import product

import pytest

from controller.store import registry as store
from controller.store.pool import Row
from tests.registry_fixtures import Registry, numbers, registry
from tests.rows import HEADER, csv_row

__all__ = ["numbers", "registry"]


@pytest.fixture(scope="module")
async def filled(registry: Registry) -> Registry:
    """Two contracts, two kinds, two series, and units in stock."""
    rows = [
        csv_row(f"{kind[0].upper()}-{contract}-{n}", n, kind=kind, series=series, contract=contract)
        for n, (contract, kind, series, _) in enumerate(
            product(("C1", "C2"), ("entry", "standby"), ("seil8", "seil6"), range(4)), 1
        )
    ]
    stock = [csv_row("", 90 + n, kind="stock", contract="") for n in range(3)]
    await registry.load(HEADER + "".join(rows + stock))
    return registry


async def walked(page: Callable[[str | None], Awaitable[Sequence[Row]]], key: str) -> list[str]:
    found: list[str] = []
    while rows := await page(found[-1] if found else None):
        found += [row[key] for row in rows]
    return found


@pytest.mark.parametrize("contract", [None, "C1", "C2", ""])
@pytest.mark.parametrize("series", [None, "seil6", "seil8", "seil3"])
async def test_adapters_page_by_page(filled: Registry, contract: str | None, series: str | None) -> None:
    query = """SELECT a.serial FROM adapter a LEFT JOIN registration r ON r.adapter = a.serial
        LEFT JOIN code c USING (code) WHERE ($1::text IS NULL OR c.contract = $1) AND ($2::text IS NULL OR series = $2)
        ORDER BY 1"""
    async with filled.db.connection() as connection:
        plain = [row["serial"] for row in await connection.fetch(query, contract, series)]

    pages = await walked(
        lambda after: store.adapters(filled.db, contract=contract, series=series, after=after, limit=3), "serial"
    )

    assert pages == plain


@pytest.mark.parametrize("contract", [None, "C1", "C2", ""])
@pytest.mark.parametrize("kind", [None, "entry", "standby"])
async def test_codes_page_by_page(filled: Registry, contract: str | None, kind: str | None) -> None:
    query = """SELECT code FROM code
        WHERE ($1::text IS NULL OR contract = $1) AND ($2::text IS NULL OR kind = $2) ORDER BY 1"""
    async with filled.db.connection() as connection:
        plain = [row["code"] for row in await connection.fetch(query, contract, kind)]

    pages = await walked(
        lambda after: store.codes(filled.db, contract=contract, kind=kind, after=after, limit=3), "code"
    )

    assert pages == plain


async def test_the_settings_of_such_a_page_end_with_it(filled: Registry) -> None:
    """The pool never resets a connection: whatever were left set would be the next caller's."""
    for _ in range(20):
        await store.codes(filled.db, contract=None, kind=None, after=None, limit=1)
        async with filled.db.connection() as connection:
            assert await connection.fetchval("SHOW enable_sort") == "on"
            assert await connection.fetchval("SHOW plan_cache_mode") == "auto"


async def test_a_registration_belongs_to_its_codes_contract(filled: Registry) -> None:
    """The contract beside a registration is what an operator's lists go by: it is never another one's."""
    differing = "SELECT count(*) FROM registration r JOIN code c USING (code) WHERE r.contract <> c.contract"
    async with filled.db.transaction() as tx:
        await tx.execute("UPDATE code SET contract = 'C2' WHERE code = 'E-C1-1'")
        assert await tx.fetchval("SELECT contract FROM registration WHERE code = 'E-C1-1'") == "C2"
        await tx.execute("UPDATE code SET contract = 'C1' WHERE code = 'E-C1-1'")
        assert await tx.fetchval(differing) == 0
