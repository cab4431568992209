"""What the clock does for cases: registrations that are due, boots, arrivals, returns, reminders. One turn at a time.

By any number of controllers: each move is a compare-and-set. A case that cannot go on is told once a day and does not
keep the others; it is tried again every turn, and why it stands still is written in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import structlog

from controller.domain.access import CONTROLLER
from controller.domain.calendar import Calendar
from controller.domain.errors import ControllerError, ForStaff
from controller.domain.evidence import COLLECT_WITHIN
from controller.domain.exchange import Event
from controller.domain.exchange_deadlines import ChangeRule
from controller.domain.sentence import sentence
from controller.domain.why import kept
from controller.services import calendar as days
from controller.services.exchange_effects import Given, boot_lacks
from controller.services.exchange_moving import OutOfOrder, advance, told_to_contract
from controller.store import exchange_cases, exchange_due
from controller.store.pool import TROUBLE, Database, is_away
from controller.store.secrets import Secrets

log = structlog.get_logger()

EVERY_S = 1.0
"""So soon is a replacement that has called home registered: it asks again in a few seconds. A turn with nothing to do
is six questions, each by an index."""
_PAGE = 100
_INTERNAL = sentence("An internal error keeps it from going on; the controller's log has it.")


async def run(
    db: Database, vault: Secrets, clock: Callable[[], datetime], rule: ChangeRule, moved: Callable[[], None]
) -> None:
    """Turns until cancelled; a database that is away is tried again.

    moved: called when cases moved, so that connected adapters are told of a changed registration at once.
    """
    while True:
        try:
            if await turn(db, vault, await days.current(db), now=clock(), rule=rule):
                moved()
        except TROUBLE as error:
            log.warning("exchanges must wait for the database", error=str(error) or type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def turn(
    db: Database,
    vault: Secrets,
    calendar: Calendar,
    *,
    now: datetime,
    rule: ChangeRule = ChangeRule.BEFORE_ARRIVAL,
) -> int:
    """Do all that is due; how many cases moved. May be repeated at any time.

    rule: by hand, a replacement that calls home is not registered before the desk says so.
    """
    at_call = rule is not ChangeRule.BY_HAND
    act = partial(_act, db, vault, calendar, now)
    change = partial(exchange_due.to_change, db, now, at_call=at_call, waited_since=now - COLLECT_WITHIN)
    moved = await _each(change, partial(act, Event.CHANGE_REGISTRATION))
    moved += await _each(partial(exchange_due.to_confirm, db), partial(act, Event.CONFIRM_BOOT))
    moved += await _each(partial(exchange_due.to_deliver, db), partial(act, Event.DELIVER))
    moved += await _each(partial(exchange_due.overdue, db, now), partial(act, Event.DEADLINE_PASSED))
    moved += await _each(partial(exchange_due.complete, db), partial(act, Event.CLOSE))
    while reminded := await exchange_due.remind(db, now, limit=_PAGE):
        for row in reminded:
            log.info("people are reminded of an exchange", exchange=row["exchange"], what=row["what"])
    return moved


async def _each(page: Callable[..., Awaitable[list[int]]], act: Callable[[int], Awaitable[bool]]) -> int:
    after, moved, full = 0, 0, True
    while full:
        found = await page(after=after, limit=_PAGE)
        for exchange in found:
            moved += await act(exchange)
        full, after = len(found) == _PAGE, max(found, default=0)
    return moved


async def _act(db: Database, vault: Secrets, calendar: Calendar, now: datetime, event: Event, exchange: int) -> bool:
    try:
        if event is Event.CONFIRM_BOOT and not await _booted(db, exchange):
            return False  # it is under way, and no trouble
        moved = await advance(db, vault, exchange, event, Given(), calendar, caller=CONTROLLER, now=now)
    except OutOfOrder:
        return False  # somebody was quicker
    except ControllerError as error:
        whole = kept(error) if isinstance(error, ForStaff) else None
        if await exchange_due.stuck(db, exchange, kept(told_to_contract(error)), now, for_staff=whole):
            log.warning("an exchange cannot go on", exchange=exchange, cause=event.value, error=str(error))
        return False
    except Exception as error:
        if is_away(error):
            raise
        log.exception("an exchange cannot go on", exchange=exchange, cause=event.value)
        await exchange_due.stuck(db, exchange, kept(_INTERNAL), now)
        return False
    if not moved.already:
        log.info("an exchange went on by the clock", exchange=exchange, cause=event.value, state=moved.to_state.value)
    return not moved.already


async def _booted(db: Database, exchange: int) -> bool:
    async with db.connection() as connection:
        row = await exchange_cases.one(connection, exchange)
        return row is not None and not await boot_lacks(connection, row)
