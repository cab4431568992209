"""Runs: who may ask for what, one running task an adapter, leases and fences. The adapters are faked at the port."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.domain.errors import Forbidden, Invalid, NotFound
from controller.ports import Collected, Failure, Limits, Printed, Target
from controller.series import Via
from controller.services import campaigns, selections, swap, work
from controller.store import audit, claims, task_pages, transcripts
from controller.store import campaigns as rows
from controller.store.transcripts import Kept
from tests.rows import HEADER, csv_row
from tests.services import tasks_at_work as play
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("clean")


class Scripted:
    """A collector that answers each line with its own name, unless told to fail or to wait."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.running: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def collect(self, target: Target, lines: Sequence[str], limits: Limits, **_: object) -> Collected:
        assert target.serial not in self.running, "two sessions on one adapter"
        self.running.add(target.serial)
        try:
            self.seen.append(target.serial)
            await self.gate.wait()
        finally:
            self.running.discard(target.serial)
        printed = tuple(
            Printed(line, f"<{line}>\r\n".encode(), False, datetime.now(UTC), 0.1, None, "") for line in lines
        )
        return Collected(printed, None, "")


@pytest.fixture
async def code(registry, numbers) -> str:
    number = numbers()
    row = csv_row(f"E{number}", number).rstrip("\r\n").removesuffix(",")
    await registry.load(HEADER.replace(",config", ",ssh_address") + row + ",127.0.0.1\r\n")
    return f"E{number}"


def ask(registry, codes: Sequence[str], *lines: str, caller=None):
    return campaigns.ask(
        registry.db,
        lines or ("show system",),
        selections.Selection(tuple(codes)),
        "a reason",
        caller=caller or registry.operator,
        now=registry.clock(),
    )


def worker(registry, collector: Scripted, **more) -> work.Work:
    return work.Work(
        registry.db,
        registry.vault,
        collector,
        Limits(total_s=60),
        more.get("concurrency", 4),
        registry.clock,
        asyncio.Event(),
        asyncio.Event(),
    )


async def finished(registry, campaign: int):
    async def ended():
        row = await rows.one(registry.db, campaign, contract=None)
        return row if row["waiting"] + row["running"] == 0 else None

    return await until(ended)


async def test_what_an_adapter_printed_is_kept_with_who_when_and_why(registry, code) -> None:
    asked = await ask(registry, [code], "show system", "show log")
    running = asyncio.create_task(work.run(worker(registry, Scripted())))

    row = await finished(registry, asked.campaign)
    running.cancel()

    assert (row["done"], row["failed"]) == (1, 0)
    task = (await task_pages.page(registry.db, task_pages.Wanted(campaign=asked.campaign), before=None, limit=5))[0]
    assert (task["account"], task["reason"]) == ("olga", "a reason")
    kept = await transcripts.of_task(registry.db, task["id"])
    assert [(t["line"], transcripts.unpacked(t)) for t in kept] == [
        ("show system", b"<show system>\r\n"),
        ("show log", b"<show log>\r\n"),
    ]


@pytest.mark.parametrize("line", ["reboot", "clear log", "show nothing", "show system; reboot", "show system\nreboot"])
async def test_what_support_may_not_run_is_refused_and_recorded_before_a_task_exists(registry, code, line: str) -> None:
    with pytest.raises((Invalid, Forbidden)) as refused:
        await ask(registry, [code], line, caller=registry.support)

    assert refused.value.faults and refused.value.next_step
    newest = await audit.page(registry.db, contract=None, subject=None, before=None, limit=1)
    assert (newest[0]["action"], newest[0]["outcome"], newest[0]["account"]) == ("run", "refused", "sato")
    wanted = task_pages.Wanted(adapter=f"SER{int(code[1:]):05d}")
    listed = await task_pages.page(registry.db, wanted, before=None, limit=5)
    assert listed == []


async def test_an_operator_runs_nothing_on_another_contracts_adapter(registry, code) -> None:
    with pytest.raises(NotFound):
        await ask(registry, [code], caller=registry.stranger)


async def test_two_tasks_of_one_adapter_never_run_at_once(registry, code) -> None:
    asked = [await ask(registry, [code]) for _ in range(3)]
    collector = Scripted()
    workers = [asyncio.create_task(work.run(worker(registry, collector))) for _ in range(2)]

    ended = [await finished(registry, one.campaign) for one in asked]
    for running in workers:
        running.cancel()

    assert [row["done"] for row in ended] == [1, 1, 1]


