"""Waiting in tests for the thing itself: ask until it is so, with a deadline instead of a hope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T]], *, deadline_s: float = 20, every_s: float = 0.02) -> T:
    """The first true answer of `condition`. Raises tenacity.RetryError when the deadline passes."""
    retrying = AsyncRetrying(
        retry=retry_if_result(lambda answer: not answer), wait=wait_fixed(every_s), stop=stop_after_delay(deadline_s)
    )
    return await retrying(condition)
