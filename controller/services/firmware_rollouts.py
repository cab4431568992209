"""Staged rollouts of a firmware version, steered by people and by withdrawals. Carrying out: firmware_rollout_turn.py."""

from __future__ import annotations

from datetime import datetime

from controller.domain.sentence import Sentence
from controller.store.pool import Connection


async def stop_all_of(tx: Connection, series: str, version: str, why: Sentence, now: datetime) -> int:
    """Stop every rollout of a version that is withdrawn, in the transaction that withdraws it (R4.3); how many.

    No other update of it is ordered from the commit on. Updates that were ordered are the caller's to cancel
    (services/firmware_updates.cancel_all_of).
    """
    raise NotImplementedError
