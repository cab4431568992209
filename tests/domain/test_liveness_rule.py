"""Who is connected: the rule, case by case, and what holds for every history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.liveness import Cause, Known, Rule, State, Verdict, judge

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ALWAYS = NOW - timedelta(days=1)
RULE = Rule()
UP, DOWN = State.CONNECTED, State.DISCONNECTED


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def known(
    state: State,
    *,
    downs: int = 0,
    checked: float | None = 300,
    heard: float | None = None,
    tunnel: bool = False,
    lost: float | None = None,
) -> Known:
    """Times as seconds ago."""
    at = [None if each is None else ago(each) for each in (checked, heard, lost)]
    return Known(state, downs, at[0], at[1], tunnel, at[2])


CHECKS = [
    ("never heard: disconnected stays", known(DOWN, checked=None), Verdict(DOWN, 1, checked=True)),
    ("one UP connects", known(DOWN, downs=3, heard=10), Verdict(UP, 0, Cause.HEARTBEAT, checked=True)),
    ("the first check is at once", known(DOWN, checked=None, heard=1), Verdict(UP, 0, Cause.HEARTBEAT, checked=True)),
    ("a heartbeat 300 s old is UP", known(UP, downs=2, heard=300), Verdict(UP, 0, checked=True)),
    ("one 301 s old is DOWN", known(UP, heard=301), Verdict(UP, 1, checked=True)),
    (
        "a late check has no gap before it",
        known(DOWN, checked=310, heard=309),
        Verdict(UP, 0, Cause.HEARTBEAT, checked=True),
    ),
    ("a very late one goes by its own time", known(UP, checked=3600, heard=3599), Verdict(UP, 1, checked=True)),
    ("two DOWN keep it connected", known(UP, downs=1, heard=700), Verdict(UP, 2, checked=True)),
    ("three DOWN disconnect", known(UP, downs=2, heard=900), Verdict(DOWN, 3, Cause.NO_HEARTBEAT, checked=True)),
    ("more DOWN change nothing", known(DOWN, downs=3, heard=9000), Verdict(DOWN, 3, checked=True)),
    ("not due: nothing", known(UP, checked=299, heard=9000), None),
    ("checked by a controller whose clock is ahead: not due", known(UP, checked=-60, heard=9000), None),
    ("checked before the clock was set back: due", known(UP, checked=-300, heard=10), Verdict(UP, 0, checked=True)),
    ("a held tunnel is UP", known(UP, heard=9000, tunnel=True), Verdict(UP, 0, checked=True, loss_settled=True)),
    (
        "... and connects",
        known(DOWN, downs=3, tunnel=True),
        Verdict(UP, 0, Cause.TUNNEL, checked=True, loss_settled=True),
    ),
]

LOSSES = [
    (
        "30 s without it, nothing heard since",
        known(UP, checked=9, heard=40, lost=30),
        Verdict(DOWN, 0, Cause.TUNNEL_LOST),
    ),
    ("never heard at all", known(UP, checked=9, lost=31), Verdict(DOWN, 0, Cause.TUNNEL_LOST)),
    ("29 s: it may still come back", known(UP, checked=9, heard=40, lost=29), None),
    ("it came back", known(UP, checked=9, lost=60, tunnel=True), Verdict(UP, 0, loss_settled=True)),
    ("heard since the loss", known(UP, checked=9, heard=20, lost=60), Verdict(UP, 0, loss_settled=True)),
    ("disconnected already", known(DOWN, downs=3, checked=9, lost=60), None),
    ("a check at the same time is no way out", known(UP, heard=40, lost=30), Verdict(DOWN, 0, Cause.TUNNEL_LOST)),
    ("heard before the loss does not connect", known(DOWN, heard=90, lost=80), Verdict(DOWN, 1, checked=True)),
    (
        "heard after the loss does",
        known(DOWN, heard=70, lost=80),
        Verdict(UP, 0, Cause.HEARTBEAT, checked=True, loss_settled=True),
    ),
    ("within its grace a check goes by heartbeats", known(UP, heard=40, lost=10), Verdict(UP, 0, checked=True)),
]


@pytest.mark.parametrize(("before", "verdict"), [case[1:] for case in CHECKS], ids=[case[0] for case in CHECKS])
def test_checks_connect_and_disconnect(before: Known, verdict: Verdict | None) -> None:
    assert judge(before, RULE, NOW, ALWAYS) == verdict


@pytest.mark.parametrize(("before", "verdict"), [case[1:] for case in LOSSES], ids=[case[0] for case in LOSSES])
def test_a_lost_tunnel_disconnects_at_once(before: Known, verdict: Verdict | None) -> None:
    assert judge(before, RULE, NOW, ALWAYS) == verdict


def test_nobody_is_blamed_for_a_time_in_which_nobody_listened() -> None:
    silent, lost = known(UP, downs=2, heard=9000), known(UP, checked=9, heard=9000, lost=9000)

    assert judge(silent, RULE, NOW, ago(299)) is None
    assert judge(silent, RULE, NOW, ago(300)) == Verdict(DOWN, 3, Cause.NO_HEARTBEAT, checked=True)
    assert judge(lost, RULE, NOW, ago(29)) is None
    assert judge(lost, RULE, NOW, ago(30)) == Verdict(DOWN, 0, Cause.TUNNEL_LOST)


def test_whoever_has_just_begun_to_listen_still_connects_those_it_hears() -> None:
    assert judge(known(DOWN, heard=2), RULE, NOW, ago(3)) == Verdict(UP, 0, Cause.HEARTBEAT, checked=True)


def test_every_value_of_the_rule_counts() -> None:
    quick = Rule(check=timedelta(seconds=10), downs=1, tunnel_grace=timedelta(seconds=5))

    assert judge(known(UP, checked=10, heard=11), quick, NOW, ALWAYS) == Verdict(
        DOWN, 1, Cause.NO_HEARTBEAT, checked=True
    )
    assert judge(known(UP, checked=9, lost=5), quick, NOW, ALWAYS) == Verdict(DOWN, 0, Cause.TUNNEL_LOST)


# A history: what happens in each of many 10-second steps, judged after each as the controller does.
EVENTS = st.lists(st.sampled_from(["", "", "", "heartbeat", "tunnel up", "tunnel lost"]), min_size=1, max_size=300)
STEP = timedelta(seconds=10)


def happen(each: Known, event: str, now: datetime) -> Known:
    """What confirm_push, forget_tunnels and a stored heartbeat do to the row."""
    match event:
        case "heartbeat":
            return replace(each, last_heartbeat_at=now)
        case "tunnel up":
            return replace(each, state=UP, downs=0, holds_tunnel=True, tunnel_lost_at=None)
        case "tunnel lost" if each.holds_tunnel:
            return replace(each, holds_tunnel=False, tunnel_lost_at=now)
    return each


def write(each: Known, verdict: Verdict | None, now: datetime) -> Known:
    """What store/connections.record does to the row."""
    if verdict is None:
        return each
    return replace(
        each,
        state=verdict.state,
        downs=verdict.downs,
        checked_at=now if verdict.checked else each.checked_at,
        tunnel_lost_at=None if verdict.loss_settled else each.tunnel_lost_at,
    )


def history(events: list[str]) -> list[tuple[datetime, Known, Verdict | None, Known]]:
    """Per step: the time, the row before the verdict, the verdict, the row after it."""
    each, steps = Known(), []
    for number, event in enumerate(events):
        now = NOW + number * STEP
        before = happen(each, event, now)
        verdict = judge(before, RULE, now, ALWAYS)
        each = write(before, verdict, now)
        steps.append((now, before, verdict, each))
    return steps


@given(EVENTS)
def test_whoever_is_heard_or_holds_a_tunnel_is_never_disconnected(events: list[str]) -> None:
    for now, before, verdict, _ in history(events):
        fresh = before.last_heartbeat_at is not None and now - before.last_heartbeat_at <= STEP
        if before.state is UP and (before.holds_tunnel or fresh):
            assert verdict is None or verdict.state is UP


@given(EVENTS)
def test_silence_disconnects_within_three_checks_and_not_before(events: list[str]) -> None:
    silence = [""] * 130  # 1300 s: the heartbeat may be as old as one check when the first of three comes
    steps = history([*events, *silence])

    assert steps[-1][3].state is DOWN or steps[-1][3].holds_tunnel
    for now, before, verdict, _ in steps:
        if verdict and verdict.cause is Cause.NO_HEARTBEAT:
            assert before.last_heartbeat_at is None or now - before.last_heartbeat_at > 3 * RULE.check


@given(EVENTS)
def test_a_heartbeat_connects_at_the_next_check_at_the_latest(events: list[str]) -> None:
    steps = history([*events, "heartbeat", *[""] * 30])  # 300 s later

    assert any(after.state is UP for _, _, _, after in steps[len(events) :])


@given(EVENTS)
def test_a_lost_tunnel_and_silence_disconnect_after_the_grace(events: list[str]) -> None:
    steps = history([*events, "tunnel up", "tunnel lost", "", "", ""])

    assert [after.state for *_, after in steps[-4:]] == [UP, UP, UP, DOWN]


@given(EVENTS)
def test_judging_again_at_once_changes_nothing(events: list[str]) -> None:
    for now, _, _, after in history(events):
        again = write(after, judge(after, RULE, now, ALWAYS), now)
        assert replace(again, checked_at=None, tunnel_lost_at=None, downs=0) == replace(
            after, checked_at=None, tunnel_lost_at=None, downs=0
        )


@given(EVENTS)
def test_a_cause_is_given_exactly_for_a_change(events: list[str]) -> None:
    for _, before, verdict, after in history(events):
        assert (before.state is not after.state) == (verdict is not None and verdict.cause is not None)
