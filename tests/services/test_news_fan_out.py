"""From the outbox to deliveries: nothing is missed, each once, and to nobody but those whose news it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import pytest

from controller.services import news, swap
from controller.store import accounts
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row
from tests.services import newsroom as room

ALL = ("*",)
HOOK = "https://receiver.example/hook"


@pytest.fixture(autouse=True)
async def nothing_before(registry: Registry) -> None:
    await room.clear(registry)


async def everything(registry: Registry) -> int:
    """A subscription that is told of everything."""
    return (await room.subscribe(registry, HOOK, *ALL, caller=registry.administrator)).subscription


async def test_news_of_a_slow_transaction_are_not_missed(registry) -> None:
    """Its number is lower than that of news which were seen before it committed."""
    subscription = await everything(registry)
    async with registry.db.transaction() as slow:
        first = await room.happen(slow, "task.done", "A", {}, registry)
        second = await room.told(registry, "task.done", "B")
        assert first < second
        for _ in range(2):
            await news.fan_out(registry.db, registry.clock())
        assert await room.rows(registry, subscription) == []  # B waits until nothing before it can come any more
    await room.fan_out(registry)

    assert sorted(row["news"] for row in await room.rows(registry, subscription)) == [first, second]


async def test_what_is_rolled_back_is_never_told(registry) -> None:
    subscription = await everything(registry)
    with pytest.raises(ZeroDivisionError):
        async with registry.db.transaction() as tx:
            await room.happen(tx, "task.done", "A", {}, registry)
            raise ZeroDivisionError
    kept = await room.told(registry, "task.done", "B")
    await room.fan_out(registry)

    assert [row["news"] for row in await room.rows(registry, subscription)] == [kept]


async def test_four_controllers_tell_what_eight_write_each_once(registry) -> None:
    subscription = await everything(registry)
    written: list[int] = []
    done = asyncio.Event()

    async def write(number: int) -> None:
        for turn in range(25):
            async with registry.db.transaction() as tx:
                several = range(1 + (number + turn) % 4)
                written.extend([await room.happen(tx, "task.done", f"A{number}", {}, registry) for _ in several])
                await asyncio.sleep(0)

    async def tell() -> None:
        while not done.is_set():
            await news.fan_out(registry.db, registry.clock())
            await asyncio.sleep(0.001)

    telling = [asyncio.create_task(tell()) for _ in range(4)]
    await asyncio.gather(*(write(number) for number in range(8)))
    done.set()
    await asyncio.gather(*telling)
    await room.fan_out(registry)

    times = Counter(row["news"] for row in await room.rows(registry, subscription))
    assert times == dict.fromkeys(written, 1)


async def test_many_news_of_one_transaction_are_taken_in_parts(registry) -> None:
    subscription = await everything(registry)
    async with registry.db.connection() as connection:
        await connection.execute(
            "INSERT INTO outbox (at, topic, subject, payload)"
            " SELECT $1, 'task.done', 'A', '{}' FROM generate_series(1, 2500)",
            registry.clock(),
        )
    await room.fan_out(registry)

    assert len({row["news"] for row in await room.rows(registry, subscription)}) == 2500


async def test_news_from_before_subscriptions_existed_are_not_told(registry) -> None:
    async with registry.db.connection() as connection:
        await connection.execute(
            "INSERT INTO outbox (at, topic, subject, payload, xid) VALUES ($1, 'task.done', 'A', '{}', NULL)",
            registry.clock(),
        )
    subscription = await everything(registry)
    await room.fan_out(registry)

    assert await room.rows(registry, subscription) == []


async def test_a_database_restored_into_another_server_goes_on_where_it_was(registry) -> None:
    """The other server counts transactions from the beginning, so the cursor is ahead of all of them."""
    subscription = await everything(registry)
    taken = await room.told(registry, "task.done", "taken before the backup")
    await room.fan_out(registry)
    waiting = await room.told(registry, "task.done", "not yet taken")
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE outbox SET xid = '900000000' WHERE id = $1", waiting)
        await connection.execute("UPDATE news_cursor SET xid = '800000000'")
    new = await room.told(registry, "task.done", "after the restore")
    await news.fan_out(registry.db, registry.clock())  # finds out
    await room.fan_out(registry)

    assert [row["news"] for row in await room.rows(registry, subscription)] == [taken, waiting, new]


async def test_the_same_news_has_the_same_key_when_it_is_taken_again_and_other_news_has_not(registry) -> None:
    subscription = await everything(registry)
    number = await room.told(registry, "task.done", "A")
    await room.fan_out(registry)
    (first,) = await room.rows(registry, subscription)
    async with registry.db.transaction() as tx:  # as a restored database that had not taken it yet
        await tx.execute("DELETE FROM delivery")
        await tx.execute("UPDATE outbox SET xid = pg_current_xact_id() WHERE id = $1", number)
    await room.fan_out(registry)
    (again,) = await room.rows(registry, subscription)
    async with registry.db.transaction() as tx:  # as one that gave the number to something else
        await tx.execute("DELETE FROM delivery")
        await tx.execute("UPDATE outbox SET xid = pg_current_xact_id(), subject = 'B' WHERE id = $1", number)
    await room.fan_out(registry)
    (other,) = await room.rows(registry, subscription)

    assert first["key"] == again["key"] != other["key"]


async def test_each_subscriber_has_a_key_of_its_own(registry) -> None:
    both = [await everything(registry) for _ in range(2)]
    await room.told(registry, "task.done", "A")
    await room.fan_out(registry)

    keys = {(await room.rows(registry, one))[0]["key"] for one in both}
    assert len(keys) == 2


@pytest.fixture
async def codes(registry: Registry, numbers) -> tuple[str, str]:
    """A code of C1 and one of C2."""
    mine, other = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{mine}", mine) + csv_row(f"E{other}", other, contract="C2"))
    return f"E{mine}", f"E{other}"


async def test_operators_are_told_of_their_own_contract_only(registry, codes) -> None:
    """Whose news it is: by the case, task or code that it names. What is nobody's, administrators alone are told of."""
    mine = (await room.subscribe(registry, HOOK, *ALL)).subscription
    other = (await room.subscribe(registry, HOOK, *ALL, caller=registry.stranger)).subscription
    staff = await everything(registry)
    of_c2 = (await room.subscribe(registry, HOOK, *ALL, caller=registry.administrator, contract="C2")).subscription
    await room.told(registry, "connection.connected", "X", code=codes[0])
    await room.told(registry, "connection.connected", "Y", code=codes[1])
    await room.told(registry, "stock.returned", codes[0], code=None)  # a serial that is called like a code
    await room.told(registry, "host-key.accepted", "Z", offer=1)
    await room.told(registry, "investigation.opened", "investigation 1", contract="C1")
    await room.fan_out(registry)

    async def subjects(subscription: int) -> list[str]:
        return [row["subject"] for row in await room.rows(registry, subscription)]

    assert await subjects(mine) == ["X", "investigation 1"]
    assert await subjects(other) == await subjects(of_c2) == ["Y"]
    assert await subjects(staff) == ["X", "Y", codes[0], "Z", "investigation 1"]


