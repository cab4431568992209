"""Which operation a report belongs to when it is early, late or of another transaction."""

from __future__ import annotations

import asyncio

from controller.services import push_work
from controller.store import operations as rows
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, Ping, PingResult
from tests.services.scripted_pusher import reached, row, working
from tests.waiting import until

PING = Ping("192.0.2.1", 2)


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
