"""An entry and its spare never have a task at the same time: one is left alone while the other one is busy."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.services import swap, tasks
from tests.services import tasks_at_work as play
from tests.services.tasks_at_work import campaign, claim

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
async def pair(registry, numbers) -> tuple[str, str]:
    """An entry and its designated standby."""
    (entry,) = await play.adapters(registry, numbers, 1)
    (standby,) = await play.adapters(registry, numbers, 1, prefix="S")
    await designate(registry, entry, standby)
    return entry, standby


async def designate(registry, entry: str, standby: str) -> None:
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE code SET designated_standby = $2 WHERE code = $1", entry, standby)


async def exchange(registry, entry: str, standby: str) -> None:
    await swap.carry_out(
        registry.db,
        registry.vault,
        swap.Order(entry, standby),
        caller=registry.operator,
        now=registry.clock.forward(seconds=1),
        deadline=timedelta(days=1),
    )


@pytest.mark.parametrize("order", [1, -1])
async def test_entry_and_designated_standby_are_not_claimed_together(registry, pair, order: int) -> None:
    await campaign(registry, pair[::order])

    first = await claim(registry)

    assert first == [pair[::order][0]]
    assert await claim(registry) == []
    await play.end(registry)
    assert await claim(registry) == [pair[::order][1]]


async def test_nor_when_different_campaigns_want_them(registry, pair) -> None:
    for code in pair:
        await campaign(registry, [code])

    assert len(await claim(registry)) == 1
    assert await claim(registry) == []


async def test_a_spare_of_several_entries_is_alone_but_they_are_not(registry, numbers, pair) -> None:
    entry, standby = pair
    (other,) = await play.adapters(registry, numbers, 1)
    await designate(registry, other, standby)
    await campaign(registry, [entry, standby, other])

    assert await claim(registry) == sorted([entry, other])
    assert await claim(registry) == []
    await play.end(registry, entry)
    assert await claim(registry) == [], "the other entry is still busy"
    await play.end(registry, other)
    assert await claim(registry) == [standby]


async def test_both_sides_of_an_open_exchange_are_not_claimed_together(registry, numbers) -> None:
    (entry,) = await play.adapters(registry, numbers, 1)
    (standby,) = await play.adapters(registry, numbers, 1, prefix="S")
    await exchange(registry, entry, standby)
    await campaign(registry, [entry, standby])

    assert await claim(registry) == [entry]
    assert await claim(registry) == []


async def test_an_adapter_that_is_still_busy_when_it_changes_places_counts_at_its_new_place(registry, pair) -> None:
    entry, standby = pair
    await campaign(registry, [entry])
    assert await claim(registry) == [entry]

    await exchange(registry, entry, standby)
    made = [await campaign(registry, [code]) for code in pair]

    assert await claim(registry) == [], "the unit that runs is the standby's now, and the entry's is its pair"
    waiting = [(await play.rows(registry, one))[0] for one in made]
    why = await tasks.why_waiting(registry.db, waiting, registry.clock())
    assert set(why.values()) == {"adapter busy"} or set(why.values()) == {"adapter busy", "pair busy"}
    await play.end(registry)
    assert len(await claim(registry)) == 1
