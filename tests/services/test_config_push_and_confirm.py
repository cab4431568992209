"""Config push: committed, reported and confirmed in time it becomes startup and running; anything else is undone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.domain.errors import Conflict, Invalid, NotFound
from controller.ports import AnswerLost
from controller.services import config_push, housekeeping, operations, push_work, reaches, swap
from controller.store import audit, configs
from controller.store import operations as rows
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Configure, Kind, NoArguments, NoValue, PushRequest, PushResponse
from tests.rows import HEADER, csv_row
from tests.services import scripted_pusher as play
from tests.services.scripted_pusher import Adapter, Scripted, news, reached, row, working

OLD, NEW = b"hostname old\n", b"hostname new\n"


@pytest.fixture
async def adapter(registry, numbers, controller) -> Adapter:
    """In service with OLD as startup config; NEW is its working config."""
    adapter = await play.connected(registry, numbers, controller, config=OLD.decode())
    await configs.write_working(
        registry.db, adapter.code, "C1", 0, NEW, caller=registry.operator, now=registry.clock.forward(seconds=1)
    )
    return adapter


async def push(adapter: Adapter, **more) -> int:
    registry = adapter.registry
    return await config_push.push(
        registry.db, adapter.code, caller=registry.operator, reason="a reason", now=registry.clock(), **more
    )


async def started(adapter: Adapter, pusher: Scripted) -> tuple[int, int]:
    """A push that the adapter has taken on, after which it closed its tunnel; (operation, transaction id)."""
    operation = await push(adapter)
    async with working(adapter.registry, pusher, adapter.controller):
        found = await reached(adapter.registry, operation, "started")
    await adapter.drop()
    return operation, found["transaction_id"]


async def stage(adapter: Adapter, name: str) -> bytes | None:
    found = await configs.body(adapter.registry.db, adapter.code, 0, name)
    return bytes(found["body"]) if found else None


async def orders_to_pull(adapter: Adapter) -> list[tuple[str, str]]:
    """(purpose, state) of the orders to pull that the adapter was given."""
    listed = await rows.page(
        adapter.registry.db, contract=None, adapter=adapter.serial, code=None, state=None, before=None, limit=50
    )
    return [(one["purpose"], one["state"]) for one in reversed(listed) if one["kind"] == Kind.PULL_CONFIG]


async def test_committed_and_confirmed_in_time_it_is_startup_and_running(registry, adapter, pusher) -> None:
    operation, transaction = await started(adapter, pusher)
    request = pusher.sent[0]
    assert isinstance(request, PushRequest) and isinstance(request.arguments, Configure)
    assert [(one.id, one.body) for one in request.arguments.configs] == [(0, NEW)]
    assert request.arguments.modules[0].id == 0

    answer = await adapter.report(Kind.CONFIGURE, transaction, NoValue())
    assert answer.result is ResultCode.SUCCESS
    assert ((await row(registry, operation))["state"], await stage(adapter, "startup")) == ("confirming", OLD)
    await adapter.connect()

    assert (await row(registry, operation))["state"] == "done"
    assert (await stage(adapter, "startup"), await stage(adapter, "running")) == (NEW, NEW)
    assert await news(registry, operation) == ["operation.done"]
    trail = await audit.page(registry.db, contract=None, subject=adapter.code, before=None, limit=1)
    assert (trail[0]["action"], trail[0]["role"]) == ("config.push.done", "device")
    assert await orders_to_pull(adapter) == []


async def test_what_was_made_startup_during_the_push_stays_startup(registry, adapter, pusher) -> None:
    """The push is older than that: it becomes what runs, and the next pull gets the newer one."""
    operation, transaction = await started(adapter, pusher)
    now = registry.clock.forward(seconds=2)
    who, newer = registry.operator, b"hostname: newer\n"
    await configs.write_working(registry.db, adapter.code, "C1", 0, newer, caller=who, now=now)
    await configs.reflect_at_startup(registry.db, adapter.code, "C1", 0, caller=who, now=now)

    await adapter.report(Kind.CONFIGURE, transaction, NoValue())
    await adapter.connect()

    assert (await row(registry, operation))["state"] == "done"
    assert (await stage(adapter, "startup"), await stage(adapter, "running")) == (newer, NEW)


async def test_repeated_reports_and_confirmations_change_nothing_more(registry, adapter, pusher) -> None:
    operation, transaction = await started(adapter, pusher)

    answers = [await adapter.report(Kind.CONFIGURE, transaction, NoValue()) for _ in range(3)]
    await adapter.connect()
    await adapter.connect()
    answers.append(await adapter.report(Kind.CONFIGURE, transaction, NoValue()))

    assert {answer.result for answer in answers} == {ResultCode.SUCCESS}
    assert await news(registry, operation) == ["operation.done"]


@pytest.mark.parametrize("result", [ResultCode.COMMIT_FAILURE, ResultCode.SA_ROLLED_BACK, ResultCode.SYSTEM_ERROR])
async def test_what_the_adapter_could_not_commit_fails_with_its_reason(registry, adapter, pusher, result) -> None:
    operation, transaction = await started(adapter, pusher)

    answer = await adapter.report(Kind.CONFIGURE, transaction, None, result)
    await adapter.connect()

    found = await row(registry, operation)
    assert answer.result is ResultCode.SUCCESS, "another order to roll back would never end"
    assert (found["state"], found["result"], found["description"]) == ("failed", result, "adapter's words")
    assert await stage(adapter, "startup") == OLD
    trail = await audit.page(registry.db, contract=None, subject=adapter.code, before=None, limit=1)
    assert trail[0]["action"] == "config.push.failed"


async def test_who_comes_back_too_late_is_told_to_roll_back_and_its_reason_is_shown(registry, adapter, pusher) -> None:
    operation, transaction = await started(adapter, pusher)
    registry.clock.now = (await row(registry, operation))["deadline_at"]
    await push_work.turn(registry.db, registry.clock())
    assert (await row(registry, operation))["state"] == "failed"
    assert await orders_to_pull(adapter) == [("push", "waiting")]

    late = [await adapter.report(Kind.CONFIGURE, transaction, NoValue()) for _ in range(2)]
    rolled_back = [await adapter.report(Kind.CONFIGURE, transaction, None, ResultCode.SA_ROLLED_BACK) for _ in range(2)]
    await adapter.connect()

    assert {answer.result for answer in late} == {ResultCode.TRANSACTION_FAILURE}
    assert {answer.result for answer in rolled_back} == {ResultCode.SUCCESS}
    found = await row(registry, operation)
    assert (found["state"], found["result"], found["description"]) == ("failed", 414, "adapter's words")
    assert await orders_to_pull(adapter) == [("push", "cancelled")], "it runs its old config: it need not pull"
    assert await stage(adapter, "startup") == OLD
    assert await news(registry, operation) == ["operation.failed"]


async def test_late_counts_from_the_deadline_and_not_from_when_somebody_noticed(registry, adapter, pusher) -> None:
    operation, transaction = await started(adapter, pusher)
    registry.clock.now = (await row(registry, operation))["deadline_at"]

    answer = await adapter.report(Kind.CONFIGURE, transaction, NoValue())

    assert answer.result is ResultCode.TRANSACTION_FAILURE
    assert "too late" in (await row(registry, operation))["detail"]


async def test_committed_but_never_confirmed_it_fails_and_the_adapter_is_told_to_pull_when_it_is_back(
    registry, adapter, pusher
) -> None:
    operation, transaction = await started(adapter, pusher)
    await adapter.report(Kind.CONFIGURE, transaction, NoValue())
    registry.clock.forward(seconds=operations.CONFIRM_S)
    await push_work.turn(registry.db, registry.clock())

    assert (await row(registry, operation))["state"] == "failed"
    await adapter.connect()
    async with working(registry, pusher, adapter.controller):
        async with asyncio.timeout(5):
            while pusher.count(adapter.serial, Kind.PULL_CONFIG) == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    assert await stage(adapter, "startup") == OLD
    assert (await adapter.report(Kind.CONFIGURE, transaction, NoValue())).result is ResultCode.TRANSACTION_FAILURE


async def test_an_adapter_that_reverts_by_itself_after_the_commit_has_failed(registry, adapter, pusher) -> None:
    operation, transaction = await started(adapter, pusher)
    await adapter.report(Kind.CONFIGURE, transaction, NoValue())

    answer = await adapter.report(Kind.CONFIGURE, transaction, None, ResultCode.SA_ROLLED_BACK)
    await adapter.connect()

    assert answer.result is ResultCode.SUCCESS
    assert ((await row(registry, operation))["state"], await stage(adapter, "startup")) == ("failed", OLD)


async def test_an_adapter_that_pulls_instead_of_confirming_runs_its_startup_config(registry, adapter, pusher) -> None:
    operation, transaction = await started(adapter, pusher)
    await adapter.report(Kind.CONFIGURE, transaction, NoValue())
    await pulled(adapter)

    await adapter.connect()

    found = await row(registry, operation)
    assert found["state"] == "failed" and "pulled" in found["detail"]
    assert await stage(adapter, "startup") == OLD


async def pulled(adapter: Adapter) -> None:
    query = """INSERT INTO pull (at, adapter, code, message, source, result)
               VALUES ($1, $2, $3, 'config-solicitation', '127.0.0.1', 100)"""
    async with adapter.registry.db.connection() as connection:
        await connection.execute(query, adapter.registry.clock.forward(seconds=1), adapter.serial, adapter.code)


async def test_an_order_to_pull_is_over_when_the_adapter_has_pulled_by_itself(registry, adapter, pusher) -> None:
    operation, _ = await started(adapter, pusher)
    registry.clock.now = (await row(registry, operation))["deadline_at"]
    await push_work.turn(registry.db, registry.clock())

    await pulled(adapter)
    await adapter.connect()

    assert await orders_to_pull(adapter) == [("push", "done")]


async def test_a_configure_that_nobody_asked_for_is_rolled_back_once(registry, adapter) -> None:
    reported = await adapter.report(Kind.CONFIGURE, 4242, NoValue())
    rolled_back = await adapter.report(Kind.CONFIGURE, 4242, None, ResultCode.SA_ROLLED_BACK)

    assert (reported.result, rolled_back.result) == (ResultCode.TRANSACTION_FAILURE, ResultCode.SUCCESS)


async def test_a_lost_start_answer_is_made_up_for_and_it_is_sent_once(registry, adapter, pusher) -> None:
    pusher.script[Kind.CONFIGURE] = [AnswerLost("the adapter closed its tunnel")]
    operation = await push(adapter)
    async with working(registry, pusher, adapter.controller) as looked:
        await reached(registry, operation, "sent")
        await adapter.drop()
        answer = await adapter.report(Kind.CONFIGURE, 31, NoValue())
        await adapter.connect()
        await looked()

    assert answer.result is ResultCode.SUCCESS
    assert ((await row(registry, operation))["state"], pusher.count(adapter.serial, Kind.CONFIGURE)) == ("done", 1)


async def test_a_kill_in_the_middle_of_a_push_neither_loses_nor_repeats_it(registry, adapter, pusher) -> None:
    operation = await push(adapter)
    claimed = await rows.claim(registry.db, adapter.controller, registry.clock(), 5, push_work.WAITS_S)
    assert operation in [one["id"] for one in claimed]
    await housekeeping.take_over(registry.db, registry.clock.forward(seconds=1))  # killed: the answer is nobody's
    await push_work.turn(registry.db, registry.clock())
    adapter.controller = await reaches.begin(registry.db, registry.clock())

    async with working(registry, pusher, adapter.controller) as looked:
        answer = await adapter.report(Kind.CONFIGURE, 32, NoValue())
        await adapter.connect()
        await looked()

    assert answer.result is ResultCode.SUCCESS
    assert ((await row(registry, operation))["state"], pusher.count(adapter.serial, Kind.CONFIGURE)) == ("done", 0)
    assert await stage(adapter, "running") == NEW


async def test_a_refused_start_fails_at_once_and_startup_stays(registry, adapter, pusher) -> None:
    refused = PushResponse(Kind.CONFIGURE, ResultCode.SYSTEM_ERROR, "no room", None, None)
    pusher.script[Kind.CONFIGURE] = [refused]

    operation = await push(adapter)
    async with working(registry, pusher, adapter.controller):
        found = await reached(registry, operation, "failed")

    assert (found["result"], found["description"], await stage(adapter, "startup")) == (415, "no room", OLD)


async def test_a_swap_in_the_middle_orders_the_roll_back_and_touches_no_stage(
    registry, numbers, adapter, pusher
) -> None:
    operation, transaction = await started(adapter, pusher)
    number = numbers()
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    await swap.carry_out(
        registry.db,
        registry.vault,
        swap.Order(adapter.code, f"S{number}"),
        caller=registry.operator,
        now=registry.clock.forward(seconds=1),
        deadline=timedelta(days=1),
    )

    answer = await adapter.report(Kind.CONFIGURE, transaction, NoValue())

    found = await row(registry, operation)
    assert answer.result is ResultCode.TRANSACTION_FAILURE
    assert found["state"] == "failed" and "registration changed" in found["detail"]
    assert (await stage(adapter, "startup"), await stage(adapter, "running")) == (OLD, None)


async def test_nothing_else_is_sent_while_a_push_is_under_way(registry, adapter, pusher) -> None:
    before = await adapter.ask(Kind.REBOOT, NoArguments(), due_at=registry.clock() + timedelta(seconds=1))
    operation, transaction = await started(adapter, pusher)
    registry.clock.forward(seconds=2)
    await adapter.connect()
    async with working(registry, pusher, adapter.controller) as looked:
        await looked()
        assert (await row(registry, before))["state"] == "waiting"
        await adapter.report(Kind.CONFIGURE, transaction, NoValue())
        await adapter.connect()
        await reached(registry, before, "done")

    assert (await row(registry, operation))["state"] == "done"


async def test_a_push_is_scheduled_and_cancelled_until_it_is_sent(registry, adapter, pusher) -> None:
    operation = await push(adapter, at=registry.clock() + timedelta(hours=1))
    with pytest.raises(Conflict, match=str(operation)):
        await push(adapter)
    async with working(registry, pusher, adapter.controller) as looked:
        await looked()
        await operations.cancel(registry.db, operation, caller=registry.operator, now=registry.clock())
        registry.clock.forward(hours=2)
        await looked()

    assert ((await row(registry, operation))["state"], pusher.seen) == ("cancelled", [])


async def test_of_two_pushes_asked_for_at_once_one_is_refused(registry, adapter) -> None:
    outcomes = await asyncio.gather(push(adapter), push(adapter), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "int"]


async def test_what_is_edited_after_the_asking_is_not_pushed(registry, adapter, pusher) -> None:
    operation = await push(adapter)
    await configs.write_working(
        registry.db, adapter.code, "C1", 0, b"hostname newer\n", caller=registry.operator, now=registry.clock()
    )
    async with working(registry, pusher, adapter.controller):
        await reached(registry, operation, "started")

    assert pusher.sent[0].arguments.configs[0].body == NEW


async def test_a_dry_run_says_what_would_be_pushed_and_changes_nothing(registry, adapter) -> None:
    plan = await config_push.plan(registry.db, adapter.code, caller=registry.operator)

    (module,) = plan.modules
    assert (plan.adapter, plan.connected) == (adapter.serial, True)
    assert (module.module, module.stage, module.size, module.running) == (0, "working", len(NEW), None)
    assert module.changed and "+hostname new" in module.diff
    listed = await rows.page(
        registry.db, contract=None, adapter=adapter.serial, code=None, state=None, before=None, limit=5
    )
    assert listed == []


async def test_standbys_empty_codes_strangers_and_codes_without_config_are_refused(registry, numbers, adapter) -> None:
    spare, bare = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"S{spare}", spare, kind="standby") + csv_row(f"E{bare}", bare))
    for code, wrong, caller in (
        (f"S{spare}", Invalid, registry.operator),
        (f"E{bare}", NotFound, registry.operator),
        ("nowhere", NotFound, registry.operator),
        (adapter.code, NotFound, registry.stranger),
    ):
        with pytest.raises(wrong) as pushed:
            await config_push.push(registry.db, code, caller=caller, reason="", now=registry.clock())
        with pytest.raises(wrong):
            await config_push.plan(registry.db, code, caller=caller)
        assert pushed.value.next_step
