"""R3.10-R3.14 against a real PostgreSQL: what an exchange changes, what it leaves, and who loses a race."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from controller.domain.errors import Conflict, ControllerError, Invalid, NotFound
from controller.services import swap
from controller.store import audit, exchanges, ledger
from controller.store import registry as codes
from controller.store.pool import Row
from tests.rows import HEADER, csv_row

DAY = timedelta(days=1)


@pytest.fixture
async def pair(registry, numbers: Callable[[], int]) -> tuple[str, str]:
    entry, standby = numbers(), numbers()
    names = f"E{entry}", f"S{standby}"
    await registry.load(
        HEADER + csv_row(names[0], entry, config="hostname: a") + csv_row(names[1], standby, kind="standby")
    )
    return names


async def order(registry, entry: str, standby: str, **more: object) -> int:
    caller = more.pop("caller", registry.operator)
    exchange, _ = await swap.carry_out(
        registry.db,
        registry.vault,
        swap.Order(entry, standby, **more),
        caller=caller,
        now=registry.clock(),
        deadline=DAY,
    )
    return exchange


async def held(registry, code: str) -> str:
    row: Row = await codes.code(registry.db, code)
    return row["adapter"]


async def test_the_two_adapters_change_places_and_the_code_keeps_its_config(registry, pair) -> None:
    entry, standby = pair
    before = await held(registry, entry), await held(registry, standby)

    await order(registry, entry, standby)

    assert (await held(registry, standby), await held(registry, entry)) == before


async def test_the_ledger_knows_who_sat_where_before_and_after(registry, pair) -> None:
    entry, standby = pair
    old, new = await held(registry, entry), await held(registry, standby)
    before = registry.clock()
    after = registry.clock.forward(hours=1)

    await order(registry, entry, standby)

    assert (await ledger.holder_at(registry.db, entry, before))["adapter"] == old
    assert (await ledger.holder_at(registry.db, entry, after))["adapter"] == new
    stays = await ledger.stays(registry.db, adapter=old, contract=None, before=None, limit=10)
    assert [(s["code"], s["until"] is None) for s in stays] == [(standby, True), (entry, False)]


async def test_the_new_adapter_keeps_its_key_and_every_other_secret_is_fresh(registry, pair) -> None:
    async with registry.db.connection() as connection:
        query = "SELECT rs_sa_key, heartbeat_passphrase FROM registration WHERE code = ANY ($1) ORDER BY code = $2 DESC"
        _, standby = await connection.fetch(query, list(pair), pair[0])
        before = {bytes(v) for row in await connection.fetch(query, list(pair), pair[0]) for v in row}

        await order(registry, *pair)

        entry, _ = after = await connection.fetch(query, list(pair), pair[0])
    assert before & {bytes(v) for row in after for v in row} == {bytes(standby["rs_sa_key"])}
    assert entry["rs_sa_key"] == standby["rs_sa_key"]


async def test_a_dry_run_changes_nothing_and_says_what_would_happen(registry, pair) -> None:
    entry, standby = pair
    before = await held(registry, entry)

    plan = await swap.preview(
        registry.db, swap.Order(entry, standby), caller=registry.operator, now=registry.clock(), deadline=DAY
    )

    assert await held(registry, entry) == before
    assert plan.new_adapter in " ".join(map(str, plan.findings))


async def test_a_second_order_for_an_open_swap_is_refused_and_recorded(registry, pair) -> None:
    entry, standby = pair
    await order(registry, entry, standby)

    with pytest.raises(Conflict, match="open since"):
        await order(registry, entry, standby)

    rows = await audit.page(registry.db, contract="C1", subject=entry, before=None, limit=1)
    assert rows[0]["outcome"] == "refused"


async def test_a_standby_in_the_swap_of_another_entry_is_not_to_be_replaced(registry, pair, numbers) -> None:
    """R3.10: --replace ends a swap of the entry that is named, and no other's."""
    entry, standby = pair
    other = numbers()
    await registry.load(HEADER + csv_row(f"E{other}", other))
    await order(registry, entry, standby)

    with pytest.raises(Conflict, match="It is a swap with another entry") as refused:
        await order(registry, f"E{other}", standby)

    assert "--replace" not in str(refused.value)


