"""A config push whose answer is lost: an adapter that comes back and reports nothing first has not taken it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from controller.ports import AnswerLost
from controller.services import config_push, housekeeping, push_work, reaches, swap
from controller.store import configs
from controller.store import operations as rows
from protocol.arms.messages import Kind, NoValue, PushRequest
from tests.rows import HEADER, csv_row
from tests.services import scripted_pusher as play
from tests.services.scripted_pusher import Adapter, Scripted, reached, row, working
from tests.waiting import until

LOST = AnswerLost("the tunnel was closed")


@pytest.fixture
async def adapter(registry, numbers, controller) -> Adapter:
    adapter = await play.connected(registry, numbers, controller, config="hostname old\n")
    now = registry.clock.forward(seconds=1)
    await configs.write_working(
        registry.db, adapter.code, "C1", 0, b"hostname new\n", caller=registry.operator, now=now
    )
    return adapter


async def push(adapter: Adapter) -> int:
    registry = adapter.registry
    return await config_push.push(registry.db, adapter.code, caller=registry.operator, reason="", now=registry.clock())


async def in_doubt(registry, operation: int) -> None:
    async def noted():
        found = await row(registry, operation)
        return found["state"] == "sent" and found["detail"]

    await until(noted)


async def test_while_it_is_in_doubt_it_says_so(registry, adapter, pusher) -> None:
    pusher.script[Kind.CONFIGURE] = [LOST]
    operation = await push(adapter)

    async with working(registry, pusher, adapter.controller):
        await in_doubt(registry, operation)

    found = await row(registry, operation)
    assert "may yet report" in found["detail"] and "tunnel was closed" in found["detail"]


async def test_an_adapter_that_comes_back_without_a_report_has_not_taken_it_and_is_sent_it_again(
    registry, adapter, pusher
) -> None:
    pusher.script[Kind.CONFIGURE] = [LOST, pusher.taken_on(Kind.CONFIGURE)]
    operation = await push(adapter)

    async with working(registry, pusher, adapter.controller):
        await in_doubt(registry, operation)
        registry.clock.forward(seconds=2)
        await adapter.drop()
        await adapter.connect()
        started = await reached(registry, operation, "started")
        await adapter.drop()
        await adapter.report(Kind.CONFIGURE, started["transaction_id"], NoValue())
        await adapter.connect()

    assert (await row(registry, operation))["state"] == "done"
    assert pusher.count(adapter.serial, Kind.CONFIGURE) == 2


async def test_the_same_after_the_controller_that_sent_it_was_killed(registry, adapter, pusher) -> None:
    operation = await push(adapter)
    claimed = await rows.claim(registry.db, adapter.controller, registry.clock(), 5, push_work.WAITS_S)
    assert operation in [one["id"] for one in claimed]
    await housekeeping.take_over(registry.db, registry.clock.forward(seconds=1))
    adapter.controller = await reaches.begin(registry.db, registry.clock())

    await adapter.connect()

    assert (await row(registry, operation))["state"] == "waiting"


async def test_after_three_times_it_has_failed(registry, adapter, pusher) -> None:
    pusher.script[Kind.CONFIGURE] = [LOST]
    operation = await push(adapter)

    async with working(registry, pusher, adapter.controller):
        for _ in range(3):
            await in_doubt(registry, operation)
            registry.clock.forward(seconds=2)
            await adapter.drop()
            await adapter.connect()

        found = await reached(registry, operation, "failed")

    assert pusher.count(adapter.serial, Kind.CONFIGURE) == 3
    assert "without having taken it" in found["detail"]
    assert (await configs.body(registry.db, adapter.code, 0, "startup"))["body"] == b"hostname old\n"


async def test_while_another_controller_still_waits_for_the_answer_a_second_tunnel_changes_nothing(
    registry, adapter, pusher
) -> None:
    pusher.script[Kind.CONFIGURE] = [play.never()]
    operation = await push(adapter)

    async with working(registry, pusher, adapter.controller):
        await reached(registry, operation, "sent")
        await until(partial(_seen, pusher))
        await adapter.connect()

        assert (await row(registry, operation))["state"] == "sent"


async def _seen(pusher: Scripted) -> bool:
    return any(isinstance(request, PushRequest) and request.kind is Kind.CONFIGURE for request in pusher.sent)


async def test_a_push_under_way_ends_with_its_registration_and_orders_nothing(
    registry, adapter, pusher, numbers
) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    operation = await push(adapter)
    async with working(registry, pusher, adapter.controller):
        await reached(registry, operation, "started")

        order = swap.Order(adapter.code, f"S{number}")
        await swap.carry_out(
            registry.db,
            registry.vault,
            order,
            caller=registry.operator,
            now=registry.clock.forward(seconds=1),
            deadline=timedelta(days=1),
        )
        await push_work.turn(registry.db, registry.clock())

    found = await row(registry, operation)
    assert (found["state"], "registration changed" in found["detail"]) == ("failed", True)
    listed = await rows.page(
        registry.db, contract=None, adapter=adapter.serial, code=None, state=None, before=None, limit=50
    )
    assert [one["purpose"] for one in listed if one["kind"] == Kind.PULL_CONFIG] in ([], ["handover"])
