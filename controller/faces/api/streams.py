"""How many long answers of a kind may be on their way at once.

Streams of events cost a look at the database twice a second each; results that are read through a link hold a part of
them in memory, and who reads them has no account.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from controller.domain.errors import TooMany


def _too_many_events() -> TooMany:
    return TooMany(
        "Too many streams of events are open.",
        next_step="Close one, or ask for the campaign itself now and then.",
        retry_after_s=10,
    )


def _too_many_readers() -> TooMany:
    return TooMany(
        "Too many results are being read through links.",
        next_step="Let those that you are reading end, then open the link again.",
        retry_after_s=10,
    )


@dataclass(slots=True)
class Streams:
    """How many streams are open, in all and by who reads them. most, most_each: the bounds. full: what is raised."""

    most: int = 100
    most_each: int = 10
    full: Callable[[], TooMany] = _too_many_events
    open: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def place(self, reader: str) -> Iterator[None]:
        """Hold a place. Raises TooMany when there is none."""
        if self.open.total() >= self.most or self.open[reader] >= self.most_each:
            raise self.full()
        self.open[reader] += 1
        try:
            yield
        finally:
            self.open[reader] -= 1
            self.open += Counter()  # forget readers that have none


def of_links() -> Streams:
    """Places for results that are read through share links: 20 in all, 4 from one network."""
    return Streams(most=20, most_each=4, full=_too_many_readers)