async def test_a_deadline_is_told_with_the_state_that_it_belongs_to(registry, numbers) -> None:
    """News of a state that has passed when they are told: the deadline of the next one would be wrong."""
    entry, standby = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{entry}", entry) + csv_row(f"S{standby}", standby, kind="standby"))
    now = registry.clock()
    exchange, _ = await swap.carry_out(
        *(registry.db, registry.vault, swap.Order(f"E{entry}", f"S{standby}")),
        caller=registry.operator,
        now=now,
        deadline=timedelta(days=14),
    )
    await room.clear(registry)
    subscription = await everything(registry)
    await room.told(registry, "exchange.pre-flight", f"E{entry}", exchange=exchange, state="pre-flight")
    await room.told(registry, "exchange.ordered", f"E{entry}", exchange=exchange, state="ordered")
    await room.fan_out(registry)

    before, ordered = [row["payload"] for row in await room.rows(registry, subscription)]
    assert "deadline_at" not in before and before["state"] == "pre-flight"
    assert datetime.fromisoformat(ordered["deadline_at"]) == now + timedelta(days=14)


async def test_what_names_no_real_thing_holds_up_nothing(registry) -> None:
    subscription = await everything(registry)
    for number in ("x", "-1", 1.5, 10**30, None, [1], {"a": 1}, True, ""):
        await room.told(registry, "exchange.ordered", "E", exchange=number, task=number, campaign=number)
    last = await room.told(registry, "task.done", "A")
    await room.fan_out(registry)

    told = await room.rows(registry, subscription)
    assert len(told) == 10 and told[-1]["news"] == last


@pytest.mark.parametrize(
    ("topics", "wanted"),
    [
        (["exchange.*"], {"exchange.overdue", "exchange.odd"}),
        (["exchange.overdue"], {"exchange.overdue"}),
        (["exchange"], set()),
        (["*"], {"exchange.overdue", "exchange.odd", "exchanged.x", "task.done"}),
        (["task.*", "task.done"], {"task.done"}),
    ],
)
async def test_topics_and_patterns_choose(registry, topics: list[str], wanted: set[str]) -> None:
    subscription = (await room.subscribe(registry, HOOK, *topics, caller=registry.administrator)).subscription
    for topic in ("exchange.overdue", "exchange.odd", "exchanged.x", "task.done"):
        await room.told(registry, topic, "A")
    await room.fan_out(registry)

    assert {row["topic"] for row in await room.rows(registry, subscription)} == wanted


async def test_by_mail_a_pattern_means_what_there_is_a_text_for(registry) -> None:
    """And what was asked for by its name: R3.9's reminders among the first."""
    patterns = (await room.subscribe(registry, "a@b.test", "*", caller=registry.administrator)).subscription
    named = (await room.subscribe(registry, "a@b.test", "task.done", caller=registry.administrator)).subscription
    for topic in ("task.done", "exchange.reminder", "exchange.overdue", "operation.done"):
        await room.told(registry, topic, "A")
    await room.fan_out(registry)

    assert {row["topic"] for row in await room.rows(registry, patterns)} == {"exchange.reminder", "exchange.overdue"}
    assert {row["topic"] for row in await room.rows(registry, named)} == {"task.done"}


async def test_nobody_is_told_on_behalf_of_an_account_that_was_disabled(registry) -> None:
    await accounts.create_account(
        registry.db, "leaver", registry.operator.role, "C1", "", caller=registry.administrator, now=registry.clock()
    )
    subscription = (await room.subscribe(registry, HOOK, *ALL)).subscription
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE subscription SET account = 'leaver' WHERE id = $1", subscription)
        await connection.execute("UPDATE account SET disabled_at = $1 WHERE account = 'leaver'", registry.clock())
    await room.told(registry, "investigation.opened", "investigation 1", contract="C1")
    await room.fan_out(registry)

    assert await room.rows(registry, subscription) == []
