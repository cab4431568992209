"""An investigation is opened from an operator's report, is time-boxed, and takes what waits with it when it closes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from controller.domain.errors import Conflict, Forbidden, Invalid, NotFound
from controller.services import investigations, operations, push_work
from controller.store import audit
from controller.store import investigations as rows
from controller.store import operations as operation_rows
from protocol.arms.messages import Kind, Ping
from tests.rows import HEADER, csv_row
from tests.waiting import until


async def opened(registry, *codes: str, **more) -> int:
    report = {"contract": "C1", "title": "Restarts", "observed": "It restarts at night.", "reported_by": "olga"}
    days = more.pop("days", 14)
    return await investigations.open_(
        registry.db,
        investigations.Report(**{**report, **more}, codes=codes),
        days=days,
        caller=registry.support,
        now=registry.clock(),
    )


async def campaign(registry, code: str, serial: str, investigation: int | None, account: str = "sato") -> int:
    """A campaign with one waiting task, as rows; its task's id."""
    async with registry.db.transaction() as tx:
        number = await tx.fetchval(
            "INSERT INTO campaign (account, reason, lines, created_at, investigation) VALUES ($1, '', $2, $3, $4)"
            " RETURNING id",
            *(account, ["show system"], registry.clock(), investigation),
        )
        query = """INSERT INTO task (campaign, code, contract, adapter, due_at)
                   VALUES ($1, $2, 'C1', $3, $4) RETURNING id"""
        return await tx.fetchval(query, number, code, serial, registry.clock())


async def ran(registry, task: int, began: timedelta = timedelta(0), took_s: float = 5) -> None:
    """The task was carried out from `began` after now on."""
    async with registry.db.connection() as connection:
        query = "UPDATE task SET state = 'done', started_at = $2, finished_at = $3 WHERE id = $1"
        at = registry.clock() + began
        await connection.execute(query, task, at, at + timedelta(seconds=took_s))


async def one(registry, table: str, number: int):
    async with registry.db.connection() as connection:
        return await connection.fetchrow(f"SELECT * FROM {table} WHERE id = $1", number)


async def newest(registry, contract: str | None = None):
    return (await audit.page(registry.db, contract=contract, subject=None, before=None, limit=1))[0]


async def test_it_is_open_for_two_weeks_unless_told_otherwise_and_the_operator_sees_it(registry, placed) -> None:
    code, serial = placed

    number = await opened(registry, code)

    row = await rows.one(registry.db, number, registry.clock())
    assert (row["state"], row["adapter_count"]) == ("open", 1)
    assert row["expires_at"] == registry.clock() + timedelta(days=14)
    noted = await newest(registry, "C1")
    assert (noted["action"], noted["account"], noted["detail"]["adapters"]) == ("investigation.open", "sato", [serial])


@pytest.mark.parametrize("reporter", ["", "otto", "sato", "root", "nobody"])
async def test_only_a_registered_operators_report_opens_one(registry, placed, reporter: str) -> None:
    with pytest.raises(Invalid, match=r"registered operators") as refused:
        await opened(registry, placed[0], reported_by=reporter)

    assert "R1.2" in str(refused.value.faults[0])
    noted = await newest(registry)
    assert (noted["action"], noted["outcome"]) == ("investigation.open", "refused")


async def test_adapters_of_another_contract_do_not_get_in(registry, placed, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number, contract="C2"))
    investigation = await opened(registry, placed[0])

    with pytest.raises(Invalid, match=f"E{number}"):
        await opened(registry, f"E{number}")
    with pytest.raises(Invalid, match=f"SER{number:05d}"):
        await investigations.add_adapters(
            registry.db,
            investigation,
            [],
            [f"SER{number:05d}"],
            caller=registry.support,
            now=registry.clock(),
        )


@pytest.mark.parametrize("days", [0, -1, 91])
async def test_the_time_box_has_bounds(registry, placed, days: int) -> None:
    with pytest.raises(Invalid):
        await opened(registry, placed[0], days=days)


