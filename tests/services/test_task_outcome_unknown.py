"""What must not be done twice is not: when nobody saw its end, a person is told. Campaigns that fail stop."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.ports import Collected, Failure
from controller.services import reaches
from controller.store import audit, claims, transcripts
from tests.services import tasks_at_work as play
from tests.services.tasks_at_work import LEASE, Scripted, campaign, claim, printed, working
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("clean")

REBOOT = {"lines": ("show system", "reboot"), "kind": "management"}


@pytest.fixture
async def code(registry, numbers) -> str:
    return (await play.adapters(registry, numbers, 1))[0]


async def unknown(registry, made: int, code: str) -> None:
    """The campaign's one task has ended so, a person is told, and it is never claimed again."""
    (row,) = await play.rows(registry, made)
    assert (row["state"], row["failure"]) == ("failed", "unknown")
    assert "may or may not have been carried out" in row["detail"]
    assert await play.told(registry, "task.unknown", made) == 1
    (newest,) = await audit.page(registry.db, subject=code, before=None, limit=1)
    assert (newest["action"], newest["account"], newest["contract"]) == ("task.unknown", "sato", "C1")
    assert newest["detail"]["task"] == row["id"]
    registry.clock.forward(hours=1)
    await claims.return_lost(registry.db, registry.clock())
    assert await claim(registry) == []


async def test_of_a_management_task_whose_lease_ran_out_nobody_knows(registry, code) -> None:
    made = await campaign(registry, [code], **REBOOT)
    await claim(registry)
    registry.clock.forward(seconds=LEASE.total_seconds() + 1)

    assert await claims.return_lost(registry.db, registry.clock()) == 1

    await unknown(registry, made, code)


@pytest.mark.parametrize(
    ("kind", "line", "becomes"),
    [
        ("status", "show system", "waiting"),
        ("diagnostic", "ping 192.0.2.1", "waiting"),
        ("clear", "clear log", "failed"),
        ("management", "reboot", "failed"),
    ],
)
async def test_a_controller_that_is_not_seen_any_more_loses_its_tasks_before_their_leases_end(
    registry, code, kind: str, line: str, becomes: str
) -> None:
    made = await campaign(registry, [code], lines=(line,), kind=kind)
    alive = await reaches.begin(registry.db, registry.clock())
    await claim(registry, controller=alive)
    registry.clock.forward(seconds=29)
    await claims.return_lost(registry.db, registry.clock())
    assert await play.states(registry, made) == ["running"]

    registry.clock.forward(seconds=2)
    await claims.return_lost(registry.db, registry.clock())

    assert await play.states(registry, made) == [becomes]


async def test_a_controller_that_is_seen_keeps_its_tasks(registry, code) -> None:
    made = await campaign(registry, [code])
    alive = await reaches.begin(registry.db, registry.clock())
    await claim(registry, controller=alive)
    registry.clock.forward(seconds=60)
    await reaches.seen(registry.db, alive, registry.clock())

    await claims.return_lost(registry.db, registry.clock())
    assert await play.states(registry, made) == ["running"]
    await reaches.end(registry.db, alive, registry.clock())
    await claims.return_lost(registry.db, registry.clock())
    assert await play.states(registry, made) == ["waiting"]


@pytest.mark.parametrize("failure", [Failure.TIMEOUT, Failure.CONNECTION_LOST])
async def test_a_management_line_whose_end_was_not_seen_is_unknown(registry, code, failure: Failure) -> None:
    made = await campaign(registry, [code], **REBOOT)
    lines = (printed("show system"), printed("reboot", failure))
    await run_once(registry, made, code, Collected(lines, failure, "It fell silent."))

    (row,) = await play.rows(registry, made)
    assert [one["line"] for one in await transcripts.of_task(registry.db, row["id"])] == ["show system", "reboot"]
    await unknown(registry, made, code)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Collected((printed("show system", Failure.TIMEOUT),), Failure.TIMEOUT, "Silent."), "timeout"),
        (Collected((), Failure.CONNECTION_LOST, "Hung up."), "connection-lost"),
        (
            Collected(
                (printed("show system"), printed("reboot", Failure.DEVICE_REFUSED)), Failure.DEVICE_REFUSED, "No."
            ),
            "device-refused",
        ),
    ],
)
async def test_where_nothing_is_in_doubt_the_failure_says_what_happened(registry, code, answer, failure: str) -> None:
    made = await campaign(registry, [code], **REBOOT)

    await run_once(registry, made, code, answer)

    (row,) = await play.rows(registry, made)
    assert (row["state"], row["failure"]) == ("failed", failure)
    assert await play.told(registry, "task.unknown", made) == 0


async def run_once(registry, made: int, code: str, answer: Collected) -> None:
    collector = Scripted({f"SER{int(code[1:]):05d}": answer})
    collector.gate.set()
    async with working(registry, collector):
        await until(await play.settled(registry, made))


