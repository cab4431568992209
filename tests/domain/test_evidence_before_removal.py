"""Whether an adapter is worth asking, and what a collection has become."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller.domain.evidence import HEARD_WITHIN, Evidence, Seen, may_answer, outcome

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "seen",
    [
        Seen(has_way=True, connected=True),
        Seen(has_way=True, connected=True, heard_at=NOW - 9 * HEARD_WITHIN),
        Seen(has_way=True, heard_at=NOW - HEARD_WITHIN),
        Seen(has_way=True, gone_at=NOW - 2 * HOUR, heard_at=NOW - HOUR),  # it has pulled since
    ],
)
def test_who_is_connected_or_was_heard_lately_is_asked(seen: Seen) -> None:
    assert may_answer(seen, NOW)


@pytest.mark.parametrize(
    "seen",
    [
        Seen(has_way=False, connected=True, heard_at=NOW),  # nothing leads there
        Seen(has_way=True),  # never heard of
        Seen(has_way=True, heard_at=NOW - HEARD_WITHIN - timedelta(seconds=1)),
        Seen(has_way=True, gone_at=NOW - HOUR, heard_at=NOW - 2 * HOUR),
    ],
)
def test_a_swap_does_not_wait_for_an_adapter_that_is_away(seen: Seen) -> None:
    """R3.11: neither adapter needs to be connected."""
    assert not may_answer(seen, NOW)


@pytest.mark.parametrize(
    ("brought", "expected"),
    [
        (["show config", "show log"], Evidence.COLLECTED),
        (["show log", "show config", "show system"], Evidence.COLLECTED),
        (["show config"], Evidence.PARTIAL),
        (["show system"], Evidence.UNREACHABLE),  # not what was asked for
        ([], Evidence.UNREACHABLE),
    ],
)
def test_a_collection_is_what_it_has_brought(brought: list[str], expected: Evidence) -> None:
    assert outcome(["show config", "show log"], brought) is expected
