"""Whatever is asked of units in stock, by people and by cases at once, the table of moves holds (R3.7, R3.9)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from controller.domain.errors import Conflict
from controller.domain.stock import Stock, move
from controller.services import stock
from tests.rows import HEADER, csv_row

CASE = """INSERT INTO exchange (kind, contract, entry, old_adapter, state, ordered_at, account)
          VALUES ('send-back', 'C1', $1, $2, 'closed', now(), 'root') RETURNING id"""
LEDGER = "SELECT adapter, from_stock, to_stock, exchange, note FROM stock_ledger WHERE adapter = ANY ($1) ORDER BY id"
TOLD = {
    "audit": """SELECT subject AS unit, detail ->> 'from' AS of, detail ->> 'to' AS to FROM audit
                WHERE action = 'stock.move' AND subject = ANY ($1) ORDER BY id""",
    "outbox": """SELECT subject AS unit, payload ->> 'from' AS of, payload ->> 'to' AS to FROM outbox
                 WHERE topic = 'stock.moved' AND subject = ANY ($1) ORDER BY id""",
}


async def attempt(registry, unit: str, to: Stock, exchange: int | None) -> bool:
    """Ask for the move, by a person or by a case; True when something was written."""
    by = {"caller": registry.support, "now": registry.clock.forward(seconds=1)}
    try:
        if exchange is None:
            await stock.move_by_hand(registry.db, unit, to, "seen", **by)
            return True
        async with registry.db.transaction() as tx:
            return await stock.move(tx, unit, to, exchange=exchange, **by)
    except Conflict:
        return False


@pytest.mark.parametrize("seed", range(3))
async def test_every_unit_walks_the_table_and_every_step_is_told_once(registry, numbers, seed: int) -> None:
    chance = random.Random(seed)
    place, *spares = (numbers() for _ in range(4))
    await registry.load(
        HEADER
        + csv_row(f"E{place}", place)
        + "".join(csv_row("", number, kind="stock", contract="") for number in spares)
    )
    units = [f"SER{number:05d}" for number in spares]
    async with registry.db.connection() as connection:
        case = await connection.fetchval(CASE, f"E{place}", f"SER{place:05d}")

    written = 0
    for _ in range(40):
        asked = [(chance.choice(units), chance.choice(list(Stock)), chance.choice([None, case])) for _ in range(5)]
        written += sum(await asyncio.gather(*(attempt(registry, *one) for one in asked)))

    async with registry.db.connection() as connection:
        steps = await connection.fetch(LEDGER, units)
        told = {name: await connection.fetch(query, units) for name, query in TOLD.items()}
        ends = await connection.fetch("SELECT serial, stock FROM adapter WHERE serial = ANY ($1)", units)
    assert len(steps) == written > 20
    at = dict.fromkeys(units, Stock.IN_STOCK)
    for step in steps:
        of, to = Stock(step["from_stock"]), Stock(step["to_stock"])
        assert at[step["adapter"]] is of, "a step is missing"
        one = move(of, to)
        assert one is not None
        assert step["exchange"] is not None or (one.by_hand and step["note"])
        at[step["adapter"]] = to
    assert at == {row["serial"]: row["stock"] for row in ends}
    counted = Counter((step["adapter"], step["from_stock"], step["to_stock"]) for step in steps)
    assert [Counter(map(tuple, rows)) for rows in told.values()] == [counted, counted]
