"""Pausing, resuming, moving and aborting campaigns: who may, what becomes of the tasks, what is recorded."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.domain.errors import Conflict, Forbidden, Invalid, NotFound
from controller.services import campaigns
from controller.services.campaigns import Options
from controller.services.selections import Selection
from controller.store import audit, claims
from controller.store import campaigns as rows


@pytest.fixture
async def campaign(fleet, registry) -> int:
    """Three tasks of an operator."""
    for _ in range(3):
        await fleet.entry()
    return await asked(fleet)


async def asked(fleet, caller=None, **options) -> int:
    registry = fleet.registry
    accepted = await campaigns.ask(
        registry.db,
        ["show system"],
        Selection(group=fleet.group),
        "",
        options=Options(**options),
        caller=caller or registry.operator,
        now=registry.clock(),
    )
    return accepted.campaign


def by(caller, registry) -> dict:
    return {"caller": caller, "now": registry.clock()}


async def claimed(registry, limit: int = 100) -> set[int]:
    taken = await claims.claim(registry.db, registry.clock(), timedelta(seconds=60), limit)
    return {row["id"] for row in taken}


async def test_nothing_of_a_paused_campaign_begins_until_it_is_resumed(campaign, fleet, registry) -> None:
    ids = {task["id"] for task in await fleet.tasks(campaign)}

    await campaigns.pause(registry.db, campaign, "lunch", **by(registry.operator, registry))
    assert not await claimed(registry) & ids
    row = await rows.one(registry.db, campaign, contract=None)
    assert (row["state"], row["why"]) == ("paused", "lunch")

    await campaigns.resume(registry.db, campaign, "", **by(registry.operator, registry))
    assert ids <= await claimed(registry)
    row = await rows.one(registry.db, campaign, contract=None)
    assert (row["state"], row["why"], row["ended_at"]) == ("running", "", None)


async def test_an_abort_cancels_what_waits_and_tells_the_workers(campaign, fleet, registry) -> None:
    running = await claimed(registry, 1)
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with registry.db.session() as session:
        await session.add_listener(rows.ABORT_CHANNEL, lambda *told: heard.put_nowait(told[-1]))

        cancelled = await campaigns.abort(registry.db, campaign, "wrong line", **by(registry.operator, registry))

        assert await asyncio.wait_for(heard.get(), 10) == str(campaign)
    states = {task["id"]: task["state"] for task in await fleet.tasks(campaign)}
    assert cancelled == 2
    assert {states.pop(task) for task in running} == {"running"}
    assert set(states.values()) == {"cancelled"}
    row = await rows.one(registry.db, campaign, contract=None)
    assert (row["state"], row["why"], row["ended_at"]) == ("aborted", "wrong line", registry.clock())


async def test_what_has_ended_cannot_be_steered(campaign, registry) -> None:
    await campaigns.abort(registry.db, campaign, "", **by(registry.operator, registry))

    for steer in (campaigns.pause, campaigns.resume, campaigns.abort):
        with pytest.raises(Conflict, match=r"is aborted; only these can be \w+: (running|paused)"):
            await steer(registry.db, campaign, "", **by(registry.operator, registry))
    with pytest.raises(Conflict):
        at = registry.clock() + timedelta(hours=1)
        await campaigns.move(registry.db, campaign, at, "", **by(registry.operator, registry))


async def test_a_move_gives_waiting_tasks_another_time(campaign, fleet, registry) -> None:
    at = registry.clock() + timedelta(hours=5)

    assert await campaigns.move(registry.db, campaign, at, "later", **by(registry.operator, registry)) == 3

    assert {task["due_at"] for task in await fleet.tasks(campaign)} == {at}
    assert (await rows.one(registry.db, campaign, contract=None))["due_at"] == at


async def test_a_move_stays_before_the_expiry(fleet, registry) -> None:
    await fleet.entry()
    campaign = await asked(fleet, expires=registry.clock() + timedelta(hours=1))

    with pytest.raises(Invalid):
        at = registry.clock() + timedelta(hours=2)
        await campaigns.move(registry.db, campaign, at, "", **by(registry.operator, registry))


async def test_each_move_is_recorded_with_its_reason_and_told(campaign, registry) -> None:
    for steer, reason in ((campaigns.pause, "one"), (campaigns.resume, "two"), (campaigns.abort, "three")):
        await steer(registry.db, campaign, reason, **by(registry.operator, registry))

    noted = await audit.page(registry.db, contract="C1", subject=f"campaign {campaign}", before=None, limit=3)
    assert [(row["action"], row["detail"]["reason"], row["account"]) for row in noted] == [
        ("campaign.abort", "three", "olga"),
        ("campaign.resume", "two", "olga"),
        ("campaign.pause", "one", "olga"),
    ]
    async with registry.db.connection() as connection:
        news = await connection.fetch(
            "SELECT topic FROM outbox WHERE topic LIKE 'campaign.%' AND subject = $1 ORDER BY id", str(campaign)
        )
    assert [row["topic"] for row in news] == ["campaign.paused", "campaign.running", "campaign.aborted"]


async def test_another_contracts_campaign_does_not_exist(campaign, registry) -> None:
    with pytest.raises(NotFound):
        await campaigns.abort(registry.db, campaign, "", **by(registry.stranger, registry))


async def test_support_does_not_steer_what_an_operator_runs(campaign, registry) -> None:
    with pytest.raises(Forbidden):
        await campaigns.pause(registry.db, campaign, "", **by(registry.support, registry))


async def test_an_operator_steers_what_runs_on_the_own_adapters_alone(fleet, registry) -> None:
    await fleet.entry()
    own = await asked(fleet, registry.administrator)
    await fleet.entry(contract="C2")
    mixed = await asked(fleet, registry.administrator)

    await campaigns.abort(registry.db, own, "", **by(registry.operator, registry))
    with pytest.raises(Forbidden):
        await campaigns.abort(registry.db, mixed, "", **by(registry.operator, registry))
    await campaigns.abort(registry.db, mixed, "", **by(registry.administrator, registry))
