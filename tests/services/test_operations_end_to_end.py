"""Push operations from the asking to the end, with every way an answer can be repeated, lost, late or out of order."""

from __future__ import annotations

import asyncio

import pytest

from controller.domain.errors import Conflict, Invalid, NotFound, TooMany
from controller.ports import AnswerLost, NotSent
from controller.services import housekeeping, operations, push_work, reaches, swap
from controller.store import audit
from controller.store import operations as rows
from controller.store import registry as registry_rows
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    Hop,
    Hops,
    Kind,
    MdCommand,
    MdResult,
    Module,
    ModuleList,
    NoArguments,
    NoValue,
    Ping,
    PingResult,
    PullConfig,
    PullFrom,
    ReadStorage,
    StatusReport,
    StatusReports,
    StatusRequest,
    StatusRequests,
    Storage,
    Traceroute,
    Transactions,
)
from protocol.arms.operations import OPERATIONS
from tests.rows import HEADER, csv_row
from tests.services import scripted_pusher as play
from tests.services.scripted_pusher import Adapter, Scripted, answered, news, outputs, reached, row, working
from tests.waiting import until

PING = Ping("192.0.2.1", 2)


@pytest.fixture
async def controller(registry) -> int:
    return await reaches.begin(registry.db, registry.clock())


@pytest.fixture
async def adapter(registry, numbers, controller) -> Adapter:
    return await play.connected(registry, numbers, controller)


@pytest.fixture
def pusher() -> Scripted:
    return Scripted()


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
    async with working(registry, pusher, controller):
        await reached(registry, operation, "unknown")
        registry.clock.forward(hours=1)
        await push_work.turn(registry.db, registry.clock())
        await asyncio.sleep(0.6)

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


async def test_a_report_that_overtakes_the_start_answer_belongs_to_it(registry, adapter, controller, pusher) -> None:
    gate = asyncio.Event()

    async def late(reach, request):
        await gate.wait()
        return pusher.taken_on(Kind.PING)

    pusher.script[Kind.PING] = [late]
    operation = await adapter.ask(Kind.PING, PING)
    async with working(registry, pusher, controller):
        await reached(registry, operation, "sent")
        reporting = asyncio.create_task(adapter.report(Kind.PING, 1001, PingResult(1, 1)))
        await asyncio.sleep(0.2)
        gate.set()
        answer = await reporting

    found = await row(registry, operation)
    assert (answer.result, found["state"], found["transaction_id"]) == (ResultCode.SUCCESS, "done", 1001)


async def test_a_report_finds_its_operation_while_the_start_answer_is_being_written_down(
    registry, adapter, controller
) -> None:
    """After the look by the adapter's number, and before the look for one that has none yet."""
    operation = await adapter.ask(Kind.PING, PING)
    assert await rows.claim(registry.db, controller, registry.clock(), 1, push_work.WAITS_S)
    async with registry.db.transaction() as tx:
        await tx.execute(
            """UPDATE operation SET state = 'started', started_at = sent_at, transaction_id = 4711 WHERE id = $1""",
            operation,
        )
        reporting = asyncio.create_task(adapter.report(Kind.PING, 4711, PingResult(2, 0)))
        await _somebody_waits_for_a_lock(registry)

    assert (await reporting).result is ResultCode.SUCCESS
    assert (await row(registry, operation))["state"] == "done"


async def _somebody_waits_for_a_lock(registry) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def waits() -> bool:
        async with registry.db.connection() as connection:
            return await connection.fetchval(query) > 0

    await until(waits)


async def test_a_report_of_another_transaction_is_not_taken_for_the_one_that_is_starting(
    registry, adapter, controller, pusher
) -> None:
    gate = asyncio.Event()

    async def late(reach, request):
        await gate.wait()
        return pusher.taken_on(Kind.PING)

    pusher.script[Kind.PING] = [late]
    operation = await adapter.ask(Kind.PING, PING)
    async with working(registry, pusher, controller):
        await reached(registry, operation, "sent")
        reporting = asyncio.create_task(adapter.report(Kind.PING, 999_999, PingResult(0, 9)))
        await asyncio.sleep(0.2)
        gate.set()
        answer = await reporting
        found = await reached(registry, operation, "started")

    assert (answer.result, found["value"]) == (ResultCode.TRANSACTION_FAILURE, None)


async def test_a_wrong_transaction_id_changes_nothing_and_time_mends_it(registry, adapter, controller, pusher) -> None:
    operation = await adapter.ask(Kind.PING, PING)
    async with working(registry, pusher, controller):
        started = await reached(registry, operation, "started")
    answer = await adapter.report(Kind.PING, started["transaction_id"] + 1, PingResult(9, 9))
    assert answer.result is ResultCode.TRANSACTION_FAILURE

    registry.clock.now = started["deadline_at"]
    await push_work.turn(registry.db, registry.clock())

    assert (await row(registry, operation))["state"] == "waiting"


