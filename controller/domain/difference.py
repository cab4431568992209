"""What changes from one text to another, as a unified diff, in bounded time: a config may have 60,000 lines.

difflib alone takes minutes for some of these (every other line changed: 19 s for 20,000 lines). So lines that both
texts have exactly once, in the same order, are taken as unchanged, and difflib only looks in between (Cohen's patience
diff).
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

_MAX_COMPARED = 4_000_000
"""Pairs of lines in all. What lies between two unchanged lines and is beyond is shown as one change."""


def difference(before: bytes, after: bytes, *, names: tuple[str, str]) -> str:
    """With three lines around each change; "" when there is none. Bytes that are no UTF-8 show as U+FFFD."""
    old, new = (body.decode(errors="replace").splitlines() for body in (before, after))
    matcher = _Matched([*_joined(_matches(old, new)), difflib.Match(len(old), len(new), 0)])
    lines = [line for group in matcher.get_grouped_opcodes(3) for line in _hunk(group, old, new)]
    return "\n".join([f"--- {names[0]}", f"+++ {names[1]}", *lines]) + "\n" if lines else ""


class _Matched(difflib.SequenceMatcher[str]):
    """What stays is known; difflib groups the changes."""

    def __init__(self, blocks: list[difflib.Match]) -> None:
        super().__init__()
        self._blocks = blocks

    def get_matching_blocks(self) -> list[difflib.Match]:
        return self._blocks


def _matches(old: Sequence[str], new: Sequence[str]) -> Iterator[difflib.Match]:
    """Runs of lines that stay, in order."""
    budget, at, to = _MAX_COMPARED, 0, 0
    for i, j in [*_anchors(old, new), (len(old), len(new))]:
        while at < i and to < j and old[at] == new[to]:
            yield difflib.Match(at, to, 1)
            at, to = at + 1, to + 1
        pairs = (i - at) * (j - to)
        if pairs and pairs <= budget:
            budget -= pairs
            for found in difflib.SequenceMatcher(None, old[at:i], new[to:j]).get_matching_blocks():
                if found.size:
                    yield difflib.Match(at + found.a, to + found.b, found.size)
        if i < len(old) and j < len(new):
            yield difflib.Match(i, j, 1)
        at, to = i + 1, j + 1


def _joined(matches: Iterator[difflib.Match]) -> Iterator[difflib.Match]:
    """Runs that follow each other without a gap as one, as difflib wants them."""
    run = difflib.Match(0, 0, 0)
    for each in matches:
        if (each.a, each.b) == (run.a + run.size, run.b + run.size):
            run = difflib.Match(run.a, run.b, run.size + each.size)
        else:
            yield from (run,) if run.size else ()
            run = each
    yield from (run,) if run.size else ()


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Lines that are in each exactly once: the most of them that are in the same order (patience sorting)."""
    counted = [Counter(lines) for lines in (old, new)]
    where = {line: j for j, line in enumerate(new) if counted[1][line] == 1}
    both = [(i, where[line]) for i, line in enumerate(old) if counted[0][line] == 1 and line in where]
    ends: list[int] = []  # the smallest place in `new` at which a chain of each length ends
    tops: list[int] = []  # which of `both` that is
    before: list[int] = []
    for number, (_, j) in enumerate(both):
        length = bisect_left(ends, j)
        ends[length : length + 1], tops[length : length + 1] = [j], [number]
        before.append(tops[length - 1] if length else -1)
    chain, number = [], tops[-1] if tops else -1
    while number >= 0:
        chain.append(both[number])
        number = before[number]
    return chain[::-1]


def _hunk(group: Sequence[tuple[str, int, int, int, int]], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    first, last = group[0], group[-1]
    yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@"
    for tag, i1, i2, j1, j2 in group:
        if tag == "equal":
            yield from (f" {line}" for line in old[i1:i2])
        else:
            yield from (f"-{line}" for line in old[i1:i2])
            yield from (f"+{line}" for line in new[j1:j2])


def _range(start: int, stop: int) -> str:
    """As `diff -u` writes it."""
    length = stop - start
    return f"{start + (length > 0)}" if length == 1 else f"{start + (length > 0)},{length}"
