"""The plan of a bulk exchange says of every row what will happen, and why a row is refused (R3.10-R3.14)."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest

from controller.domain.access import Caller
from controller.domain.bulk_exchange import Pair, RowState
from controller.domain.bulk_plan import Judged, report
from controller.services.bulk_planning import contract_of, judge_all
from controller.store.pool import Connection, Database
from tests.registry_fixtures import ADMINISTRATOR, OPERATOR, Registry
from tests.services.bulk_moves import Bulk


@pytest.fixture
async def bulk(registry, numbers) -> Bulk:
    return Bulk(registry, numbers)


async def judged(registry: Registry, pairs: Sequence[tuple[str, ...]], caller: Caller = OPERATOR) -> list[Judged]:
    rows = [Pair(line, pair[0], pair[1], fault=pair[2] if len(pair) > 2 else "") for line, pair in enumerate(pairs, 2)]
    return await judge_all(registry.db, rows, caller=caller, now=registry.clock())


def said(row: Judged) -> str:
    assert row.units is not None
    findings, warnings = report(row.pair, row.units, row.after_lines)
    return " ".join(str(each) for each in (*findings, *warnings))


async def test_a_row_says_who_goes_who_comes_which_firmware_and_who_is_told(registry, bulk) -> None:
    """R3.10, R3.14."""
    ((entry, standby),) = await bulk.load(1)
    old, new = await bulk.held(entry, standby)
    await bulk.fetch(
        """INSERT INTO firmware_image (series, version, version_key, sha256, size, available_at)
           VALUES ('seil8', '9.99', '{9,99}', repeat('b', 64), 1, now()) ON CONFLICT DO NOTHING"""
    )
    await bulk.fetch(
        "INSERT INTO connection (adapter, state, since, cause) VALUES ($1, 'connected', now(), 'pull')", old
    )

    (row,) = await judged(registry, [(entry, standby)])

    assert row.state is RowState.WAITING and row.units is not None
    assert (row.units.old_adapter, row.units.new_adapter, row.units.firmware_target) == (old, new, "9.99")
    assert row.units.told == (old,)
    assert f"{old} (SEIL/X4) goes out, {new} (SEIL/X4) comes in" in said(row)
    assert f"The firmware target of {entry} becomes 9.99." in said(row)
    assert f"{old} is connected and is told at once." in said(row)


async def test_refused_rows_say_why_and_the_others_stay(registry, bulk) -> None:
    """R3.10."""
    (e1, s1), (e2, s2), (e3, s3) = await bulk.load(3)
    serial = (await bulk.held(s2))[0]
    await bulk.fetch("UPDATE adapter SET locked_out_at = now() WHERE serial = $1", serial)

    rows = await judged(registry, [(e1, s1), (e2, s2), (s3, e3), (e3, "nowhere")])

    assert [row.state.value for row in rows] == ["waiting", "refused", "refused", "refused"]
    assert [row.why["sentence"] for row in rows[1:] if row.why] == [
        "Adapter {serial} is locked out and would be turned away.",
        "Code {code} is of kind {kind}, but {wanted} is needed here.",
        "No {what} {name}.",
    ]


async def test_codes_of_others_and_codes_that_are_not_read_the_same(registry, bulk) -> None:
    """R1.6: an operator's file names own codes; an administrator's may name all."""
    ((theirs, spare),) = await bulk.load(1, contract="C2")
    ((mine, own),) = await bulk.load(1)

    foreign, unknown, _ = await judged(registry, [(theirs, spare), ("E0", "S0"), (mine, own)])
    assert foreign.why is not None and unknown.why is not None
    assert (foreign.why["sentence"], foreign.why["params"]["name"]) == (unknown.why["sentence"], theirs)
    assert foreign.units is None

    rows = await judged(registry, [(theirs, spare), (mine, own)], ADMINISTRATOR)
    assert [row.state for row in rows] == [RowState.WAITING] * 2
    assert (contract_of(rows), contract_of(rows[:1])) == (None, "C2")


async def test_a_row_is_judged_as_the_rows_before_it_leave_its_codes(registry, bulk) -> None:
    """R3.13: after a swap the standby code holds the entry's old adapter."""
    (e1, s1), (e2, _) = await bulk.load(2)
    a1, b1, a2 = await bulk.held(e1, s1, e2)

    first, second = await judged(registry, [(e1, s1), (e2, s1)])

    assert first.units and second.units
    assert (first.units.old_adapter, first.units.new_adapter) == (a1, b1)
    assert (second.units.old_adapter, second.units.new_adapter) == (a2, a1)
    assert second.after_lines == (2,)
    assert "It waits for line 2, which names a code of it." in said(second)


async def test_a_refused_row_leaves_its_codes_to_the_next_one(registry, bulk) -> None:
    (e1, s1), _ = await bulk.load(2)

    _, second = await judged(registry, [(e1, "nowhere"), (e1, s1)])

    assert (second.state, second.after_lines) == (RowState.WAITING, ())


async def test_a_row_whose_code_is_held_waits_and_says_for_what(registry, bulk) -> None:
    ((e1, s1), (_, s2)) = await bulk.load(2)
    await bulk.begin([(e1, s2)])
    await bulk.turns()
    (held,) = await bulk.fetch("SELECT id FROM exchange WHERE entry = $1", e1)

    (row,) = await judged(registry, [(e1, s1)])

    assert row.state is RowState.WAITING
    assert f"It waits for exchange {held['id']}, which holds a code of it." in said(row)


async def test_a_row_with_a_fault_says_that_the_unit_goes_back(registry, bulk) -> None:
    """R3.9, R3.13."""
    ((entry, standby),) = await bulk.load(1)

    (row,) = await judged(registry, [(entry, standby, "LAN 2 dead")])

    assert "is to be sent back within 30 days" in said(row)


@dataclass
class Counting:
    """A database that counts what it is asked."""

    db: Database
    asked: int = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        self.asked += 1
        async with self.db.connection() as connection:
            yield connection


async def test_two_thousand_rows_cost_a_few_statements_and_little_memory(registry, bulk) -> None:
    pairs = await bulk.load(2000)
    counting = Counting(registry.db)
    rows = [Pair(line, *pair) for line, pair in enumerate(pairs, 2)]

    tracemalloc.start()
    try:
        found = await judge_all(cast("Any", counting), rows, caller=OPERATOR, now=registry.clock())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sum(row.state is RowState.WAITING for row in found) == 2000
    assert counting.asked <= 10
    assert peak < 16 << 20, f"{peak >> 20} MiB"
