"""What was being sent when its worker went: a killed worker is one whose task never gets to write anything."""

from __future__ import annotations

import asyncio

import pytest

from controller.services import housekeeping, push_work, reaches
from controller.store import operations as rows
from protocol.arms.messages import (
    Kind,
    MdCommand,
    MdResult,
    NoArguments,
    StatusReport,
    StatusReports,
    StatusRequest,
    StatusRequests,
    Transactions,
)
from tests.services import scripted_pusher as play
from tests.services.scripted_pusher import Adapter, Scripted, answered, news, outputs, reached, row, working


async def killed_while_sending(registry, adapter: Adapter, pusher: Scripted, operation: int) -> int:
    """The operation is claimed and its controller is gone; returns the id of the one that takes over."""
    gone = adapter.controller
    async with registry.db.connection() as connection:
        others = await connection.fetch("SELECT id FROM operation WHERE state = 'waiting' AND id <> $1", operation)
    assert others == [] or all(one["id"] != operation for one in others)
    claimed = await rows.claim(registry.db, gone, registry.clock(), 50, push_work.WAITS_S)
    assert operation in [one["id"] for one in claimed]
    await housekeeping.take_over(registry.db, registry.clock.forward(seconds=1))
    adapter.controller = await reaches.begin(registry.db, registry.clock())
    await push_work.turn(registry.db, registry.clock())
    await adapter.connect()
    return adapter.controller


async def test_a_kill_between_writing_and_recording_repeats_what_may_be_repeated(registry, adapter, pusher) -> None:
    operation = await adapter.ask(Kind.CHECK_TRANSACTION, NoArguments())
    pusher.script[Kind.CHECK_TRANSACTION] = [answered(Kind.CHECK_TRANSACTION, Transactions((0,)))]

    successor = await killed_while_sending(registry, adapter, pusher, operation)
    async with working(registry, pusher, successor):
        found = await reached(registry, operation, "done")

    assert found["attempts"] == 2


@pytest.mark.parametrize(
    ("kind", "arguments"), [(Kind.REBOOT, NoArguments()), (Kind.MD_COMMAND, MdCommand(0, b"show system"))]
)
async def test_a_kill_between_writing_and_recording_does_not_repeat_what_may_not_be(
    registry, adapter, pusher, kind: Kind, arguments
) -> None:
    operation = await adapter.ask(kind, arguments)

    successor = await killed_while_sending(registry, adapter, pusher, operation)
    async with working(registry, pusher, successor) as looked:
        await looked()

    assert pusher.seen == []
    assert (await row(registry, operation))["state"] == "unknown"


async def test_after_a_kill_the_successor_takes_the_report_of_what_was_being_sent(registry, adapter, pusher) -> None:
    operation = await adapter.ask(Kind.CLEAR_STATUS, StatusRequests((StatusRequest(0, b"clear log"),)))

    successor = await killed_while_sending(registry, adapter, pusher, operation)
    async with working(registry, pusher, successor) as looked:
        await adapter.report(Kind.CLEAR_STATUS, 4711, StatusReports((StatusReport(0, 100, b"cleared"),)))
        await looked()

    assert (await row(registry, operation))["state"] == "done"
    assert pusher.seen == []


async def test_a_worker_that_comes_back_late_records_nothing(registry, adapter, controller, pusher) -> None:
    gate = asyncio.Event()

    async def late(reach, request):
        await gate.wait()
        return answered(Kind.DUMP_DEBUG, MdResult(0, b"old"))

    slow = Scripted({Kind.DUMP_DEBUG: [late]})
    pusher.script[Kind.DUMP_DEBUG] = [answered(Kind.DUMP_DEBUG, MdResult(0, b"new"))]
    operation = await adapter.ask(Kind.DUMP_DEBUG, NoArguments())
    async with working(registry, slow, controller) as looked:
        sent = await reached(registry, operation, "sent")
        registry.clock.now = sent["deadline_at"]
        slow_one, slow.script = slow, {}
        await push_work.turn(registry.db, registry.clock())
        slow_one.script = {Kind.DUMP_DEBUG: [answered(Kind.DUMP_DEBUG, MdResult(0, b"new"))]}
        await reached(registry, operation, "done")
        gate.set()
        await looked()

    assert await outputs(registry, operation) == [(0, 100, b"new")]
    assert await news(registry, operation) == ["operation.done"]


async def test_a_worker_that_is_stopped_says_what_is_in_doubt(registry, adapter, controller, pusher) -> None:
    pusher.script[Kind.REBOOT] = [play.never()]
    operation = await adapter.ask(Kind.REBOOT, NoArguments())

    async with working(registry, pusher, controller):
        await reached(registry, operation, "sent")

    assert (await row(registry, operation))["state"] == "unknown"