async def test_a_lapsed_one_takes_nothing_in_until_it_is_extended(registry, placed, numbers) -> None:
    number = await opened(registry, placed[0], days=1)
    late = registry.clock() + timedelta(days=1)

    with pytest.raises(Conflict, match="lapsed"):
        await investigations.add_adapters(registry.db, number, [placed[0]], [], caller=registry.support, now=late)
    ends = await investigations.extend(registry.db, number, 90, "still seen", caller=registry.support, now=late)

    assert ends == late + timedelta(days=90)
    assert (await rows.one(registry.db, number, late))["state"] == "open"


async def test_closing_ends_all_that_waits_under_it_and_nothing_else(registry, placed) -> None:
    code, serial = placed
    number = await opened(registry, code)
    waiting, other = await campaign(registry, code, serial, number), await campaign(registry, code, serial, None)
    ping = await operations.ask(
        registry.db,
        Kind.PING,
        Ping("192.0.2.1", 2),
        serial,
        reason="",
        investigation=number,
        caller=registry.operator,
        now=registry.clock(),
    )

    ended = await investigations.close(
        registry.db, number, "A defect of 3.40.", caller=registry.support, now=registry.clock()
    )

    task = await one(registry, "task", waiting)
    assert (ended.tasks, ended.operations) == (1, (ping,))
    assert (task["state"], task["finished_at"]) == ("cancelled", registry.clock())
    assert "R2.3" in task["detail"]
    assert (await one(registry, "campaign", task["campaign"]))["state"] == "aborted"
    assert (await operation_rows.one(registry.db, ping))["state"] == "cancelled"
    assert (await one(registry, "task", other))["state"] == "waiting"
    noted = await newest(registry, "C1")
    assert (noted["action"], noted["detail"]["finding"]) == ("investigation.close", "A defect of 3.40.")


async def test_campaigns_are_waited_for_in_the_order_of_their_ids(registry, placed) -> None:
    number = await opened(registry, placed[0])
    first, second = [(await one(registry, "task", await campaign(registry, *placed, number)))["campaign"] for _ in "12"]
    async with registry.db.connection() as connection:  # now a look through the table finds the second one first
        await connection.execute("UPDATE campaign SET priority = 1 WHERE id = $1", first)

    async with registry.db.transaction() as another:
        await another.execute("SELECT FROM campaign WHERE id = $1 FOR NO KEY UPDATE", first)
        pid = await another.fetchval("SELECT pg_backend_pid()")
        closing = asyncio.create_task(closed(registry, number))
        await until(waits_for(registry, pid))
        await another.execute("SELECT FROM campaign WHERE id = $1 FOR NO KEY UPDATE NOWAIT", second)

    assert (await closing).campaigns == (first, second)


async def closed(registry, number: int) -> investigations.Ended:
    return await investigations.close(registry.db, number, "Found.", caller=registry.support, now=registry.clock())


def waits_for(registry, pid: int) -> Callable[[], Awaitable[bool]]:
    async def somebody() -> bool:
        async with registry.db.connection() as connection:
            query = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))"
            return bool(await connection.fetchval(query, pid))

    return somebody


async def test_an_operation_that_somebody_holds_is_not_waited_for_and_cancelled_a_little_later(
    registry, placed
) -> None:
    number = await opened(registry, placed[0])
    held, free = [
        await operations.ask(
            *(registry.db, Kind.PING, Ping("192.0.2.1", 1), placed[1]),
            reason="",
            caller=registry.support,
            now=registry.clock(),
        )
        for _ in "12"
    ]
    async with registry.db.transaction() as another:
        await another.execute("SELECT FROM operation WHERE id = $1 FOR UPDATE", held)
        async with asyncio.timeout(10):
            assert (await closed(registry, number)).operations == (free,)

    await push_work.turn(registry.db, registry.clock())

    row = await one(registry, "operation", held)
    assert (row["state"], row["finished_at"]) == ("cancelled", registry.clock()) and "R2.3" in row["detail"]