@pytest.mark.parametrize(
    ("sent", "becomes", "failure"),
    [
        ((), "waiting", None),
        ((printed("show system"),), "failed", "stopped"),
        ((printed("show system"), printed("reboot", Failure.STOPPED)), "failed", "unknown"),
    ],
)
async def test_a_management_task_cut_off_with_its_worker_is_given_back_only_if_nothing_was_sent(
    registry, code, sent, becomes: str, failure: str | None
) -> None:
    made = await campaign(registry, [code], **REBOOT)
    collector = Scripted(on_stop=lambda _: sent)

    async def begun() -> bool:
        return bool(collector.begun)

    async with working(registry, collector):
        await until(begun)

    (row,) = await play.rows(registry, made)
    assert (row["state"], row["failure"]) == (becomes, failure)


async def test_a_management_task_whose_end_cannot_be_awaited_is_unknown(registry, code) -> None:
    made = await campaign(registry, [code], **REBOOT)
    begun = asyncio.Event()

    class Deaf(Scripted):
        async def collect(self, *_: object, **__: object) -> Collected:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

    async with working(registry, Deaf()):
        await asyncio.wait_for(begun.wait(), 10)

    await unknown(registry, made, code)


async def test_a_mistake_of_ours_in_the_middle_of_a_management_task_leaves_it_unknown(registry, code) -> None:
    made = await campaign(registry, [code], **REBOOT)

    class Broken(Scripted):
        async def collect(self, *_: object, **__: object) -> Collected:
            raise RuntimeError("a mistake")

    async with working(registry, Broken()):
        await until(await play.settled(registry, made))

    await unknown(registry, made, code)


async def test_a_campaign_stops_itself_when_too_many_of_its_tasks_fail(registry, numbers) -> None:
    codes = await play.adapters(registry, numbers, 20)
    made = await campaign(registry, codes, stop_share=0.5, stop_after=4, at_once=1)
    failed = Collected((), Failure.AUTHENTICATION_REFUSED, "Wrong password.")
    good = {0, 1, 2}
    collector = Scripted({f"SER{int(code[1:]):05d}": failed for n, code in enumerate(codes) if n not in good})
    collector.gate.set()

    async with working(registry, collector):
        await until(await play.settled(registry, made))

    states = await play.states(registry, made)
    assert states == ["done"] * 3 + ["failed"] * 4 + ["cancelled"] * 13
    async with registry.db.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM campaign WHERE id = $1", made)
    assert (row["state"], row["why"]) == ("stopped", "Stopped by itself: 4 of 7 tasks failed, more than 50 %.")
    assert row["ended_at"] == registry.clock()
    assert await play.told(registry, "campaign.stopped", made) == 1
    (newest,) = await audit.page(registry.db, subject=f"campaign {made}", before=None, limit=1)
    assert (newest["action"], newest["account"], newest["contract"]) == ("campaign.stopped", "sato", "C1")


async def test_a_campaign_goes_on_when_no_more_fail_than_it_bears(registry, numbers) -> None:
    codes = await play.adapters(registry, numbers, 4)
    made = await campaign(registry, codes, stop_share=0.5, stop_after=2, at_once=1)
    failed = Collected((), Failure.AUTHENTICATION_REFUSED, "Wrong password.")
    collector = Scripted({f"SER{int(code[1:]):05d}": failed for code in codes[1::2]})
    collector.gate.set()

    async with working(registry, collector):
        await until(await play.settled(registry, made))

    assert await play.states(registry, made) == ["done", "failed"] * 2


async def test_what_was_claimed_and_never_reached_its_worker_is_given_back_and_what_did_is_not(
    registry, numbers
) -> None:
    codes = await play.adapters(registry, numbers, 2)
    made = await campaign(registry, codes, **REBOOT)
    mine = await reaches.begin(registry.db, registry.clock())
    assert await claim(registry, 1, controller=mine) == codes[:1]  # and the answer gets lost
    collector = Scripted()

    async def first() -> bool:
        return len(collector.begun) == 1

    async def both() -> bool:
        return len(collector.begun) == 2

    async with working(registry, collector, controller=lambda: mine):
        await until(first)
        registry.clock.forward(seconds=50)
        await reaches.seen(registry.db, mine, registry.clock())
        await until(both)
        collector.gate.set()
        await until(await play.settled(registry, made))

    assert await play.states(registry, made) == ["done", "done"]
    assert sorted(collector.begun) == [row["adapter"] for row in await play.rows(registry, made)]


async def test_the_lease_of_a_run_is_longer_than_a_run(registry) -> None:
    async with working(registry, Scripted()) as work:
        assert work.lease > timedelta(seconds=work.limits.total_s + 20)
