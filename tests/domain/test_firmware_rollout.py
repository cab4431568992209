"""The life of a rollout: every state can be reached and left, and when failures stop it or a gate is missed (R4.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.firmware_rollout import (
    ENDED,
    ITEM_MOVES,
    MOVES,
    Event,
    ItemEvent,
    ItemState,
    Outcomes,
    State,
    advance,
    passes,
    states_before,
    too_many,
)


def test_every_state_is_reached_and_every_event_moves_something() -> None:
    assert set(MOVES.values()) | {State.PLANNED} == set(State)
    assert {event for _, event in MOVES} == set(Event)
    assert set(ITEM_MOVES.values()) == set(ItemState)
    assert {event for _, event in ITEM_MOVES} == set(ItemEvent)


@pytest.mark.parametrize("state", sorted(set(State) - ENDED))
def test_whatever_has_not_ended_can_be_aborted_and_is_stopped_by_a_withdrawal(state: State) -> None:
    """R4.3."""
    assert advance(state, Event.ABORTED) is State.ABORTED
    assert advance(state, Event.WITHDRAWN) is (None if state is State.STOPPED else State.STOPPED)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_what_has_ended_moves_no_more(state: State) -> None:
    assert not [event for event in Event if advance(state, event)]


def test_the_next_wave_begins_only_after_the_soak_or_with_a_persons_approval() -> None:
    """R4.2: whether to update is the operator's decision."""
    assert states_before(Event.SOAKED) == [State.SOAKING]
    assert states_before(Event.APPROVED) == [State.WAITING_APPROVAL]
    assert states_before(Event.ALL_ENDED) == [State.SOAKING], "the last wave is soaked, too"


def test_the_first_failure_among_five_canaries_stops_it() -> None:
    assert too_many(Outcomes(size=5, good=0, failed=1), 0.02)


def test_the_first_failure_among_thousands_stops_nothing_by_itself() -> None:
    assert not too_many(Outcomes(size=1000, good=0, failed=1), 0.02)
    assert not too_many(Outcomes(size=1000, good=99, failed=2), 0.02)


def test_a_large_wave_stops_long_before_it_is_over() -> None:
    assert too_many(Outcomes(size=1000, good=8, failed=2), 0.02)


def test_a_share_of_all_is_never_too_many() -> None:
    assert not too_many(Outcomes(size=5, good=0, failed=5), 1.0)


@given(
    st.integers(1, 200).flatmap(
        lambda size: st.tuples(
            st.just(size), st.integers(0, size).flatmap(lambda f: st.tuples(st.just(f), st.integers(0, size - f)))
        )
    ),
    st.floats(0, 1),
)
def test_a_wave_beyond_its_share_is_always_stopped(wave: tuple[int, tuple[int, int]], share: float) -> None:
    """Whatever was good: once more than the share of the whole wave has failed, it is too many."""
    size, (failed, good) = wave
    if failed > share * size:
        assert too_many(Outcomes(size, good, failed), share)


def test_a_gate_counts_what_has_ended() -> None:
    assert passes(Outcomes(size=100, good=98, failed=2), 0.98)
    assert not passes(Outcomes(size=100, good=97, failed=3), 0.98)


def test_cancelled_updates_prove_nothing() -> None:
    assert not passes(Outcomes(size=5, good=0, failed=0, cancelled=5), 0.98)


def test_a_wave_with_nothing_to_do_passes() -> None:
    assert passes(Outcomes(size=0, good=0, failed=0), 1.0)