async def test_it_is_closed_once_and_with_a_finding(registry, placed) -> None:
    number = await opened(registry, placed[0])
    who = {"caller": registry.support, "now": registry.clock()}

    with pytest.raises(Invalid, match="stays open"):
        await investigations.close(registry.db, number, "  ", **who)
    await investigations.close(registry.db, number, "none", **who)
    with pytest.raises(Conflict, match="closed by sato"):
        await investigations.close(registry.db, number, "again", **who)
    with pytest.raises(Conflict):
        await investigations.extend(registry.db, number, 1, "", **who)


async def test_to_another_contracts_operator_it_does_not_exist(registry, placed) -> None:
    number = await opened(registry, placed[0])

    with pytest.raises(NotFound):
        await investigations.point_at(
            registry.db, number, placed[1], registry.clock(), caller=registry.stranger, now=registry.clock()
        )


async def test_an_execution_time_makes_the_operators_results_of_that_minute_readable(registry, placed) -> None:
    code, serial = placed
    number = await opened(registry, code)
    mine = await campaign(registry, code, serial, None, "olga")
    before = await campaign(registry, code, serial, None, "olga")
    theirs = await campaign(registry, code, serial, None, "root")
    await ran(registry, mine)
    await ran(registry, before, -timedelta(minutes=5))
    await ran(registry, theirs)
    named = registry.clock() + timedelta(seconds=50)

    pointed = await investigations.point_at(
        registry.db, number, serial, named, caller=registry.support, now=registry.clock()
    )

    assert pointed == investigations.Pointed((mine,), ())
    tasks = [{"id": task, "contract": "C1"} for task in (mine, before, theirs)]
    async with registry.db.connection() as connection:
        assert await investigations.readable(connection, registry.support, tasks) == {mine}
        assert await investigations.readable(connection, registry.operator, tasks) == {mine, before, theirs}
        assert await investigations.readable(connection, registry.stranger, tasks) == set()
        assert await investigations.readable(connection, registry.administrator, tasks) == {mine, before, theirs}


async def test_what_ran_on_an_adapter_that_it_does_not_concern_is_pointed_at_only_when_that_was_added(
    registry, placed, numbers
) -> None:
    other = numbers()
    await registry.load(HEADER + csv_row(f"E{other}", other))
    number, serial = await opened(registry, placed[0]), f"SER{other:05d}"
    task = await campaign(registry, f"E{other}", serial, None, "olga")
    await ran(registry, task)
    who = {"caller": registry.support, "now": registry.clock()}

    with pytest.raises(Forbidden, match=r"R2\.2") as refused:
        await investigations.point_at(registry.db, number, serial, registry.clock(), **who)
    noted = await newest(registry, "C1")
    async with registry.db.connection() as connection:
        unread = await investigations.readable(connection, registry.support, [{"id": task, "contract": "C1"}])
    await investigations.add_adapters(registry.db, number, [], [serial], **who)
    pointed = await investigations.point_at(registry.db, number, serial, registry.clock(), **who)

    assert "investigation add {investigation} --adapter {adapter}" in refused.value.next_step
    assert (noted["action"], noted["outcome"], noted["account"]) == ("investigation.point", "refused", "sato")
    assert (unread, pointed.tasks) == (set(), (task,))


async def test_a_time_at_which_nothing_ran_points_at_nothing(registry, placed) -> None:
    number = await opened(registry, placed[0])

    with pytest.raises(NotFound, match="task ls"):
        await investigations.point_at(
            registry.db, number, placed[1], registry.clock(), caller=registry.support, now=registry.clock()
        )


async def test_what_ran_under_an_investigation_stays_readable_after_it(registry, placed) -> None:
    code, serial = placed
    number = await opened(registry, code)
    task = await campaign(registry, code, serial, number, "root")
    await ran(registry, task)
    await investigations.close(registry.db, number, "found", caller=registry.support, now=registry.clock())

    async with registry.db.connection() as connection:
        assert await investigations.may_read(connection, registry.support, {"id": task, "contract": "C1"})
