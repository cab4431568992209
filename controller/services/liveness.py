"""Judges who is connected, every few seconds. The rule is domain/liveness.py. Any number of controllers may do it.

A verdict, its event and its outbox row are one transaction; rows that another controller judges are passed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from controller.domain.liveness import Rule, State, judge
from controller.store import connections
from controller.store.pool import TROUBLE, Database

log = structlog.get_logger()

EVERY_S = 5.0
_PAGE = 1_000  # adapters a transaction: 10 ms or so, in which their heartbeats wait


async def run(db: Database, rule: Rule, clock: Callable[[], datetime], listening_since: Callable[[], datetime]) -> None:
    """Judge until cancelled; a database that is away is tried again at the next turn.

    listening_since: since when this controller has taken in every heartbeat that arrived (`Intake.listening_since`).
    """
    while True:
        try:
            await turn(db, rule, clock(), listening_since())
        except TROUBLE as error:
            log.warning("connections cannot be judged; trying again", error=str(error) or type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def turn(db: Database, rule: Rule, now: datetime, listening_since: datetime) -> int:
    """Judge everybody a verdict is due for, page by page; returns how many states changed. May be repeated."""
    after, changed, full = "", 0, True
    while full:
        async with db.transaction() as tx:
            known = await connections.to_judge(tx, rule, now, after=after, limit=_PAGE)
            judged = {serial: judge(each, rule, now, listening_since) for serial, each in known.items()}
            verdicts = {serial: verdict for serial, verdict in judged.items() if verdict is not None}
            if verdicts:
                await connections.record(tx, verdicts, now)
        moved = {serial: verdict for serial, verdict in verdicts.items() if verdict.cause is not None}
        for serial, verdict in moved.items():
            tell = log.info if verdict.state is State.CONNECTED else log.warning
            tell(f"adapter {verdict.state}", adapter=serial, cause=verdict.cause)
        full, after, changed = len(known) == _PAGE, max(known, default=""), changed + len(moved)
    return changed
