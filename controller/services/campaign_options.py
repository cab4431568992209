"""How a campaign is run: when, how fast, for how long, and when it gives up by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.domain.errors import Fault, Invalid

BACK_WITHIN = timedelta(days=7)
"""How long a task waits for its adapter to be back when nothing else is said."""
FARTHEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Options:
    """How a campaign is run. at: not before (None: at once). expires: what has not begun by then is not begun at all.

    until_back: a task whose adapter cannot be reached waits until it is back, till `expires` or BACK_WITHIN.
    jitter_s: each task is due up to so many seconds later. priority: -10 to 10, higher first. at_once, per_minute:
    bounds of its own. stop_share: it stops itself when more than this share (0 to 1) of at least stop_after ended tasks
    has failed; stop_after None: see ended_before_stopping. investigation: run under this one (R2.3). preset: the title
    of a preset instead of lines, with its variables.
    """

    at: datetime | None = None
    expires: datetime | None = None
    until_back: bool = False
    jitter_s: int = 0
    priority: int = 0
    at_once: int | None = None
    per_minute: int | None = None
    stop_share: float | None = None
    stop_after: int | None = None
    investigation: int | None = None
    preset: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


NO_OPTIONS = Options()


def ended_before_stopping(options: Options, tasks: int) -> int:
    """How many tasks must have ended before a campaign of so many stops itself: a few failures at the start of a large
    one say little, and a small one must not be over by then."""
    return options.stop_after or min(10, max(3, tasks // 3))


def check_times(at: datetime | None, expires: datetime | None, now: datetime) -> None:
    """Raises Invalid for a beginning more than a year ahead, and an end before it or more than two years ahead."""
    begins = max(at or now, now)
    faults = []
    if begins > now + FARTHEST:
        faults.append(Fault("at", "More than a year ahead."))
    if expires and not begins < expires <= now + 2 * FARTHEST:
        faults.append(Fault("expires", "It must lie after the beginning, and within two years."))
    if faults:
        raise Invalid("These times make no sense.", next_step="Give other ones.", faults=faults)
