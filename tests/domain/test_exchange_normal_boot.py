"""R3.17: what a normal boot is, and what one that is not complete lacks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.domain.normal_boot import Boot, missing

CHANGED = datetime(2026, 11, 16, 3, 0, tzinfo=UTC)
around = st.none() | st.integers(-60, 60).map(lambda minutes: CHANGED + timedelta(minutes=minutes))
boots = st.builds(Boot, around, around, st.booleans(), around, around)


def _after(minutes: int) -> datetime:
    return CHANGED + timedelta(minutes=minutes)


def test_a_normal_boot_lacks_nothing() -> None:
    """R3.17."""
    assert missing(Boot(_after(1), _after(2), True, _after(3), _after(2)), CHANGED) == ()


def test_nothing_seen_lacks_everything_in_the_order_in_which_it_happens() -> None:
    """R3.17."""
    assert [str(each) for each in missing(Boot(), CHANGED)] == [
        "it has not pulled the config since the change",
        "it has not applied the config",
        "it is not reachable",
        "no heartbeat has come since the change",
    ]


def test_a_config_pulled_again_has_yet_to_be_applied() -> None:
    """R3.17: a method query from before the last pull belongs to an earlier boot."""
    lacking = missing(Boot(_after(5), _after(2), True, _after(3)), CHANGED)

    assert [str(each) for each in lacking] == ["it has not applied the config"]


@given(boots)
def test_what_was_seen_before_the_change_proves_nothing(boot: Boot) -> None:
    """R3.17: since the change."""
    times = (boot.config_pulled_at, boot.applied_at, boot.heartbeat_at)
    if any(at is None or at < CHANGED for at in times):
        assert missing(boot, CHANGED)


@given(boots)
def test_a_spare_is_asked_for_nothing_but_a_call(boot: Boot) -> None:
    """R3.17 on a standby code."""
    seen = boot.seen_at is not None and boot.seen_at >= CHANGED

    assert bool(missing(boot, CHANGED, standby=True)) is not seen
