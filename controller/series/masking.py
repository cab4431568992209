"""Secrets in what adapters print: what they look like in each config language, and how they are taken out.

A pattern has one group, `secret`; what it matches is replaced by MASK before anything is stored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK = b"********"

STATEMENTS: tuple[re.Pattern[bytes], ...] = (
    re.compile(rb'(?m)\b(?:passphrase|password|preshared-key|secret|community) "?(?P<secret>(?:[^"\s\\]|\\.)+)'),
)
"""The statement family: a keyword, a blank, the secret with or without quotes."""

KEY_VALUE: tuple[re.Pattern[bytes], ...] = (
    re.compile(
        rb"(?m)^[^:\s]*(?:password|passphrase|preshared-key|secret|community|wpa-key|privatekey)[^:\s]*:[ \t]*"
        rb"(?P<secret>[^\r\n]+)"
    ),
)
"""The key-value lines: a key whose name says it, a colon, the secret up to the end of the line."""


def mask(patterns: Sequence[re.Pattern[bytes]], text: bytes) -> tuple[bytes, int]:
    """The text with MASK in place of every secret, and how many there were."""
    count = 0

    def masked(found: re.Match[bytes]) -> bytes:
        nonlocal count
        count += 1
        start, end = found.span("secret")
        whole = found.group()
        return whole[: start - found.start()] + MASK + whole[end - found.start() :]

    for pattern in patterns:
        text = pattern.sub(masked, text)
    return text, count
