"""Who is served now, who waits for a turn, who is told to come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from controller.faces.device.shedding import Shedding
from protocol.ids import DistributionId

ADDRESS = "127.0.0.1"


class Pulls:
    """Pulls of one adapter each, which last until `finish`."""

    def __init__(self, shedding: Shedding) -> None:
        self.shedding = shedding
        self.served: list[int] = []
        self.done = asyncio.Event()

    async def pull(self, number: int) -> bool:
        async with self.shedding.admit(DistributionId(number), ADDRESS) as admitted:
            if admitted:
                self.served.append(number)
                await self.done.wait()
            return admitted

    def begin(self, *numbers: int) -> list[asyncio.Task[bool]]:
        return [asyncio.create_task(self.pull(number)) for number in numbers]


async def turns() -> None:
    """Let everybody get as far as they can by themselves."""
    for _ in range(10):
        await asyncio.sleep(0)


async def within(answers: Awaitable[list[bool]]) -> list[bool]:
    async with asyncio.timeout(20):
        return await answers


async def test_pulls_beyond_the_bound_wait_and_are_served_in_order() -> None:
    pulls = Pulls(Shedding(2, 10))
    tasks = pulls.begin(1, 2, 3, 4, 5)

    await turns()
    assert pulls.served == [1, 2]

    pulls.done.set()
    assert await within(asyncio.gather(*tasks)) == [True] * 5
    assert pulls.served == [1, 2, 3, 4, 5]


async def test_who_waits_too_long_is_told_to_come_back() -> None:
    pulls = Pulls(Shedding(1, 10, wait_s=0.01))
    first, second = pulls.begin(1, 2)

    assert await within(asyncio.gather(second)) == [False]

    pulls.done.set()
    assert await within(asyncio.gather(first, *pulls.begin(3))) == [True, True]


async def test_when_too_many_wait_the_next_is_told_at_once() -> None:
    pulls = Pulls(Shedding(1, 10, max_waiting=2))
    tasks = pulls.begin(1, 2, 3)
    await turns()

    assert await within(asyncio.gather(*pulls.begin(4, 5))) == [False, False]

    pulls.done.set()
    assert await within(asyncio.gather(*tasks)) == [True, True, True]


async def test_a_waiting_pull_that_is_given_up_leaves_its_turn_to_others() -> None:
    pulls = Pulls(Shedding(1, 10, max_waiting=1))
    first, given_up = pulls.begin(1, 2)
    await turns()
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    (third,) = pulls.begin(3)

    pulls.done.set()
    assert await within(asyncio.gather(first, third)) == [True, True]


async def test_a_pull_that_fails_gives_its_place_back() -> None:
    shedding = Shedding(1, 10, max_waiting=0)

    for _ in range(3):
        with pytest.raises(LookupError):
            async with shedding.admit(DistributionId(1), ADDRESS) as admitted:
                assert admitted
                raise LookupError
