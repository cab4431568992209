"""How long evidence is kept: so many days, and longer while an open investigation needs it."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from controller.store import retention
from controller.store.pool import Database

log = structlog.get_logger()

_AT_ONCE = 500
_STEPS = 4  # of one turn: a turn takes well under a second


async def turn(db: Database, now: datetime, kept: timedelta) -> int:
    """Delete transcripts older than `kept`, at most 2,000 a turn; how many. To be called by the clock, by any number of
    controllers. Each step is a transaction of its own with its audit rows."""
    gone = 0
    for _ in range(_STEPS):
        went = await retention.expire(db, now - kept, now, _AT_ONCE)
        gone += went
        if went < _AT_ONCE:
            break
    if gone:
        log.info("transcripts reached their age", transcripts=gone, kept_days=kept.days)
    return gone