async def test_an_open_swap_is_undone_by_naming_it(registry, pair) -> None:
    entry, standby = pair
    before = await held(registry, entry)
    first = await order(registry, entry, standby)

    await order(registry, entry, standby, replaces=first)

    assert await held(registry, entry) == before
    assert (await registry.exchange(first))["state"] == "superseded"


async def test_a_standby_of_another_series_is_refused(registry, numbers) -> None:
    a, b = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{a}", a) + csv_row(f"S{b}", b, kind="standby", series="seil3"))

    with pytest.raises(Invalid, match="series"):
        await order(registry, f"E{a}", f"S{b}")


async def test_an_operator_of_another_contract_finds_no_such_code(registry, pair) -> None:
    with pytest.raises(NotFound):
        await order(registry, *pair, caller=registry.stranger)


async def test_of_many_simultaneous_swaps_that_share_a_standby_exactly_one_happens(registry, numbers) -> None:
    spare, entries = numbers(), [numbers() for _ in range(8)]
    rows = [csv_row(f"S{spare}", spare, kind="standby"), *(csv_row(f"E{n}", n) for n in entries)]
    await registry.load(HEADER + "".join(rows))

    results = await asyncio.gather(*(order(registry, f"E{n}", f"S{spare}") for n in entries), return_exceptions=True)

    won = [result for result in results if isinstance(result, int)]
    lost = [result for result in results if isinstance(result, Conflict)]
    assert (len(won), len(lost)) == (1, 7)
    assert all(error.next_step for error in lost)


async def test_opposite_swaps_do_not_deadlock(registry, numbers) -> None:
    numbers_of = [numbers() for _ in range(4)]
    a, b, s, t = numbers_of
    await registry.load(
        HEADER
        + csv_row(f"E{a}", a)
        + csv_row(f"E{b}", b)
        + csv_row(f"S{s}", s, kind="standby")
        + csv_row(f"S{t}", t, kind="standby")
    )

    async def hammer(entry: str, standby: str) -> None:
        for _ in range(10):
            try:
                rows = await exchanges.slots(registry.db, [entry])
                replaces = rows[entry]["open_exchange"] if rows[entry]["open_state"] == "ordered" else None
                await order(registry, entry, standby, replaces=replaces)
            except ControllerError:
                continue

    async with asyncio.timeout(30):
        await asyncio.gather(*(hammer(f"E{e}", f"S{x}") for e in (a, b) for x in (s, t)))
    async with registry.db.connection() as connection:
        held_now = await connection.fetch(
            "SELECT adapter FROM registration WHERE code = ANY ($1)", [f"E{a}", f"E{b}", f"S{s}", f"S{t}"]
        )
    assert {row["adapter"] for row in held_now} == {f"SER{n:05d}" for n in numbers_of}


async def test_swaps_that_each_want_the_standby_of_the_other_are_both_told_it_is_held(registry, numbers) -> None:
    a, b, s, t = (numbers() for _ in range(4))
    rows = [csv_row(f"E{n}", n) for n in (a, b)] + [csv_row(f"S{n}", n, kind="standby") for n in (s, t)]
    await registry.load(HEADER + "".join(rows))
    one, other = await order(registry, f"E{a}", f"S{t}"), await order(registry, f"E{b}", f"S{s}")

    for _ in range(40):  # each waits for the exchange that the other is about to end
        refused = await asyncio.gather(
            order(registry, f"E{a}", f"S{s}", replaces=one),
            order(registry, f"E{b}", f"S{t}", replaces=other),
            return_exceptions=True,
        )
        assert [type(error) for error in refused] == [Conflict, Conflict]

    for exchange in (one, other):
        assert (await registry.exchange(exchange))["state"] == "ordered"


async def test_an_unseen_swap_lapses_at_its_deadline_and_is_listed_once(registry, pair) -> None:
    exchange = await order(registry, *pair)

    assert exchange not in [n for n, _ in await exchanges.lapse(registry.db, registry.clock())]
    registry.clock.forward(days=1, seconds=1)
    assert exchange in [n for n, _ in await exchanges.lapse(registry.db, registry.clock())]
    assert exchange not in [n for n, _ in await exchanges.lapse(registry.db, registry.clock())]


