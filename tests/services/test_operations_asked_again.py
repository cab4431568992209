"""An adapter that is busy, out of reach or cut off before it answered: what is asked again, and what never is."""

from __future__ import annotations

import asyncio

import pytest

from controller.ports import AnswerLost, NotSent
from controller.services import push_work
from controller.store import pulls
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    Kind,
    MdResult,
    Module,
    ModuleList,
    NoArguments,
    NoValue,
    Ping,
    PullConfig,
    PullFrom,
    StatusReport,
    StatusReports,
    StatusRequest,
    StatusRequests,
    Transactions,
)
from protocol.arms.operations import OPERATIONS
from tests.services.scripted_pusher import answered, reached, row, working

PING = Ping("192.0.2.1", 2)


async def test_a_busy_adapter_is_asked_again_later(registry, adapter, controller, pusher) -> None:
    pusher.script[Kind.REBOOT] = [
        answered(Kind.REBOOT, None, ResultCode.SA_BUSY),
        answered(Kind.REBOOT, NoValue()),
    ]

    operation = await adapter.ask(Kind.REBOOT, NoArguments())
    async with working(registry, pusher, controller):
        waiting = await reached(registry, operation, "waiting", attempts=1)
        assert waiting["due_at"] > registry.clock()
        registry.clock.forward(seconds=6)
        found = await reached(registry, operation, "done")

    assert pusher.count(adapter.serial, Kind.REBOOT) == found["attempts"] == 2


async def test_what_was_not_sent_waits_however_often_that_happens(registry, adapter, controller, pusher) -> None:
    pusher.script[Kind.REBOOT] = [NotSent("no tunnel")] * 5 + [answered(Kind.REBOOT, NoValue())]

    operation = await adapter.ask(Kind.REBOOT, NoArguments())
    async with working(registry, pusher, controller):
        for _ in range(5):
            await asyncio.sleep(0.05)
            registry.clock.forward(seconds=2)
        while (await row(registry, operation))["state"] != "done":
            registry.clock.forward(seconds=2)
            await asyncio.sleep(0.05)

    assert (await row(registry, operation))["attempts"] == 1
    assert pusher.count(adapter.serial, Kind.REBOOT) == 6


@pytest.mark.parametrize("kind", [kind for kind, one in OPERATIONS.items() if not one.is_async and one.repeatable])
async def test_a_lost_answer_is_asked_for_again_where_that_does_no_harm(
    registry, adapter, controller, pusher, kind: Kind
) -> None:
    values = {
        Kind.DUMP_DEBUG: MdResult(0, b"x"),
        Kind.CHECK_TRANSACTION: Transactions((0, 5)),
        Kind.READ_MODULE_LIST: ModuleList((Module(0, "3.40", "info"),)),
        Kind.PULL_CONFIG: NoValue(),
    }
    pusher.script[kind] = [AnswerLost("the tunnel broke"), answered(kind, values[kind])]
    arguments = PullConfig(PullFrom.RS) if kind is Kind.PULL_CONFIG else NoArguments()

    operation = await adapter.ask(kind, arguments)
    async with working(registry, pusher, controller):
        while pusher.count(adapter.serial, kind) < 2:
            registry.clock.forward(seconds=1)
            await asyncio.sleep(0.05)
        found = await reached(registry, operation, "done")

    assert found["attempts"] == 2


async def test_after_three_lost_answers_nobody_knows(registry, adapter, controller, pusher) -> None:
    pusher.script[Kind.PING] = [AnswerLost("the tunnel broke")]

    operation = await adapter.ask(Kind.PING, PING)
    async with working(registry, pusher, controller):
        while (await row(registry, operation))["state"] != "unknown":
            registry.clock.forward(seconds=1)
            await asyncio.sleep(0.05)

    assert pusher.count(adapter.serial, Kind.PING) == 3
    assert (await row(registry, operation))["detail"] == "the tunnel broke"


async def test_a_reboot_whose_answer_is_lost_is_never_sent_again(registry, adapter, controller, pusher) -> None:
    pusher.script[Kind.REBOOT] = [AnswerLost("the tunnel broke")]

    operation = await adapter.ask(Kind.REBOOT, NoArguments())
    async with working(registry, pusher, controller) as looked:
        await reached(registry, operation, "unknown")
        registry.clock.forward(hours=1)
        await push_work.turn(registry.db, registry.clock())
        await looked()

    assert pusher.count(adapter.serial, Kind.REBOOT) == 1
    assert (await row(registry, operation))["state"] == "unknown"


async def test_a_lost_start_answer_is_made_up_for_by_the_report(registry, adapter, controller, pusher) -> None:
    pusher.script[Kind.CLEAR_STATUS] = [AnswerLost("the tunnel broke")]

    operation = await adapter.ask(Kind.CLEAR_STATUS, StatusRequests((StatusRequest(0, b"clear log"),)))
    async with working(registry, pusher, controller):
        await reached(registry, operation, "sent")
    answer = await adapter.report(Kind.CLEAR_STATUS, 77, StatusReports((StatusReport(0, 100, b"cleared"),)))

    found = await row(registry, operation)
    assert (answer.result, found["state"], found["transaction_id"]) == (ResultCode.SUCCESS, "done", 77)
    assert pusher.count(adapter.serial, Kind.CLEAR_STATUS) == 1


async def test_a_clear_that_is_never_reported_is_unknown_until_its_report_comes(
    registry, adapter, controller, pusher
) -> None:
    pusher.script[Kind.CLEAR_STATUS] = [AnswerLost("the tunnel broke")]
    operation = await adapter.ask(Kind.CLEAR_STATUS, StatusRequests((StatusRequest(0, b"clear log"),)))
    async with working(registry, pusher, controller):
        sent = await reached(registry, operation, "sent")

    registry.clock.now = sent["deadline_at"]
    await push_work.turn(registry.db, registry.clock())
    assert (await row(registry, operation))["state"] == "unknown"
    await adapter.report(Kind.CLEAR_STATUS, 78, StatusReports((StatusReport(0, 100, b"cleared"),)))

    assert (await row(registry, operation))["state"] == "done"


async def test_what_an_adapter_had_taken_on_before_it_pulled_anew_is_asked_again(
    registry, adapter, controller, pusher
) -> None:
    """A real client forgets its transactions when it pulls; nobody waits three minutes for reports that never come."""
    ping = await adapter.ask(Kind.PING, PING)
    clear = await adapter.ask(Kind.CLEAR_STATUS, StatusRequests((StatusRequest(0, b"clear log"),)))
    async with working(registry, pusher, controller):
        await reached(registry, ping, "started")
        await reached(registry, clear, "started")
    now = registry.clock.forward(seconds=5)
    admitted = await adapter.admitted()
    answer = pulls.Answered(
        now, adapter.serial, adapter.code, admitted.since, "config-solicitation", "127.0.0.1", "power on boot", "", 100
    )

    assert await pulls.record(registry.db, answer)
    await push_work.turn(registry.db, registry.clock.forward(seconds=1))

    assert (await row(registry, ping))["state"] == "waiting"
    assert (await row(registry, clear))["state"] == "unknown"
