"""Tasks that people take back, move or stop, one by one or with their campaign; and who may."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.errors import Conflict, Forbidden, Invalid, NotFound
from controller.domain.task import State
from controller.ports import Failure
from controller.services import campaigns, tasks
from controller.store import audit, claims, transcripts
from tests.services import tasks_at_work as play
from tests.services.tasks_at_work import Scripted, campaign, claim, printed, working
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
async def code(registry, numbers) -> str:
    return (await play.adapters(registry, numbers, 1))[0]


async def only(registry, made: int):
    (row,) = await play.rows(registry, made)
    return row


def cancel(registry, task: int, caller=None):
    return tasks.cancel(registry.db, task, "a slip", caller=caller or registry.operator, now=registry.clock())


def move(registry, task: int, at):
    return tasks.move(registry.db, task, at, caller=registry.operator, now=registry.clock())


async def begun(collector: Scripted) -> None:
    async def has() -> bool:
        return bool(collector.begun)

    await until(has)


async def test_a_waiting_task_is_taken_back(registry, code) -> None:
    made = await campaign(registry, [code])
    task = await only(registry, made)

    assert await cancel(registry, task["id"]) is State.CANCELLED

    row = await only(registry, made)
    assert (row["state"], row["detail"]) == ("cancelled", "Cancelled by olga: a slip")
    assert await play.told(registry, "task.cancelled", made) == 1
    (newest,) = await audit.page(registry.db, subject=code, before=None, limit=1)
    assert (newest["action"], newest["account"], newest["detail"]["reason"]) == ("task.cancel", "olga", "a slip")
    assert await claim(registry) == []
    with pytest.raises(Conflict):
        await cancel(registry, task["id"])


async def test_a_running_task_is_told_to_stop_and_what_was_printed_is_kept(registry, code) -> None:
    made = await campaign(registry, [code], lines=("show system", "show log"))
    collector = Scripted(on_stop=lambda lines: (printed(lines[0]),))

    async with working(registry, collector):
        await begun(collector)
        task = (await only(registry, made))["id"]
        assert await cancel(registry, task) is State.RUNNING
        await until(await play.settled(registry, made))

    row = await only(registry, made)
    assert (row["state"], row["failure"], row["detail"]) == ("cancelled", None, "Cancelled by olga: a slip")
    assert [one["line"] for one in await transcripts.of_task(registry.db, task)] == ["show system"]


async def test_an_abort_reaches_what_runs_and_what_waits(registry, numbers) -> None:
    codes = await play.adapters(registry, numbers, 6)
    made = await campaign(registry, codes, account="olga", contract="C1")
    collector = Scripted(on_stop=lambda lines: (printed(lines[0], Failure.STOPPED),))

    async with working(registry, collector, concurrency=2):

        async def two() -> bool:
            return len(collector.begun) == 2

        await until(two)
        await campaigns.abort(registry.db, made, "wrong line", caller=registry.operator, now=registry.clock())
        await until(await play.settled(registry, made))

    rows = await play.rows(registry, made)
    assert [row["state"] for row in rows] == ["cancelled"] * 6
    assert {row["detail"] for row in rows} == {
        "The campaign was aborted: wrong line",
        "The campaign was aborted.",
    }
    assert len(collector.begun) == 2


async def test_an_aborted_management_line_that_was_sent_is_unknown(registry, code) -> None:
    made = await campaign(registry, [code], account="olga", contract="C1", lines=("reboot",), kind="management")
    collector = Scripted(on_stop=lambda lines: (printed(lines[0], Failure.STOPPED),))

    async with working(registry, collector):
        await begun(collector)
        await campaigns.abort(registry.db, made, "wrong one", caller=registry.operator, now=registry.clock())
        await until(await play.settled(registry, made))

    row = await only(registry, made)
    assert (row["state"], row["failure"]) == ("failed", "unknown")
    assert row["detail"].startswith("The campaign was aborted: wrong one. It may or may not have been carried out")


async def test_a_worker_that_lost_its_lease_stops_and_records_nothing(registry, code) -> None:
    made = await campaign(registry, [code])
    collector = Scripted(on_stop=lambda lines: tuple(map(printed, lines)))

    async with working(registry, collector) as work:
        await begun(collector)
        await claims.end_leases(registry.db, registry.clock())
        await play.set_campaign(registry, made, state="paused")  # so that nobody claims it anew
        registry.clock.forward(seconds=1)
        await claims.return_lost(registry.db, registry.clock())

        async def dropped() -> bool:
            return not work.held.count

        await until(dropped)

    row = await only(registry, made)
    assert (row["state"], row["losses"]) == ("waiting", 1)
    assert await transcripts.of_task(registry.db, row["id"]) == []


async def test_a_waiting_task_is_moved(registry, code) -> None:
    made = await campaign(registry, [code], expires_at=registry.clock() + timedelta(hours=2))
    task = (await only(registry, made))["id"]
    at = registry.clock() + timedelta(hours=1)

    await move(registry, task, at)

    assert await claim(registry) == []
    with pytest.raises(Invalid):
        await move(registry, task, registry.clock() + timedelta(hours=2))
    registry.clock.now = at
    assert await claim(registry) == [code]
    with pytest.raises(Conflict):
        await move(registry, task, at)
    (newest,) = await audit.page(registry.db, subject=code, before=None, limit=1)
    assert (newest["action"], newest["detail"]["to"]) == ("task.move", at.isoformat())


async def test_who_may_take_a_task_back(registry, code) -> None:
    made = await campaign(registry, [code], account="root")
    task = (await only(registry, made))["id"]

    with pytest.raises(NotFound):
        await cancel(registry, task, registry.stranger)
    with pytest.raises(NotFound):
        await cancel(registry, 1_000_000)
    with pytest.raises(Forbidden):
        await cancel(registry, task, registry.support)
    assert await cancel(registry, task, registry.administrator) is State.CANCELLED


async def test_support_staff_take_back_what_they_asked_for(registry, code) -> None:
    made = await campaign(registry, [code], account="sato")

    assert await cancel(registry, (await only(registry, made))["id"], registry.support) is State.CANCELLED