REFUSED = {
    "another contract": "UPDATE code SET contract = 'C2' WHERE code = $2 AND $1 <> ''",
    "not a standby": "UPDATE code SET kind = 'entry' WHERE code = $2 AND $1 <> ''",
    "not an entry": "UPDATE code SET kind = 'standby' WHERE code = $1 AND $2 <> ''",
    "another series": "UPDATE adapter SET series = 'seil3' WHERE serial = (SELECT adapter FROM registration "
    "WHERE code = $2) AND $1 <> ''",
    "locked out": "UPDATE adapter SET locked_out_at = now() WHERE serial = (SELECT adapter FROM registration "
    "WHERE code = $2) AND $1 <> ''",
    "no spare": "DELETE FROM registration WHERE code = $2 AND $1 <> ''",
    "no adapter": "DELETE FROM registration WHERE code = $1 AND $2 <> ''",
}


@pytest.mark.parametrize("why", REFUSED)
async def test_the_database_refuses_what_the_plan_refuses_and_changes_nothing(registry, pair, why: str) -> None:
    entry, standby = pair
    async with registry.db.connection() as connection:
        await connection.execute(REFUSED[why], entry, standby)
        state = "SELECT code, adapter, since FROM registration WHERE code = ANY ($1) ORDER BY code"
        before = await connection.fetch(state, [entry, standby])
    with pytest.raises(ControllerError) as planned:
        await swap.preview(
            registry.db, swap.Order(entry, standby), caller=registry.operator, now=registry.clock(), deadline=DAY
        )

    with pytest.raises(type(planned.value)) as carried_out:
        await order(registry, entry, standby)

    assert str(carried_out.value) == str(planned.value)
    async with registry.db.connection() as connection:
        assert await connection.fetch(state, [entry, standby]) == before


@pytest.mark.parametrize(
    ("version", "models", "revisions", "chosen"),
    [
        ("4.10", [], [], "4.10"),
        ("4.11", ["SEIL/X4"], [], "4.11"),
        ("9.1", ["SEIL/x86 Ayame"], [], "4.9"),
        ("9.2", [], ["Z"], "4.9"),
        ("4.8", [], [], "4.9"),
    ],
)
async def test_database_and_plan_choose_the_same_firmware(
    registry, pair, version: str, models: list[str], revisions: list[str], chosen: str
) -> None:
    """Beside 4.9, which fits."""
    images = [("4.9", [], []), (version, models, revisions)]
    async with registry.db.transaction() as tx:
        await tx.execute("DELETE FROM firmware_image WHERE series = 'seil8'")
        await tx.executemany(
            """INSERT INTO firmware_image (series, version, version_key, sha256, size, models, hardware_revisions,
               available_at) VALUES ('seil8', $1, $2, repeat('a', 64), 1, $3, $4, now())""",
            [(name, [int(n) for n in name.split(".")], *fits) for name, *fits in images],
        )
    request = swap.Order(*pair)
    planned = await swap.preview(registry.db, request, caller=registry.operator, now=registry.clock(), deadline=DAY)

    _, done = await swap.carry_out(
        registry.db, registry.vault, request, caller=registry.operator, now=registry.clock(), deadline=DAY
    )

    assert done.firmware_target == planned.firmware_target
    assert (done.findings, done.warnings) == (planned.findings, planned.warnings)
    assert done.firmware_target == chosen


async def test_a_task_that_waits_for_the_old_adapter_ends_with_news_and_waits_no_more(registry, pair) -> None:
    old = await held(registry, pair[0])
    async with registry.db.transaction() as tx:
        campaign = await tx.fetchval(
            "INSERT INTO campaign (account, reason, lines, created_at) VALUES ('olga', '', $1, $2) RETURNING id",
            *(["show system"], registry.clock()),
        )
        task = await tx.fetchval(
            """INSERT INTO task (campaign, code, contract, adapter, due_at, waits_for, waits_since)
               VALUES ($1, $2, 'C1', $3, $4, 'adapter', $4) RETURNING id""",
            *(campaign, pair[0], old, registry.clock()),
        )

    await order(registry, *pair)

    async with registry.db.connection() as connection:
        ended = await connection.fetchrow("SELECT state, failure, waits_for, waits_since FROM task WHERE id = $1", task)
        news = await connection.fetch(
            "SELECT topic, subject, payload FROM outbox WHERE (payload ->> 'task')::bigint = $1", task
        )
    assert tuple(ended) == ("failed", "registration-changed", "", None)
    payload = {"task": task, "campaign": campaign, "failure": "registration-changed"}
    assert [tuple(one) for one in news] == [("task.failed", old, payload)]
