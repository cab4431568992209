"""R3.6-R3.8 against a real PostgreSQL: a replacement from stock takes a code over, for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from controller.domain.exchange import Kind
from controller.services import registration_change
from controller.services.registration_change import Changed, Replacement
from controller.store import ledger
from controller.store.pool import Row
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row


@dataclass
class Case:
    """A dispatched case: its code, the faulty unit and the replacement, which is on its way."""

    registry: Registry
    exchange: int
    code: str
    old: str
    new: str
    kind: Kind

    @property
    def asked(self) -> Replacement:
        return Replacement(self.exchange, self.code, self.old, self.new, self.kind)

    async def replace(self, asked: Replacement | None = None) -> Changed:
        registry = self.registry
        async with registry.db.transaction() as tx:
            return await registration_change.replace(
                tx, registry.vault, asked or self.asked, caller=registry.support, now=registry.clock()
            )

    async def row(self, query: str, *arguments: object) -> Row:
        async with self.registry.db.connection() as connection:
            row = await connection.fetchrow(query, *arguments)
        assert row is not None
        return row

    async def execute(self, query: str, *arguments: object) -> None:
        async with self.registry.db.connection() as connection:
            await connection.execute(query, *arguments)

    async def units(self) -> list[tuple[object, ...]]:
        async with self.registry.db.connection() as connection:
            rows = await connection.fetch(
                """SELECT a.stock, a.locked_by_exchange, r.code FROM adapter a LEFT JOIN registration r
                   ON r.adapter = a.serial WHERE a.serial = ANY ($1) ORDER BY a.serial = $2""",
                [self.old, self.new],
                self.new,
            )
        return [tuple(row) for row in rows]


@pytest.fixture
def dispatched(registry, numbers: Callable[[], int]):
    async def make(kind: Kind = Kind.SEND_BACK, *, series: str = "seil8") -> Case:
        old, new = numbers(), numbers()
        where = "standby" if kind is Kind.RETURN else "entry"
        code = f"{where[0].upper()}{old}"
        stock = csv_row("", new, kind="stock", series=series).replace("C1,", ",", 1)
        await registry.load(
            HEADER + csv_row(code, old, kind=where, config="hostname: a" if where == "entry" else "") + stock
        )
        async with registry.db.transaction() as tx:
            exchange = await tx.fetchval(
                f"""INSERT INTO exchange (kind, contract, {where}, old_adapter, new_adapter, state, state_since,
                        ordered_at, account)
                    VALUES ($1, 'C1', $2, $3, $4, 'dispatched', $5, $5, 'sato') RETURNING id""",
                *(kind.value, code, f"SER{old:05d}", f"SER{new:05d}", registry.clock()),
            )
            await tx.execute("UPDATE adapter SET stock = 'in-transit' WHERE serial = $1", f"SER{new:05d}")
        return Case(registry, exchange, code, f"SER{old:05d}", f"SER{new:05d}", kind)

    return make


@pytest.mark.parametrize("kind", [Kind.SEND_BACK, Kind.ON_SITE])
async def test_the_replacement_takes_the_code_and_the_faulty_unit_is_out_for_good(dispatched, kind: Kind) -> None:
    """R3.6, R3.7, R3.16."""
    case = await dispatched(kind)

    done = await case.replace()

    assert (done.code, done.new_adapter, done.at) == (case.code, case.new, case.registry.clock())
    assert await case.units() == [("under-return", case.exchange, None), ("in-transit", None, case.code)]
    assert (await ledger.holder_at(case.registry.db, case.code, case.registry.clock()))["cause"] == kind.value
    assert (await case.row("SELECT changed_at FROM exchange WHERE id = $1", case.exchange))["changed_at"] == done.at


async def test_the_unit_of_a_return_has_been_received_before_its_code_gets_another(dispatched) -> None:
    """R3.13."""
    case = await dispatched(Kind.RETURN)

    await case.replace()

    assert await case.units() == [("returned", case.exchange, None), ("in-transit", None, case.code)]
