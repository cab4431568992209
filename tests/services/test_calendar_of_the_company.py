"""The company's days in the database: what a new installation has, who changed them, what cannot be kept."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta

import pytest

from controller.domain.calendar import DEFAULT, return_due
from controller.domain.errors import JST, Conflict, Invalid, NotFound
from controller.services import calendar
from controller.store import audit
from tests.registry_fixtures import Registry


async def keep(registry: Registry, day: str, name: str = "a day", *, works: bool = False) -> None:
    await calendar.keep(
        registry.db, day, name, works=works, caller=registry.administrator, now=registry.clock.forward(seconds=1)
    )


async def forget(registry: Registry, day: str) -> None:
    await calendar.forget(registry.db, day, caller=registry.administrator, now=registry.clock.forward(seconds=1))


async def test_a_new_installation_closes_over_the_year_end(registry: Registry) -> None:
    """R1.3 (29 Dec-3 Jan): the database and the rules have the same days from the start."""
    kept = await calendar.current(registry.db)

    assert sorted(own.day for own in kept.company) == sorted(own.day for own in DEFAULT.company)
    days = [date(2026, 12, 20) + timedelta(n) for n in range(20)]
    assert [kept.closed(day) for day in days] == [DEFAULT.closed(day) for day in days]


async def test_a_day_is_kept_changed_and_dropped_and_the_trail_says_by_whom(registry: Registry) -> None:
    """R1.3: calendar data, editable."""
    await keep(registry, "2027-06-01", "anniversary")
    closed = (await calendar.current(registry.db)).closed(date(2027, 6, 1))
    await keep(registry, "2027-06-01", "anniversary, worked", works=True)
    opened = (await calendar.current(registry.db)).closed(date(2027, 6, 1))
    await forget(registry, "2027-06-01")

    assert (closed, opened) == ("anniversary", None)
    trail = await audit.page(registry.db, before=None, limit=10, subject="2027-06-01")
    assert [(row["action"], row["account"], row["detail"].get("works")) for row in trail] == [
        ("calendar.forget", "root", None),
        ("calendar.keep", "root", True),
        ("calendar.keep", "root", False),
    ]


async def test_a_day_that_was_never_kept_cannot_be_dropped(registry: Registry) -> None:
    with pytest.raises(NotFound, match="2027-06-02"):
        await forget(registry, "2027-06-02")


async def test_a_year_without_any_business_day_is_refused_and_nothing_changes(registry: Registry) -> None:
    year = [f"{date(2000, 1, 1) + timedelta(n):%m-%d}" for n in range(366)]
    async with registry.db.transaction() as tx:
        await tx.executemany(
            "INSERT INTO company_holiday VALUES ($1, 'closed', false, 'root', now()) ON CONFLICT DO NOTHING",
            [(day,) for day in year if day != "06-03"],
        )
    try:
        with pytest.raises(Invalid, match="no business day"):
            await keep(registry, "06-03")

        assert not any(own.day == "06-03" for own in (await calendar.current(registry.db)).company)
    finally:
        async with registry.db.transaction() as tx:
            await tx.execute("DELETE FROM company_holiday WHERE name = 'closed'")


async def test_there_is_room_for_a_thousand_days_and_no_more(registry: Registry) -> None:
    days = [(date(2030, 1, 1) + timedelta(n)).isoformat() for n in range(calendar.MOST)]
    async with registry.db.transaction() as tx:
        had = await tx.fetchval("SELECT count(*) FROM company_holiday")
        await tx.executemany(
            "INSERT INTO company_holiday VALUES ($1, 'worked', true, 'root', now())",
            [(day,) for day in days[: calendar.MOST - had - 1]],
        )
    try:
        both = await asyncio.gather(keep(registry, "2040-01-01"), keep(registry, "2040-01-02"), return_exceptions=True)

        assert sorted(type(result).__name__ for result in both) == ["Conflict", "NoneType"]
        with pytest.raises(Conflict, match="1000"):
            await keep(registry, "2040-01-03")
        await keep(registry, days[0], "changed")
    finally:
        async with registry.db.transaction() as tx:
            await tx.execute("DELETE FROM company_holiday WHERE day >= '2029'")


@pytest.mark.parametrize("at", ["2026-06-01T00:00", "2026-06-01T23:59:59", "2027-01-31T12:00", "2028-02-29T08:59"])
async def test_the_database_and_the_rules_give_a_return_the_same_days(registry: Registry, at: str) -> None:
    """R3.9. The one names the last second, the other may name the midnight that follows it."""
    moment = datetime.fromisoformat(at).replace(tzinfo=JST)

    async with registry.db.connection() as connection:
        due = await connection.fetchval("SELECT return_due($1)", moment)

    assert timedelta(0) <= due - return_due(moment) <= timedelta(seconds=1)
