"""The life of an update as data, and what is seen of an adapter (R4.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.domain.firmware_update import CANCELLABLE, ENDED, MOVES, OPEN, UNDER_WAY, Event, State, advance
from controller.domain.update_progress import Seen, judge, target_after

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
SEEN = Seen(State.ORDERED, "E1", "3.42", "3.42", "3.40", 1000, True, "3.42", NOW - timedelta(minutes=5))
MOMENTS = st.none() | st.integers(-300, 0).map(lambda s: NOW + timedelta(seconds=s))
ANY = st.builds(
    replace,
    st.just(SEEN),
    state=st.sampled_from(sorted(UNDER_WAY)),
    in_place=st.booleans(),
    target=st.sampled_from(["3.42", "3.40", None]),
    said=st.sampled_from(["", "3.40", "3.41", "3.42"]),
    said_at=MOMENTS,
    refusal=st.sampled_from(["", "firmware 3.42 refused: no room"]),
    asked_at=MOMENTS,
    bytes=st.integers(0, 1000),
    fetched_at=MOMENTS,
    sent_at=MOMENTS,
    served_at=MOMENTS,
    reported_at=MOMENTS,
    must_confirm=st.booleans(),
    way_at=MOMENTS,
    may_begin=st.booleans(),
    may_later=st.booleans(),
    deadline_at=MOMENTS,
    told_at=MOMENTS,
)


def test_every_state_is_reached_and_every_open_one_can_end() -> None:
    reached = {State.SCHEDULED}
    while more := {to for (state, _), to in MOVES.items() if state in reached} - reached:
        reached |= more
    assert reached == set(State)
    assert {state for state, _ in MOVES} == OPEN
    assert {event for _, event in MOVES} == set(Event)
    assert all(any(MOVES.get((state, event)) in ENDED for event in Event) for state in OPEN)


def test_it_can_be_cancelled_until_it_flashes() -> None:
    """R4.2: after that nobody can reach into the adapter."""
    assert {State.SCHEDULED, State.ORDERED, State.DOWNLOADING} == CANCELLABLE


@given(ANY)
def test_whatever_is_seen_the_verdict_is_a_move_and_failures_say_why(seen: Seen) -> None:
    verdict = judge(seen, NOW)
    if verdict is None:
        return
    to = advance(seen.state, verdict.event)
    assert to is not None
    assert (verdict.failure is not None) == (to in (State.FAILED, State.CANCELLED)) == (verdict.why is not None)


@given(ANY)
def test_good_is_only_who_says_so_and_serves(seen: Seen) -> None:
    """R4.2: the version reported, and the connection check passed."""
    verdict = judge(seen, NOW)
    if verdict is not None and verdict.event is Event.CHECKED:
        assert seen.said in ("", seen.version)
        assert seen.served_at or seen.reported_at is None
        assert not seen.must_confirm or seen.way_at or seen.reported_at is None


@given(ANY)
def test_the_target_afterwards_is_what_it_runs_or_none(seen: Seen) -> None:
    """R4.2: nobody is made to go back behind the operator's back."""
    assert target_after(seen) in {None, seen.said or None, seen.from_version}
