"""The window of each day in which firmware updates begin, as requests say it: of one update, of a rollout (R4.2)."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Literal

from pydantic import Field

from controller.domain.update_window import Daily, Schedule
from controller.faces.http.payload import Payload


class DailyWindow(Payload):
    """Updates begin from `opens` until just before `closes`, on the day after where it closes earlier than it opens."""

    opens: time
    closes: time
    days: Annotated[
        list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(max_length=7, default_factory=list)
    ]
    """On which it opens; empty: every day."""
    zone: Annotated[str, Field(max_length=64)] = "Asia/Tokyo"


def schedule(not_before: datetime | None, not_after: datetime | None, daily: DailyWindow | None) -> Schedule:
    """When an update may begin, as the rules know it; whether the window is one, the service says."""
    window = Daily(daily.opens, daily.closes, frozenset(daily.days), daily.zone) if daily else None
    return Schedule(not_before, not_after, window)