async def test_a_worker_that_comes_back_after_its_lease_records_nothing(registry, code) -> None:
    asked = await ask(registry, [code])
    lease = timedelta(seconds=90)
    late = (await claims.claim(registry.db, registry.clock(), lease, 1))[0]
    registry.clock.forward(seconds=91)
    await claims.return_lost(registry.db, registry.clock())
    now = (await claims.claim(registry.db, registry.clock(), lease, 1))[0]

    def result(row) -> claims.Finished:
        return claims.Finished(row["id"], row["fence"], row["since"], "", (), Failure.TIMEOUT, "slow", None)

    assert late["id"] == now["id"]
    assert await claims.finish(registry.db, result(late), registry.clock()) is False
    assert await claims.finish(registry.db, result(now), registry.clock()) is True
    assert (await rows.one(registry.db, asked.campaign, contract=None))["failed"] == 1


async def test_of_results_that_come_together_each_is_recorded_for_itself(registry, numbers) -> None:
    codes = await play.adapters(registry, numbers, 3)
    asked = await ask(registry, codes)
    rows_ = await claims.claim(registry.db, registry.clock(), timedelta(seconds=90), 3)

    def result(row, fence: int, failure: Failure | None) -> claims.Finished:
        body = str(row["id"]).encode()
        same = Kept("show log", "show log", b"s" * 32, 4, b"same", 0, False, "", "", registry.clock(), 0.1)
        own = replace(same, line="show system", sha256=body.rjust(32, b"0"), packed=body)
        return claims.Finished(row["id"], fence, row["since"], "1.0", (same, own), failure, "", Via.SSH)

    fates = [(0, None), (0, Failure.TIMEOUT), (-1, None)]  # the last one's lease was lost
    recorded = await asyncio.gather(
        *(
            claims.finish(registry.db, result(row, row["fence"] + late, failure), registry.clock())
            for row, (late, failure) in zip(rows_, fates, strict=True)
        )
    )

    assert recorded == [True, True, False]
    campaign = await rows.one(registry.db, asked.campaign, contract=None)
    assert (campaign["done"], campaign["failed"], campaign["running"]) == (1, 1, 1)
    kept = [await transcripts.of_task(registry.db, row["id"]) for row in rows_]
    assert [[one["line"] for one in each] for each in kept] == [["show log", "show system"]] * 2 + [[]]
    assert [each[1]["body"] for each in kept[:2]] == [str(row["id"]).encode() for row in rows_[:2]]


async def test_a_task_whose_workers_all_die_fails_in_the_end(registry, code) -> None:
    asked = await ask(registry, [code])

    for _ in range(3):
        assert await claims.claim(registry.db, registry.clock(), timedelta(seconds=1), 1)
        registry.clock.forward(seconds=2)
        await claims.return_lost(registry.db, registry.clock())

    assert (await rows.one(registry.db, asked.campaign, contract=None))["failed"] == 1


async def test_a_worker_told_to_stop_gives_unfinished_tasks_back(registry, code) -> None:
    asked = await ask(registry, [code])
    collector = Scripted()
    collector.gate.clear()
    running = asyncio.create_task(work.run(worker(registry, collector)))

    async def begun() -> bool:
        return bool(collector.running)

    await until(begun)
    running.cancel()
    await asyncio.wait([running])

    row = await rows.one(registry.db, asked.campaign, contract=None)
    assert (row["waiting"], row["running"]) == (1, 0)
    collector.gate.set()
    again = asyncio.create_task(work.run(worker(registry, collector)))
    await finished(registry, asked.campaign)
    again.cancel()


async def test_an_adapter_never_heard_of_is_unreachable_with_a_next_step(registry, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    asked = await ask(registry, [f"E{number}"])
    running = asyncio.create_task(work.run(worker(registry, Scripted())))

    await finished(registry, asked.campaign)
    running.cancel()

    task = (await task_pages.page(registry.db, task_pages.Wanted(campaign=asked.campaign), before=None, limit=5))[0]
    assert task["failure"] == "unreachable" and "Plug it in" in task["detail"]


async def test_a_task_that_outlived_an_exchange_is_not_run_on_the_adapter_that_went(registry, code, numbers) -> None:
    spare = numbers()
    await registry.load(HEADER + csv_row(f"S{spare}", spare, kind="standby"))
    asked = await ask(registry, [code])
    lost = await claims.claim(registry.db, registry.clock(), timedelta(seconds=1), 100)
    assert [row["code"] for row in lost] == [code]
    await swap.carry_out(
        registry.db,
        registry.vault,
        swap.Order(code, f"S{spare}"),
        caller=registry.operator,
        now=registry.clock(),
        deadline=timedelta(days=1),
    )
    await claims.return_lost(registry.db, registry.clock.forward(seconds=2))

    collector = Scripted()
    running = asyncio.create_task(work.run(worker(registry, collector)))
    await finished(registry, asked.campaign)
    running.cancel()

    async with registry.db.connection() as connection:
        task = await task_pages.one(connection, lost[0]["id"])
    assert (task["failure"], collector.seen) == ("registration-changed", [])
