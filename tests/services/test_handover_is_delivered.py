"""Orders of an exchange on their way to connected adapters: lost, doubled, delayed, with controllers dying.

Whatever happens to them, each adapter pulls in the end, and the exchange is confirmed once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.ports import AnswerLost, NotSent, Reach
from controller.services import push_work, reaches
from controller.store import registry as codes
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, NoValue, PullConfig, PullFrom, PushRequest, PushResponse
from tests.rows import HEADER, csv_row
from tests.services import scripted_pusher as play
from tests.services.devices import CONFIG, Device, exchange
from tests.services.scripted_pusher import Adapter, Scripted, answered, working
from tests.waiting import until


class Pair:
    """An entry's adapter in service and a warm spare, both with a tunnel; what they are told, they do."""

    def __init__(self, registry, old: Device, new: Device, controller: int) -> None:
        self.registry, self.old, self.new = registry, old, new
        self.tunnels = {
            device.serial: Adapter(registry, device.number, "", controller, device.number) for device in (old, new)
        }
        self.told: list[tuple[str, PullFrom]] = []

    async def connect(self) -> None:
        for tunnel in self.tunnels.values():
            assert await tunnel.connect()

    async def obey(self, reach: Reach, request: PushRequest) -> PushResponse:
        """An adapter answers and then pulls, as it was told."""
        assert isinstance(request.arguments, PullConfig)
        self.told.append((reach.serial, request.arguments.source))
        device = self.old if reach.serial == self.old.serial else self.new
        if request.arguments.source is PullFrom.LS:
            await device.ask_ls()
        if (await device.ask_rs()).result.is_success:
            await device.ask_method()
        return answered(Kind.PULL_CONFIG, NoValue())

    async def obey_and_lose_the_answer(self, reach: Reach, request: PushRequest) -> PushResponse:
        await self.obey(reach, request)
        raise AnswerLost("the tunnel was cut")

    async def over(self, number: int) -> bool:
        """Both orders done, the exchange confirmed."""
        async with self.registry.db.connection() as connection:
            states = await connection.fetch("SELECT state FROM operation WHERE exchange = $1", number)
        row = await self.registry.exchange(number)
        return {each["state"] for each in states} == {"done"} and row["state"] == "confirmed"

    async def confirmed(self) -> int:
        """How often it was told that the entry's exchange is confirmed."""
        query = "SELECT count(*) FROM outbox WHERE topic = 'exchange.confirmed' AND subject = $1"
        async with self.registry.db.connection() as connection:
            return await connection.fetchval(query, f"E{self.old.number}")


@pytest.fixture
async def pair(registry, authority, numbers, controller) -> AsyncIterator[Pair]:
    old, new = Device(registry, authority, numbers()), Device(registry, authority, numbers())
    entry = csv_row(f"E{old.number}", old.number, config=CONFIG)
    await registry.load(HEADER + entry + csv_row(f"S{new.number}", new.number, kind="standby"))
    await codes.set_warm(registry.db, f"S{new.number}", True, caller=registry.operator, now=registry.clock())
    for device in (old, new):
        await device.boot()
    made = Pair(registry, old, new, controller)
    await made.connect()
    yield made


async def finished(pair: Pair, number: int) -> None:
    async def look() -> bool:
        pair.registry.clock.forward(seconds=5)  # waits between attempts pass
        await push_work.turn(pair.registry.db, pair.registry.clock())
        return await pair.over(number)

    await until(look)
    assert await pair.confirmed() == 1
    assert (await pair.old.ask_rs()).result is ResultCode.SA_STAND_BY


async def test_both_are_told_once_through_the_tunnels_they_had(registry, pair, controller) -> None:
    pusher = Scripted({Kind.PULL_CONFIG: [pair.obey]})

    async with working(registry, pusher, controller):
        number = await exchange(registry, pair.old, pair.new)
        await finished(pair, number)

    assert sorted(pair.told) == sorted([(pair.old.serial, PullFrom.LS), (pair.new.serial, PullFrom.RS)])


@pytest.mark.parametrize("loses", [1, 5])
async def test_orders_that_get_lost_are_given_until_the_adapters_have_pulled(
    registry, pair, controller, loses: int
) -> None:
    lost = [AnswerLost("the tunnel was cut")] * 2 * loses
    pusher = Scripted({Kind.PULL_CONFIG: [*lost, NotSent("not there"), pair.obey]})

    async with working(registry, pusher, controller):
        number = await exchange(registry, pair.old, pair.new)
        await finished(pair, number)


async def test_an_adapter_that_has_pulled_is_not_told_again_though_its_answer_was_lost(
    registry, pair, controller
) -> None:
    pusher = Scripted({Kind.PULL_CONFIG: [pair.obey_and_lose_the_answer]})

    async with working(registry, pusher, controller):
        number = await exchange(registry, pair.old, pair.new)
        await finished(pair, number)

    assert len(pair.told) == 2


async def test_a_busy_adapter_is_told_until_it_has_time(registry, pair, controller) -> None:
    busy = answered(Kind.PULL_CONFIG, None, ResultCode.SA_BUSY)
    pusher = Scripted({Kind.PULL_CONFIG: [*[busy] * 12, pair.obey]})

    async with working(registry, pusher, controller):
        number = await exchange(registry, pair.old, pair.new)
        await finished(pair, number)


async def test_a_controller_that_dies_while_it_tells_them_leaves_the_orders_to_its_successor(
    registry, pair, controller
) -> None:
    silent = Scripted({Kind.PULL_CONFIG: [play.never()]})
    number = await exchange(registry, pair.old, pair.new)
    dying = asyncio.create_task(push_work.run(play.work(registry, silent, controller)))

    async def both_sent() -> bool:
        return len(silent.seen) == 2

    await until(both_sent)
    async with registry.db.connection() as connection:  # a kill: nothing is recorded, its tunnels are gone
        await connection.execute("DELETE FROM controller WHERE id = $1", controller)
        await connection.execute("UPDATE operation SET fence = fence + 1 WHERE exchange = $1", number)
    dying.cancel()
    await asyncio.wait([dying])
    successor = await reaches.begin(registry.db, registry.clock())
    await push_work.take_over(registry.db, registry.clock())
    # The new adapter comes back with the key it has; the old one's opens nothing, so it pulls by itself.
    pair.tunnels[pair.new.serial].controller = successor
    assert await pair.tunnels[pair.new.serial].connect()
    await pair.old.ask_ls()
    await pair.old.ask_rs()

    async with working(registry, Scripted({Kind.PULL_CONFIG: [pair.obey]}), successor):
        await finished(pair, number)

    assert pair.told == [(pair.new.serial, PullFrom.RS)]
