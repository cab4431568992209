"""Rules of telling: what a subscription may ask for, and when a delivery that did not go through is tried again."""

from __future__ import annotations

import re
from datetime import timedelta

_MINUTE, _HOUR = 60, 3600
WAITS_S = (
    *(1 * _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, 40 * _MINUTE),
    *(1 * _HOUR, 2 * _HOUR, 4 * _HOUR, 8 * _HOUR, 12 * _HOUR, 12 * _HOUR, 12 * _HOUR, 12 * _HOUR),
)
"""Between one attempt and the next: 15 attempts in two and a half days, over a weekend."""

MAX_ATTEMPTS = len(WAITS_S) + 1
_JITTER = 0.2

TEST = "subscription.test"
"""The topic of what `subscription test` sends. Nobody else is told of it."""

_PATTERN = re.compile(r"\*|[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*(\.\*)?")
MAX_PATTERN = 100


def pause(attempts: int, chance: float) -> timedelta | None:
    """How long to wait after so many attempts, None when that was the last one. chance: from 0 to 1; moves it by up to
    a fifth either way, so that what failed together does not come back together."""
    if attempts >= MAX_ATTEMPTS:
        return None
    return timedelta(seconds=WAITS_S[max(attempts, 1) - 1] * (1 + _JITTER * (2 * chance - 1)))


def is_pattern(text: str) -> bool:
    """A topic ("exchange.overdue"), all below a word ("exchange.*"), or everything ("*")."""
    return len(text) <= MAX_PATTERN and _PATTERN.fullmatch(text) is not None


_MAIL_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


def is_mail_address(text: str) -> bool:
    """A plain address, local@domain, as RFC 5321 4.1.2 without quoting and RFC 6531 without its letters; lengths of
    4.5.3.1. A display name, a comment, a second address or a line end makes it none, and so does what mail programs
    decode (RFC 2047)."""
    local, _, domain = text.rpartition("@")
    return _MAIL_ADDRESS.fullmatch(text) is not None and "=?" not in text and len(local) <= 64 and len(domain) <= 253