async def test_the_first_attempts_late_report_ends_what_was_to_be_asked_again(
    registry, adapter, controller, pusher
) -> None:
    operation = await adapter.ask(Kind.PING, PING)
    async with working(registry, pusher, controller):
        started = await reached(registry, operation, "started")
    registry.clock.now = started["deadline_at"]
    await push_work.turn(registry.db, registry.clock())

    await adapter.report(Kind.PING, started["transaction_id"], PingResult(2, 0))

    assert (await row(registry, operation))["state"] == "done"


async def test_it_waits_until_the_adapter_is_reachable_and_expires_when_that_takes_too_long(
    registry, adapter, controller, pusher
) -> None:
    await adapter.drop()
    first = await adapter.ask(Kind.REBOOT, NoArguments())
    async with working(registry, pusher, controller):
        await asyncio.sleep(0.7)
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
    async with working(registry, pusher, controller):
        await asyncio.sleep(0.7)
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
    async with working(registry, pusher, controller):
        await asyncio.sleep(0.7)
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

    async with working(registry, others, other):
        await asyncio.sleep(0.7)
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


# ---- kills: a worker that is gone is one whose task never gets to write anything -----------------------------------


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
    async with working(registry, pusher, successor):
        await asyncio.sleep(0.7)

    assert pusher.seen == []
    assert (await row(registry, operation))["state"] == "unknown"


async def test_after_a_kill_the_successor_takes_the_report_of_what_was_being_sent(registry, adapter, pusher) -> None:
    operation = await adapter.ask(Kind.CLEAR_STATUS, StatusRequests((StatusRequest(0, b"clear log"),)))

    successor = await killed_while_sending(registry, adapter, pusher, operation)
    async with working(registry, pusher, successor):
        await adapter.report(Kind.CLEAR_STATUS, 4711, StatusReports((StatusReport(0, 100, b"cleared"),)))
        await asyncio.sleep(0.6)

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
    async with working(registry, slow, controller):
        sent = await reached(registry, operation, "sent")
        registry.clock.now = sent["deadline_at"]
        slow_one, slow.script = slow, {}
        await push_work.turn(registry.db, registry.clock())
        slow_one.script = {Kind.DUMP_DEBUG: [answered(Kind.DUMP_DEBUG, MdResult(0, b"new"))]}
        await reached(registry, operation, "done")
        gate.set()
        await asyncio.sleep(0.1)

    assert await outputs(registry, operation) == [(0, 100, b"new")]
    assert await news(registry, operation) == ["operation.done"]


async def test_a_worker_that_is_stopped_says_what_is_in_doubt(registry, adapter, controller, pusher) -> None:
    pusher.script[Kind.REBOOT] = [play.never()]
    operation = await adapter.ask(Kind.REBOOT, NoArguments())

    async with working(registry, pusher, controller):
        await reached(registry, operation, "sent")

    assert (await row(registry, operation))["state"] == "unknown"


# ---- who may ask for what ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (Kind.MD_COMMAND, MdCommand(0, b"format flash")),
        (Kind.MD_COMMAND, MdCommand(0, b"show system; reboot")),
        (Kind.READ_STATUS, StatusRequests((StatusRequest(0, b"clear log"),))),
        (Kind.CLEAR_STATUS, StatusRequests((StatusRequest(0, b"show system"),))),
        (Kind.PING, Ping("gateway.example", 2)),
        (Kind.CONFIGURE, NoArguments()),
    ],
)
async def test_what_the_series_or_the_protocol_does_not_know_is_refused_and_recorded(
    registry, adapter, kind: Kind, arguments
) -> None:
    with pytest.raises(Invalid) as refused:
        await adapter.ask(kind, arguments)

    assert refused.value.next_step
    trail = await audit.page(registry.db, contract=None, subject=adapter.serial, before=None, limit=1)
    assert (trail[0]["action"], trail[0]["outcome"]) == (f"adapter.{kind}", "refused")
    listed = await rows.page(
        registry.db, contract=None, adapter=adapter.serial, code=None, state=None, before=None, limit=5
    )
    assert listed == []


async def test_to_another_contracts_operator_neither_adapter_nor_operation_exists(registry, adapter) -> None:
    operation = await adapter.ask(Kind.PING, PING)

    with pytest.raises(NotFound):
        await adapter.ask(Kind.PING, PING, caller=registry.stranger)
    with pytest.raises(NotFound):
        await operations.cancel(registry.db, operation, caller=registry.stranger, now=registry.clock())


async def test_the_number_of_open_operations_is_bounded_also_when_many_ask_at_once(registry, adapter) -> None:
    await adapter.drop()

    outcomes = await asyncio.gather(
        *(adapter.ask(Kind.PING, PING) for _ in range(operations.MAX_OPEN + 5)), return_exceptions=True
    )

    assert sum(isinstance(outcome, TooMany) for outcome in outcomes) == 5


async def test_a_locked_out_adapter_is_not_asked(registry, adapter) -> None:
    await registry_rows.set_locked_out(
        registry.db, adapter.serial, True, caller=registry.administrator, now=registry.clock()
    )

    with pytest.raises(Conflict, match="locked out"):
        await adapter.ask(Kind.PING, PING)
