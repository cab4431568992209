"""Who waits for a turn, for how long, and what they are told."""

from __future__ import annotations

import asyncio

from firmware_repo.fairness import Fairness
from firmware_repo.hooks import Asker, Refusal, Turn
from tests.waiting import until


def asker(address: str) -> Asker:
    return Asker(address, {})


async def waiting(fairness: Fairness, count: int) -> None:
    async def so_many() -> bool:
        return fairness.waiting == count

    await until(so_many)


async def test_who_waits_is_called_when_another_has_ended() -> None:
    fairness = Fairness(1, 1)
    first = await fairness.admit(asker("a"), 1)
    assert isinstance(first, Turn)
    second = asyncio.create_task(fairness.admit(asker("b"), 1))
    await waiting(fairness, 1)
    first.over()
    first.over()  # counts once
    turn = await second
    assert isinstance(turn, Turn) and (fairness.running, fairness.waiting) == (1, 0)
    turn.over()
    assert fairness.running == 0


async def test_who_waits_for_too_long_is_told_when_to_come_back() -> None:
    fairness = Fairness(2, 1, wait_s=0.05)
    assert isinstance(await fairness.admit(asker("a"), 1), Turn)
    own = await fairness.admit(asker("a"), 1)
    assert isinstance(own, Refusal) and own.status == 429 and 5 <= int(own.headers["Retry-After"]) <= 30
    assert isinstance(await fairness.admit(asker("b"), 1), Turn)
    everybody = await fairness.admit(asker("c"), 1)
    assert isinstance(everybody, Refusal) and everybody.status == 503
    assert (fairness.running, fairness.waiting) == (2, 0)


async def test_a_queue_that_is_full_refuses_at_once() -> None:
    fairness = Fairness(1, 1, most_waiting=1)
    await fairness.admit(asker("a"), 1)
    waits = asyncio.create_task(fairness.admit(asker("b"), 1))
    await waiting(fairness, 1)
    refused = await fairness.admit(asker("c"), 1)
    assert isinstance(refused, Refusal) and refused.status == 503
    waits.cancel()


async def test_who_goes_away_while_waiting_leaves_no_trace() -> None:
    fairness = Fairness(1, 1)
    first = await fairness.admit(asker("a"), 1)
    assert isinstance(first, Turn)
    gone, called = (asyncio.create_task(fairness.admit(asker(name), 1)) for name in "bc")
    await waiting(fairness, 2)
    gone.cancel()
    await asyncio.wait([gone])
    first.over()
    turn = await called
    assert isinstance(turn, Turn) and (fairness.running, fairness.waiting) == (1, 0)


async def test_who_is_called_at_the_moment_it_goes_away_gives_the_turn_back() -> None:
    fairness = Fairness(1, 1)
    first = await fairness.admit(asker("a"), 1)
    assert isinstance(first, Turn)
    gone = asyncio.create_task(fairness.admit(asker("b"), 1))
    await waiting(fairness, 1)
    first.over()
    gone.cancel()
    await asyncio.wait([gone])
    assert (fairness.running, fairness.waiting) == (0, 0)


async def test_bytes_go_out_no_faster_than_allowed() -> None:
    fairness = Fairness(4, 4, bytes_per_second=1_000_000)
    turn = await fairness.admit(asker("a"), 1)
    assert isinstance(turn, Turn) and turn.share is not None
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(6):
        await turn.share(50_000)
    assert loop.time() - began >= 0.15  # 300,000 bytes at that rate, less the first slice and a burst
