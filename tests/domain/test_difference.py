"""Unified diffs of configs: what they say, that they lead from one text to the other, and that none takes minutes."""

from __future__ import annotations

import difflib
import re

from hypothesis import given
from hypothesis import strategies as st

from controller.domain import difference as module
from controller.domain.difference import difference

NAMES = ("running", "pushed")
TEXTS = st.lists(st.sampled_from(["", "!", "a", "b", "c", *(f"line {n}" for n in range(9))]), max_size=30).map(
    lambda lines: "".join(f"{line}\n" for line in lines).encode()
)


def patched(before: bytes, diff: str) -> bytes:
    """What `patch` makes of it."""
    old, new, at = before.decode().splitlines(), [], 0
    for line in diff.splitlines()[2:]:
        hunk = re.match(r"@@ -(\d+)(?:,(\d+))? ", line)
        if hunk:
            start = int(hunk[1]) - (hunk[2] != "0")
            new, at = new + old[at:start], start
        elif line.startswith("+"):
            new.append(line[1:])
        else:
            assert old[at] == line[1:]
            new, at = new + [line[1:]] * line.startswith(" "), at + 1
    return "".join(f"{line}\n" for line in new + old[at:]).encode()


@given(TEXTS, TEXTS)
def test_it_leads_from_one_text_to_the_other(before: bytes, after: bytes) -> None:
    diff = difference(before, after, names=NAMES)

    assert patched(before, diff) == after
    assert (diff == "") is (before == after)


def test_it_is_written_as_difflib_writes_it() -> None:
    before, after = b"a\nb\nc\nd\ne\nf\ng\n", b"a\nb\nc\nX\ne\nf\ng\nh\n"

    expected = difflib.unified_diff(before.decode().split(), after.decode().split(), *NAMES, lineterm="")
    assert difference(before, after, names=NAMES).splitlines() == list(expected)


def test_two_large_configs_without_anything_in_common_are_shown_whole() -> None:
    before, after = (b"".join(b"%s %d\n" % (word, n) for n in range(30_000)) for word in (b"one", b"two"))

    lines = difference(before, after, names=NAMES).splitlines()

    assert len(lines) == 60_003 and lines[2] == "@@ -1,30000 +1,30000 @@"


def test_no_more_lines_are_compared_than_there_is_time_for(monkeypatch) -> None:
    compared = 0

    class Counted(difflib.SequenceMatcher):
        def __init__(self, junk=None, old=(), new=()) -> None:
            nonlocal compared
            compared += len(old) * len(new)
            super().__init__(junk, old, new)

    monkeypatch.setattr(module.difflib, "SequenceMatcher", Counted)
    kept = [b"same %d" % n for n in range(30_000)]
    changed = [line if n % 2 else b"other %d" % n for n, line in enumerate(kept)]
    few_words = [[b"word %d" % (n * step % 110) for n in range(30_000)] for step in (1, 7)]

    for before, after in ((kept, changed), few_words):
        compared = 0
        diff = difference(b"\n".join(before), b"\n".join(after), names=NAMES)
        assert patched(b"\n".join(before), diff) == b"\n".join(after) + b"\n"
        assert compared <= 4_000_000
