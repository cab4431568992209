"""An operation before it is sent: it waits, expires, is cancelled, and goes out once and by the right controller."""

from __future__ import annotations

import asyncio

import pytest

from controller.domain.errors import Conflict
from controller.services import operations, push_work, reaches, swap
from controller.store import audit
from controller.store import operations as rows
from protocol.arms.messages import Kind, NoArguments, Ping, ReadStorage, Storage
from tests.rows import HEADER, csv_row
from tests.services import scripted_pusher as play
from tests.services.scripted_pusher import Scripted, news, reached, row, working

PING = Ping("192.0.2.1", 2)


async def test_it_waits_until_the_adapter_is_reachable_and_expires_when_that_takes_too_long(
    registry, adapter, controller, pusher
) -> None:
    await adapter.drop()
    first = await adapter.ask(Kind.REBOOT, NoArguments())
    async with working(registry, pusher, controller) as looked:
        await looked()
        assert (await row(registry, first))["state"] == "waiting"
        await adapter.connect()
        await reached(registry, first, "done")

    await adapter.drop()
    second = await adapter.ask(Kind.REBOOT, NoArguments())
    registry.clock.forward(seconds=operations.KEPT_FOR.total_seconds())
    await push_work.turn(registry.db, registry.clock())

    assert (await row(registry, second))["state"] == "expired"
    assert await news(registry, second) == ["operation.expired"]
    assert pusher.count(adapter.serial, Kind.REBOOT) == 1


async def test_it_is_not_sent_before_its_time(registry, adapter, controller, pusher) -> None:
    due = registry.clock.now.replace(year=registry.clock.now.year + 1)
    operation = await adapter.ask(Kind.REBOOT, NoArguments(), due_at=due)
    async with working(registry, pusher, controller) as looked:
        await looked()
        assert (await row(registry, operation))["state"] == "waiting"
        before, registry.clock.now = registry.clock.now, due
        await reached(registry, operation, "done")
    registry.clock.now = before


async def test_after_a_swap_a_waiting_operation_fails_and_reaches_neither_adapter(
    registry, numbers, adapter, controller, pusher
) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    operation = await adapter.ask(Kind.REBOOT, NoArguments())

    await swap.carry_out(
        registry.db,
        registry.vault,
        swap.Order(adapter.code, f"S{number}"),
        caller=registry.operator,
        now=registry.clock.forward(seconds=1),
        deadline=operations.KEPT_FOR,
    )
    async with working(registry, pusher, controller) as looked:
        await looked()
    await push_work.turn(registry.db, registry.clock())

    found = await row(registry, operation)
    assert found["state"] == "failed" and "registration changed" in found["detail"]
    assert all(kind is Kind.PULL_CONFIG for _, kind in pusher.seen)


async def test_a_waiting_operation_is_cancelled_and_a_sent_one_is_not(registry, adapter, controller, pusher) -> None:
    pusher.script[Kind.REBOOT] = [play.never()]
    waiting = await adapter.ask(Kind.PING, PING, due_at=registry.clock.now.replace(year=2099))
    sent = await adapter.ask(Kind.REBOOT, NoArguments())
    async with working(registry, pusher, controller):
        await reached(registry, sent, "sent")

        await operations.cancel(registry.db, waiting, caller=registry.operator, now=registry.clock())
        with pytest.raises(Conflict, match="is sent"):
            await operations.cancel(registry.db, sent, caller=registry.operator, now=registry.clock())

    assert (await row(registry, waiting))["state"] == "cancelled"
    trail = await audit.page(registry.db, contract=None, subject=adapter.code, before=None, limit=1)
    assert (trail[0]["action"], trail[0]["account"]) == ("operation.cancel", "olga")


async def test_of_a_cancel_and_a_claim_at_once_one_wins(registry, adapter, controller, pusher) -> None:
    for _ in range(10):
        operation = await adapter.ask(Kind.REBOOT, NoArguments())
        before = len(pusher.seen)

        async def cancel(number: int = operation) -> bool:
            try:
                await operations.cancel(registry.db, number, caller=registry.operator, now=registry.clock())
            except Conflict:
                return False
            return True

        async with working(registry, pusher, controller):
            cancelled = await cancel()
            found = await reached(registry, operation, "cancelled", "done")
        assert (found["state"] == "cancelled") is cancelled
        assert len(pusher.seen) - before == (0 if cancelled else 1)


async def test_two_workers_send_each_operation_once(registry, numbers, controller, pusher) -> None:
    adapters = [await play.connected(registry, numbers, controller) for _ in range(6)]
    asked = [await one.ask(Kind.REBOOT, NoArguments()) for one in adapters for _ in range(4)]

    async with working(registry, pusher, controller, controller):
        for operation in asked:
            await reached(registry, operation, "done")

    assert sorted(pusher.seen) == sorted((one.serial, Kind.REBOOT) for one in adapters for _ in range(4))


async def test_only_the_controller_that_holds_the_tunnel_sends(registry, adapter, controller, pusher) -> None:
    other, others = await reaches.begin(registry.db, registry.clock()), Scripted()
    operation = await adapter.ask(Kind.REBOOT, NoArguments())

    async with working(registry, others, other) as looked:
        await looked()
        assert (await row(registry, operation))["state"] == "waiting"
    async with working(registry, pusher, controller):
        await reached(registry, operation, "done")

    assert others.seen == []


async def test_one_of_a_kind_is_unanswered_and_eight_are_under_way(registry, adapter, controller, pusher) -> None:
    unanswered, most = set(), 0

    async def slowly(reach, request):
        nonlocal most
        assert request.kind not in unanswered, "two of a kind unanswered"
        unanswered.add(request.kind)
        await asyncio.sleep(0.01)
        unanswered.discard(request.kind)
        return pusher.taken_on(request.kind)

    pusher.script = {kind: [slowly] for kind in (Kind.PING, Kind.READ_STORAGE)}
    asked = [await adapter.ask(Kind.PING, PING) for _ in range(6)]
    asked += [await adapter.ask(Kind.READ_STORAGE, ReadStorage(Storage.RUNNING)) for _ in range(6)]
    async with working(registry, pusher, controller, controller):
        for _ in range(20):
            await asyncio.sleep(0.05)
            states = [(await row(registry, one))["state"] for one in asked]
            most = max(most, states.count("sent") + states.count("started"))

    assert most == rows.MAX_LIVE
    assert states.count("waiting") == 4
