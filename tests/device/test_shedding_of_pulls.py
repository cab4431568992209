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


async def test_who_claims_many_ids_from_one_address_is_stopped_by_the_address() -> None:
    now = [0.0]
    shedding = Shedding(10, 1000, lambda: now[0], per_minute_per_address=3)

    async def ask(number: int, source: str, *, counted: bool = True) -> bool:
        async with shedding.admit(DistributionId(number), source, counted=counted) as admitted:
            return admitted

    assert [await ask(number, ADDRESS) for number in range(5)] == [True] * 3 + [False] * 2
    assert await ask(9, "127.0.0.2")
    assert await ask(9, ADDRESS, counted=False), "the end of an operation comes but once"
    now[0] = 61.0
    assert await ask(9, ADDRESS)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "", True),
    ],
)
async def test_an_ipv6_network_counts_as_one_address(one: str, other: str, shared: bool) -> None:
    shedding = Shedding(10, 1000, per_minute_per_address=1)

    async def ask(source: str) -> bool:
        async with shedding.admit(DistributionId(1), source) as admitted:
            return admitted

    assert [await ask(one), await ask(other)] == [True, not shared]


async def test_the_memory_for_askers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.faces.rate.MAX_TRACKED", 100)
    shedding = Shedding(10, 1, per_minute_per_address=1000)

    async def ask(number: int) -> bool:
        async with shedding.admit(DistributionId(number), ADDRESS) as admitted:
            return admitted

    assert all([await ask(number) for number in range(101)])
    assert await ask(0), "the longest silent one was forgotten"
    assert not await ask(100)


async def test_a_pull_that_fails_gives_its_place_back() -> None:
    shedding = Shedding(1, 10, max_waiting=0)

    for _ in range(3):
        with pytest.raises(LookupError):
            async with shedding.admit(DistributionId(1), ADDRESS) as admitted:
                assert admitted
                raise LookupError
