"""The calendar that holds now, and changing the company's days in it (R1.3). What a day means: domain/calendar.py."""

from __future__ import annotations

from datetime import datetime

from controller.domain.access import Caller
from controller.domain.calendar import Calendar, CompanyDay, company_day, day_of
from controller.domain.errors import Conflict, NotFound
from controller.store import audit
from controller.store import calendar as days
from controller.store.pool import Connection, Database

MOST = 1000
"""Days of the company's own. Each estimate reads them all."""


async def current(db: Database) -> Calendar:
    """The calendar with the company's days as they are kept now."""
    async with db.connection() as connection:
        return await within(connection)


async def within(connection: Connection) -> Calendar:
    """The same, as the caller's transaction sees it."""
    rows = await days.every(connection)
    return Calendar(tuple(CompanyDay(row["day"], row["name"], row["works"]) for row in rows))


async def keep(db: Database, day: str, name: str, *, works: bool, caller: Caller, now: datetime) -> CompanyDay:
    """Keep a day of the company's own instead of what was kept for it. For administrators.

    Estimates that were given stay as they are; later ones count with it.
    Raises Invalid (no such day, a year without any business day), Conflict (there are MOST of them).
    """
    own = company_day(day, name, works=works)
    async with db.transaction() as tx:
        await days.only_editor(tx)
        await days.keep(tx, own.day, own.name, own.works, caller=caller, now=now)
        calendar = await within(tx)
        if len(calendar.company) > MOST:
            raise Conflict(
                "The calendar has {most} days of the company's own already.",
                next_step="Drop those that are over: hikitsugi calendar holiday rm DAY.",
                most=MOST,
            )
        calendar.after(day_of(now), 1)  # not closed for ever
        detail = {"name": own.name, "works": own.works}
        await audit.write(tx, caller, "calendar.keep", own.day, now=now, detail=detail)
    return own


async def forget(db: Database, day: str, *, caller: Caller, now: datetime) -> None:
    """Drop a day of the company's own; weekday and public holidays hold again. For administrators. Raises NotFound."""
    async with db.transaction() as tx:
        await days.only_editor(tx)
        if not await days.drop(tx, day):
            raise NotFound(
                "The company has no day {day} of its own.",
                next_step="hikitsugi calendar holiday ls lists them.",
                day=day,
            )
        await audit.write(tx, caller, "calendar.forget", day, now=now)
