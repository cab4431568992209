"""Which operations are claimed first, which never are, and what it means when one cannot be made ready."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg

from controller.services import campaigns, config_push, push_work, swap
from controller.services.selections import Selection
from controller.store import accounts, claims, configs
from controller.store import operations as rows
from controller.store import registry as registry_rows
from protocol.arms.messages import Kind, NoArguments, Ping
from tests.rows import HEADER, csv_row
from tests.services import scripted_pusher as play
from tests.services.scripted_pusher import Adapter, Scripted, reached, working


async def test_a_handover_goes_before_the_requests_of_others_also_when_one_place_is_free(
    registry, numbers, controller
) -> None:
    others = [await play.connected(registry, numbers, controller) for _ in range(3)]
    entry = await play.connected(registry, numbers, controller)  # the last by serial
    for one in others:
        await one.ask(Kind.CHECK_TRANSACTION, NoArguments())
    await exchange(entry, numbers())

    (claimed,) = await rows.claim(registry.db, controller, registry.clock.forward(seconds=1), 1, push_work.WAITS_S)

    assert (claimed["serial"], claimed["purpose"]) == (entry.serial, "handover")


async def test_a_handover_does_not_wait_for_what_is_under_way_on_its_adapter(registry, numbers, controller) -> None:
    entry = await play.connected(registry, numbers, controller)
    for _ in range(rows.MAX_LIVE):
        operation = await entry.ask(Kind.PING, Ping("192.0.2.1", 1))
        async with registry.db.connection() as connection:
            await connection.execute(
                "UPDATE operation SET state = 'started', deadline_at = $2 WHERE id = $1", operation, registry.clock()
            )
    await exchange(entry, numbers())

    claimed = await rows.claim(registry.db, controller, registry.clock.forward(seconds=1), 16, push_work.WAITS_S)

    assert (entry.serial, "handover") in {(one["serial"], one["purpose"]) for one in claimed}


async def test_who_asked_first_is_served_first_whatever_the_serial(registry, numbers, controller) -> None:
    earlier, later = [await play.connected(registry, numbers, controller) for _ in range(2)]
    await later.ask(Kind.CHECK_TRANSACTION, NoArguments())
    registry.clock.forward(seconds=1)
    await earlier.ask(Kind.CHECK_TRANSACTION, NoArguments())

    (claimed,) = await rows.claim(registry.db, controller, registry.clock.forward(seconds=1), 1, push_work.WAITS_S)

    assert claimed["serial"] == later.serial


async def test_nothing_goes_to_an_adapter_that_was_locked_out_since(registry, numbers, controller) -> None:
    adapter = await play.connected(registry, numbers, controller)
    operation = await adapter.ask(Kind.CHECK_TRANSACTION, NoArguments())
    await lock_out(adapter, True)

    kept = await rows.claim(registry.db, controller, registry.clock.forward(seconds=1), 16, push_work.WAITS_S)
    await lock_out(adapter, False)
    claimed = await rows.claim(registry.db, controller, registry.clock.forward(seconds=1), 16, push_work.WAITS_S)

    assert adapter.serial not in {one["serial"] for one in kept}
    assert operation in {one["id"] for one in claimed}


async def test_nothing_is_sent_for_an_account_that_was_disabled_since(registry, numbers, controller) -> None:
    adapter = await play.connected(registry, numbers, controller)
    operation = await adapter.ask(Kind.REBOOT, NoArguments())
    await disable(registry, True)
    try:
        kept = await rows.claim(registry.db, controller, registry.clock.forward(seconds=1), 16, push_work.WAITS_S)
    finally:
        await disable(registry, False)
    claimed = await rows.claim(registry.db, controller, registry.clock.forward(seconds=1), 16, push_work.WAITS_S)

    assert operation not in {one["id"] for one in kept}
    assert operation in {one["id"] for one in claimed}


async def disable(registry, disabled: bool) -> None:
    who, now = registry.operator.account, registry.clock()
    await accounts.set_disabled(registry.db, who, disabled, caller=registry.administrator, now=now)


async def test_a_run_has_no_way_over_arms_to_an_adapter_that_is_locked_out(registry, numbers, controller) -> None:
    adapter = await play.connected(registry, numbers, controller)
    selection = Selection((adapter.code,))
    for locked in (False, True):
        await campaigns.ask(registry.db, ["show system"], selection, "", caller=registry.operator, now=registry.clock())
        await lock_out(adapter, locked)
        now = registry.clock.forward(seconds=1)
        (claimed,) = await claims.claim(registry.db, now, timedelta(minutes=1), 16, controller=controller)
        assert (claimed["reach"] is None) is locked
        async with registry.db.connection() as connection:
            await connection.execute("UPDATE task SET state = 'done', lease_until = NULL WHERE id = $1", claimed["id"])


async def test_a_push_that_cannot_be_made_ready_now_is_sent_when_the_database_answers(
    registry, numbers, controller, monkeypatch
) -> None:
    adapter = await play.connected(registry, numbers, controller, config="hostname: a\n")
    now = registry.clock()
    await configs.write_working(registry.db, adapter.code, "C1", 0, b"hostname: b\n", caller=registry.operator, now=now)
    operation = await config_push.push(registry.db, adapter.code, caller=registry.operator, reason="", now=now)
    pusher, configure, cut_off = Scripted(), config_push.configure, asyncio.Event()

    async def first_cut_off(*given):
        if not cut_off.is_set():
            cut_off.set()
            raise asyncpg.ConnectionDoesNotExistError("the connection was closed in the middle of operation")
        return await configure(*given)

    monkeypatch.setattr(config_push, "configure", first_cut_off)
    async with working(registry, pusher, controller):
        await cut_off.wait()
        waiting = await reached(registry, operation, "waiting")
        registry.clock.forward(seconds=10)
        started = await reached(registry, operation, "started")

    assert (waiting["attempts"], started["attempts"]) == (0, 1), "nothing had left"
    assert pusher.count(adapter.serial, Kind.CONFIGURE) == 1


async def exchange(adapter: Adapter, number: int) -> None:
    """The entry's adapter is at rest (it has pulled), so it is ordered to pull."""
    registry = adapter.registry
    async with registry.db.connection() as connection:
        await connection.execute(
            """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address)
               VALUES ($1, $2, $2, 'push-method-query', 100, '127.0.0.1')""",
            *(adapter.serial, registry.clock()),
        )
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    await swap.carry_out(
        registry.db,
        registry.vault,
        swap.Order(adapter.code, f"S{number}"),
        caller=registry.operator,
        now=registry.clock.forward(seconds=1),
        deadline=timedelta(days=1),
    )


async def lock_out(adapter: Adapter, locked: bool) -> None:
    registry = adapter.registry
    await registry_rows.set_locked_out(
        registry.db, adapter.serial, locked, caller=registry.administrator, now=registry.clock()
    )
