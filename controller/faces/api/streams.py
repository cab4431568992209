"""How many streams of events may be open at once: each costs a look at the database twice a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from controller.domain.errors import TooMany


@dataclass(slots=True)
class Streams:
    """How many streams are open, in all and by account. most, most_each: the bounds."""

    most: int = 100
    most_each: int = 10
    open: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def place(self, account: str) -> Iterator[None]:
        """Hold a place. Raises TooMany when there is none."""
        if self.open.total() >= self.most or self.open[account] >= self.most_each:
            raise TooMany(
                "Too many streams of events are open.",
                next_step="Close one, or ask for the campaign itself now and then.",
                retry_after_s=10,
            )
        self.open[account] += 1
        try:
            yield
        finally:
            self.open[account] -= 1
            self.open += Counter()  # forget accounts that have none
