"""What an adapter answers, reports or refuses becomes the operation's result, whole and once."""

from __future__ import annotations

import asyncio

from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    Hop,
    Hops,
    Kind,
    MdCommand,
    MdResult,
    Ping,
    PingResult,
    ReadStorage,
    StatusReport,
    StatusReports,
    StatusRequest,
    StatusRequests,
    Storage,
    Traceroute,
)
from tests.services.scripted_pusher import answered, news, outputs, reached, row, working

PING = Ping("192.0.2.1", 2)


async def test_a_synchronous_operation_is_done_with_its_answer(registry, adapter, controller, pusher) -> None:
    body = b"\x1b[1mup\x01\r\n\xff"
    pusher.script[Kind.MD_COMMAND] = [answered(Kind.MD_COMMAND, MdResult(0, body, True))]

    operation = await adapter.ask(Kind.MD_COMMAND, MdCommand(0, b"show system"))
    async with working(registry, pusher, controller):
        found = await reached(registry, operation, "done")

    assert (found["result"], found["description"], found["method"]) == (100, "its own words", "https-tunnel")
    assert await outputs(registry, operation) == [(0, 100, body)]
    assert await news(registry, operation) == ["operation.done"]
    assert pusher.sent[0].arguments == MdCommand(0, b"show system")


async def test_an_asynchronous_operation_is_done_with_its_report(registry, adapter, controller, pusher) -> None:
    operation = await adapter.ask(Kind.PING, PING)
    async with working(registry, pusher, controller):
        started = await reached(registry, operation, "started")

    answer = await adapter.report(Kind.PING, started["transaction_id"], PingResult(2, 0))

    assert (answer.result, answer.transaction_id) == (ResultCode.SUCCESS, started["transaction_id"])
    found = await row(registry, operation)
    assert (found["state"], found["value"]) == ("done", {"success": 2, "failure": 0})


async def test_a_report_that_is_repeated_is_answered_the_same_and_kept_once(
    registry, adapter, controller, pusher
) -> None:
    operation = await adapter.ask(Kind.READ_STATUS, StatusRequests((StatusRequest(0, b"show system"),)))
    async with working(registry, pusher, controller):
        started = await reached(registry, operation, "started")
    value = StatusReports((StatusReport(0, 100, b"\x02 ok"), StatusReport(7, 402, b"")))

    answers = await asyncio.gather(
        *(adapter.report(Kind.READ_STATUS, started["transaction_id"], value) for _ in range(5))
    )

    assert len(set(answers)) == 1
    assert await outputs(registry, operation) == [(0, 100, b"\x02 ok"), (7, 402, b"")]
    assert await news(registry, operation) == ["operation.done"]


async def test_a_failure_that_the_adapter_reports_is_shown_with_its_words(
    registry, adapter, controller, pusher
) -> None:
    operation = await adapter.ask(Kind.TRACEROUTE, Traceroute("192.0.2.1", 1))
    async with working(registry, pusher, controller):
        started = await reached(registry, operation, "started")

    await adapter.report(Kind.TRACEROUTE, started["transaction_id"], None, ResultCode.PUSH_FAILED)

    found = await row(registry, operation)
    assert (found["state"], found["result"], found["description"]) == ("failed", 502, "adapter's words")
    assert "502" in found["detail"]


async def test_what_no_database_can_hold_does_not_lose_the_result(registry, adapter, controller, pusher) -> None:
    operation = await adapter.ask(Kind.TRACEROUTE, Traceroute("192.0.2.1", 1))
    async with working(registry, pusher, controller):
        started = await reached(registry, operation, "started")

    await adapter.report(Kind.TRACEROUTE, started["transaction_id"], Hops((Hop(1, "10.0.0.1\0"),)))

    assert (await row(registry, operation))["value"] == {"hops": [{"number": 1, "address": "10.0.0.1\ufffd"}]}


async def test_a_refused_request_fails_with_the_adapters_code(registry, adapter, controller, pusher) -> None:
    pusher.script[Kind.READ_STORAGE] = [answered(Kind.READ_STORAGE, None, ResultCode.INVALID_PARAMETER)]

    operation = await adapter.ask(Kind.READ_STORAGE, ReadStorage(Storage.BACKUP))
    async with working(registry, pusher, controller):
        found = await reached(registry, operation, "failed")

    assert (found["result"], found["attempts"]) == (203, 1)
