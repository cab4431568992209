"""What allowed a task when it was asked for may have ended when its turn comes: then nothing is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from controller.domain.access import Caller, Role
from controller.store import accounts, audit
from controller.store import registry as units
from tests.registry_fixtures import ADMINISTRATOR, Registry
from tests.services import tasks_at_work as at_work
from tests.services.tasks_at_work import Scripted
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("clean")
clean = at_work.clean


async def outcome(registry: Registry, made: int) -> tuple[list[str], list[tuple[str, str | None, str]]]:
    """Serials that were talked to, and state, failure and detail of each task, once a worker was at it."""
    scripted = Scripted()
    scripted.gate.set()
    async with at_work.working(registry, scripted):
        rows = await until(await at_work.settled(registry, made))
    return scripted.begun, [(row["state"], row["failure"], row["detail"]) for row in rows]


async def an_operator(registry: Registry, name: str) -> Caller:
    await accounts.create_account(
        registry.db, name, Role.OPERATOR, "C1", "", caller=ADMINISTRATOR, now=registry.clock()
    )
    return Caller(name, Role.OPERATOR, "C1", "test", "127.0.0.1")


async def test_nobody_logs_in_to_an_adapter_that_was_locked_out_meanwhile(
    registry: Registry, numbers: Callable[[], int]
) -> None:
    codes = await at_work.adapters(registry, numbers, 1)
    made = await at_work.campaign(registry, codes)
    serial = (await at_work.rows(registry, made))[0]["adapter"]
    await units.set_locked_out(registry.db, serial, True, caller=ADMINISTRATOR, now=registry.clock())

    begun, ended = await outcome(registry, made)

    assert begun == []
    assert [one[:2] for one in ended] == [("failed", "not-permitted")] and "locked out" in ended[0][2]
    refused = await audit.page(registry.db, before=None, limit=1, subject=codes[0], outcome="refused")
    assert "locked out" in refused[0]["detail"]["why"]


async def test_nothing_more_runs_for_an_account_that_was_disabled(
    registry: Registry, numbers: Callable[[], int]
) -> None:
    who = await an_operator(registry, f"gone{numbers()}")
    codes = await at_work.adapters(registry, numbers, 1)
    made = await at_work.campaign(registry, codes, lines=["reboot"], kind="management", account=who.account)
    await accounts.set_disabled(registry.db, who.account, True, caller=ADMINISTRATOR, now=registry.clock())

    begun, ended = await outcome(registry, made)

    assert begun == []
    assert [one[:2] for one in ended] == [("failed", "not-permitted")] and who.account in ended[0][2]


async def test_what_the_contract_does_not_allow_any_more_is_not_run(
    registry: Registry, numbers: Callable[[], int]
) -> None:
    who = await an_operator(registry, f"narrowed{numbers()}")
    codes = await at_work.adapters(registry, numbers, 2)
    reboots = await at_work.campaign(registry, codes[:1], lines=["reboot"], kind="management", account=who.account)
    looks = await at_work.campaign(registry, codes[1:], account=who.account)
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE contract SET command_classes = '{status}' WHERE contract = 'C1'")
    try:
        begun, ended = await outcome(registry, reboots)
        _, looked = await outcome(registry, looks)
    finally:
        async with registry.db.connection() as connection:
            await connection.execute("UPDATE contract SET command_classes = DEFAULT WHERE contract = 'C1'")

    assert [one[:2] for one in ended] == [("failed", "not-permitted")] and "management" in ended[0][2]
    assert [one[:2] for one in looked] == [("done", None)] and len(begun) <= 1
