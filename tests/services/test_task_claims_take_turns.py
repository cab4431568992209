"""Which tasks are claimed first, and the bounds of campaigns and contracts."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from controller.store import claims
from tests.services import tasks_at_work as play
from tests.services.tasks_at_work import LEASE, campaign, claim

pytestmark = pytest.mark.usefixtures("clean")


async def test_one_task_does_not_wait_behind_a_large_campaign(registry, numbers) -> None:
    many = await play.adapters(registry, numbers, 40)
    (one,) = await play.adapters(registry, numbers, 1)
    await campaign(registry, many)
    await campaign(registry, [one])

    assert one in await claim(registry, 2)


async def test_campaigns_of_the_same_priority_get_the_same_share(registry, numbers) -> None:
    made = [await campaign(registry, await play.adapters(registry, numbers, 20)) for _ in range(4)]

    taken: Counter[int] = Counter()
    for _ in range(5):
        for row in await claims.claim(registry.db, registry.clock(), LEASE, 8):
            taken[row["campaign"]] += 1

    assert taken == dict.fromkeys(made, 10)


async def test_a_higher_priority_goes_first_as_long_as_it_has_anything(registry, numbers) -> None:
    low, high = [await play.adapters(registry, numbers, 12) for _ in range(2)]
    await campaign(registry, low)
    await campaign(registry, high, priority=5)

    first = [await claim(registry, 6) for _ in range(2)]

    assert sorted(first[0] + first[1]) == high
    assert await claim(registry, 50) == low


async def test_of_a_campaign_who_is_due_first_is_claimed_first(registry, numbers) -> None:
    codes = await play.adapters(registry, numbers, 6)
    await campaign(registry, codes)

    assert [await claim(registry, 2) for _ in range(3)] == [codes[0:2], codes[2:4], codes[4:6]]


async def test_nothing_is_claimed_before_its_time_nor_after_it_nor_of_a_paused_campaign(registry, numbers) -> None:
    early, late, paused = await play.adapters(registry, numbers, 3)
    now = registry.clock()
    await campaign(registry, [early], due_at=now + timedelta(minutes=1))
    await campaign(registry, [late], expires_at=now)
    made = await campaign(registry, [paused], state="paused")

    assert await claim(registry) == []
    await play.set_campaign(registry, made, state="running")
    assert await claim(registry) == [paused]
    registry.clock.forward(minutes=1)
    assert await claim(registry) == [early]


async def test_no_more_of_a_campaign_run_at_once_than_it_wants(registry, numbers) -> None:
    codes = await play.adapters(registry, numbers, 6)
    await campaign(registry, codes, at_once=2)

    assert await claim(registry) == codes[:2]
    assert await claim(registry) == []
    await play.end(registry, codes[0])
    assert await claim(registry) == codes[2:3]


async def test_no_more_of_a_campaign_begin_in_a_minute_than_it_wants(registry, numbers) -> None:
    codes = await play.adapters(registry, numbers, 50)
    await campaign(registry, codes, per_minute=300)  # 5 a second

    begun = [len(await claim(registry))]
    for _ in range(8):
        registry.clock.forward(seconds=0.5)
        begun.append(len(await claim(registry)))

    assert begun[0] == 1 and sum(begun) == 1 + 20
    registry.clock.forward(minutes=1)
    assert len(await claim(registry)) == 5, "what was not used in time is lost, but for a second's worth"


async def test_a_slow_rate_is_kept_as_well(registry, numbers) -> None:
    codes = await play.adapters(registry, numbers, 4)
    await campaign(registry, codes, per_minute=2)

    begun = []
    for _ in range(7):
        begun.append(len(await claim(registry)))
        registry.clock.forward(seconds=10)

    assert begun == [1, 0, 0, 1, 0, 0, 1]


async def test_no_more_of_a_contract_run_at_once_than_it_may_over_all_campaigns(registry, numbers) -> None:
    ours = [await play.adapters(registry, numbers, 4) for _ in range(2)]
    theirs = await play.adapters(registry, numbers, 4, contract="C2")
    for codes in (*ours, theirs):
        await campaign(registry, codes)
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE contract SET tasks_at_once = 3 WHERE contract = 'C1'")

    try:
        first = await claim(registry, contract_at_once=2)
        assert (len(set(first) - set(theirs)), len(set(first) & set(theirs))) == (3, 2)
        assert await claim(registry, contract_at_once=2) == []
        await play.end(registry, next(code for code in first if code in theirs))
        assert len(await claim(registry, contract_at_once=2)) == 1
    finally:
        async with registry.db.connection() as connection:
            await connection.execute("UPDATE contract SET tasks_at_once = NULL")


async def test_a_contract_at_its_bound_does_not_keep_the_rest_of_a_campaign_waiting(registry, numbers) -> None:
    ours = await play.adapters(registry, numbers, 30)
    theirs = await play.adapters(registry, numbers, 2, contract="C2")
    await campaign(registry, [*ours, *theirs])

    first = await claim(registry, 10, contract_at_once=5)
    second = await claim(registry, 10, contract_at_once=5)

    assert (len(first), second) == (5, theirs)


async def test_an_adapter_has_one_task_at_a_time_whatever_campaigns_want(registry, numbers) -> None:
    (code,) = await play.adapters(registry, numbers, 1)
    for _ in range(3):
        await campaign(registry, [code])

    assert [await claim(registry), await claim(registry)] == [[code], []]
    await play.end(registry)
    assert await claim(registry) == [code]


async def test_nothing_runs_for_an_investigation_that_is_closed_or_over(registry, numbers) -> None:
    code, other = await play.adapters(registry, numbers, 2)
    async with registry.db.connection() as connection:
        first, second = [
            await connection.fetchval(
                """INSERT INTO investigation (contract, title, observed, opened_by, opened_at, expires_at)
                   VALUES ('C1', 'slow', 'slow', 'sato', $1, $2) RETURNING id""",
                *(registry.clock(), registry.clock() + timedelta(days=1)),
            )
            for _ in range(2)
        ]
    made = [
        await campaign(registry, [code], investigation=first),
        await campaign(registry, [other], investigation=second),
    ]
    async with registry.db.connection() as connection:
        await connection.execute(
            "UPDATE investigation SET closed_at = $2, closed_by = 'sato', finding = 'none' WHERE id = $1",
            *(first, registry.clock()),
        )

    assert await claim(registry) == [other]
    await play.end(registry)
    await campaign(registry, [other], investigation=second)
    registry.clock.forward(days=1)
    assert await claim(registry) == []
    await claims.turn(registry.db, registry.clock())

    (cancelled,) = await play.rows(registry, made[0])
    assert cancelled["state"] == "cancelled" and "R2.3" in cancelled["detail"]
