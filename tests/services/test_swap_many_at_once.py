"""Many swaps in one statement: each as if it were alone (R3.10-R3.12)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.domain.errors import Conflict, ControllerError, Invalid, NotFound
from controller.services import swap
from controller.store.pool import TROUBLE, Database
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row

DAY = timedelta(days=1)


@pytest.fixture
async def pairs(registry, numbers) -> list[tuple[str, str]]:
    """Twelve entries with a standby each."""
    made = [(numbers(), numbers()) for _ in range(12)]
    lines = (csv_row(f"E{a}", a) + csv_row(f"S{b}", b, kind="standby") for a, b in made)
    await registry.load(HEADER + "".join(lines))
    return [(f"E{a}", f"S{b}") for a, b in made]


async def many(registry: Registry, *orders: swap.Order, **more: object) -> list[swap.Done | ControllerError]:
    given = {"caller": registry.operator, "now": registry.clock(), "deadline": DAY} | more
    return await swap.carry_out_many(registry.db, registry.vault, orders, **given)


async def held(registry: Registry, *codes: str) -> list[str]:
    async with registry.db.connection() as connection:
        query = """SELECT r.adapter FROM unnest($1::text[]) WITH ORDINALITY c (code, n)
                   JOIN registration r USING (code) ORDER BY n"""
        return [row["adapter"] for row in await connection.fetch(query, codes)]


async def test_all_are_exchanged_and_each_says_what_was_done(registry, pairs) -> None:
    before = [await held(registry, *pair) for pair in pairs]

    done = await many(registry, *(swap.Order(*pair) for pair in pairs))

    assert [await held(registry, *pair) for pair in pairs] == [[new, old] for old, new in before]
    assert [(one.plan.entry, one.plan.new_adapter) for one in done] == [
        (pair[0], new) for pair, (_, new) in zip(pairs, before, strict=True)
    ]


async def test_what_is_refused_says_why_and_hinders_nobody(registry, pairs) -> None:
    (e1, s1), (e2, s2), (e3, s3), *_ = pairs
    async with registry.db.connection() as connection:
        await connection.execute(
            "UPDATE adapter SET locked_out_at = now() WHERE serial = 'SER' || lpad($1, 5, '0')", s2[1:]
        )

    done = await many(registry, swap.Order(e1, s1), swap.Order(e2, s2), swap.Order(e3, s3), swap.Order("E0", "S0"))

    assert [type(one) for one in done] == [swap.Done, Invalid, swap.Done, NotFound]
    assert await held(registry, e2, s2) == [f"SER{int(code[1:]):05d}" for code in (e2, s2)]


async def test_an_order_that_names_a_code_of_an_earlier_one_finds_what_became_of_it(registry, pairs) -> None:
    """Never both of a pair at once."""
    (e1, s1), (e2, s2), *_ = pairs

    done = await many(registry, swap.Order(e1, s1), swap.Order(e2, s1), swap.Order(e2, s2))

    assert [type(one) for one in done] == [swap.Done, Conflict, swap.Done]
    assert "open since" in str(done[1])


async def test_with_faults_each_gets_a_return_case_of_its_own(registry, pairs) -> None:
    """R3.13."""
    done = await many(registry, *(swap.Order(*pair, fault="noise") for pair in pairs))

    async with registry.db.connection() as connection:
        query = "SELECT id, of_exchange FROM exchange WHERE kind = 'return' AND of_exchange = ANY ($1)"
        cases = await connection.fetch(query, [one.exchange for one in done])
    assert {row["of_exchange"]: row["id"] for row in cases} == {one.exchange: one.return_case for one in done}


async def test_an_operator_exchanges_only_the_own_among_many(registry, pairs, numbers) -> None:
    a, b = numbers(), numbers()
    await registry.load(
        HEADER + csv_row(f"E{a}", a, contract="C2") + csv_row(f"S{b}", b, kind="standby", contract="C2")
    )

    done = await many(registry, swap.Order(*pairs[0]), swap.Order(f"E{a}", f"S{b}"))

    assert [type(one) for one in done] == [swap.Done, NotFound]


async def test_callers_of_the_same_moment_share_a_statement_and_keep_their_own_names(registry, pairs) -> None:
    callers = [registry.operator, registry.administrator] * 6

    async def one(pair: tuple[str, str], caller) -> int:
        given = {"caller": caller, "now": registry.clock(), "deadline": DAY}
        exchange, _ = await swap.carry_out(registry.db, registry.vault, swap.Order(*pair), **given)
        return exchange

    made = await asyncio.gather(*(one(pair, caller) for pair, caller in zip(pairs, callers, strict=True)))

    async with registry.db.connection() as connection:
        query = """SELECT account, count(DISTINCT xmin::text) AS statements, count(*) AS swaps FROM exchange
                   WHERE id = ANY ($1) GROUP BY account ORDER BY account"""
        rows = await connection.fetch(query, made)
    assert [(row["account"], row["swaps"]) for row in rows] == [("olga", 6), ("root", 6)]
    assert sum(row["statements"] for row in rows) < 12


async def test_the_ledger_never_runs_backwards_for_any_of_them(registry, pairs) -> None:
    first, second = pairs[:2]
    done = await many(registry, swap.Order(*first))
    earlier = registry.clock() - timedelta(hours=1)

    await many(registry, swap.Order(*first, replaces=done[0].exchange), swap.Order(*second), now=earlier)

    async with registry.db.connection() as connection:
        query = "SELECT code, at FROM registration_ledger WHERE code = ANY ($1) ORDER BY code, id"
        rows = await connection.fetch(query, [first[0], second[0]])
    for code in (first[0], second[0]):
        times = [row["at"] for row in rows if row["code"] == code]
        assert times == sorted(times)


async def test_a_database_that_is_away_is_told_by_its_own_error(registry, pairs, dsn: str) -> None:
    """R3.10: callers wait for it and try again; a group of errors would be taken for a mistake of ours."""
    away = await Database.open(dsn)
    await away.close()

    with pytest.raises(TROUBLE):
        await swap.carry_out_many(
            *(away, registry.vault, [swap.Order(*pair) for pair in pairs]),
            caller=registry.operator,
            now=registry.clock(),
            deadline=DAY,
        )
