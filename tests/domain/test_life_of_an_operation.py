"""The life of a push operation: the table has a row for each state, no dead end but the ends, and no double sending."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.operation import (
    COMMITTED_RESULTS,
    ENDED,
    MAX_ATTEMPTS,
    MOVES,
    UNDER_WAY,
    Event,
    State,
    advance,
    reported,
    silence,
)
from controller.store.migrate import FOLDER
from protocol.arms.codes import ResultCode

RESULTS = st.sampled_from(list(ResultCode))
STATES = st.sampled_from(list(State))


def test_every_state_is_reached_from_waiting_and_every_event_moves_something() -> None:
    reached = {State.WAITING}
    while more := {to for (state, _), to in MOVES.items() if state in reached} - reached:
        reached |= more

    assert reached == set(State)
    assert {event for _, event in MOVES} == set(Event)


def test_ends_stay_ends_but_a_late_report_settles_what_was_in_doubt() -> None:
    assert {state for state, _ in MOVES if state in ENDED} == {State.UNKNOWN}
    assert {to for (state, _), to in MOVES.items() if state is State.UNKNOWN} == {State.DONE, State.FAILED}
    assert UNDER_WAY | ENDED | {State.WAITING} == set(State)


def test_the_database_knows_the_same_states() -> None:
    sql = (FOLDER / "0004_push.sql").read_text()
    listed = re.search(r"state IN\s+\(('waiting'.*?)\)\)", sql, re.DOTALL)
    under_way = re.search(r"CONSTRAINT under_way_has_a_deadline CHECK \(\(state IN \((.*?)\)\)", sql)

    assert listed and set(re.findall(r"'(\w+)'", listed[1])) == {state.value for state in State}
    assert under_way and set(re.findall(r"'(\w+)'", under_way[1])) == {state.value for state in UNDER_WAY}


@pytest.mark.parametrize("state", [State.SENT, State.STARTED])
def test_what_must_not_be_repeated_never_waits_again_for_want_of_an_answer(state: State) -> None:
    assert {advance(state, silence(False, attempts)) for attempts in range(1, 9)} == {State.UNKNOWN}
    assert [advance(state, silence(True, n)) for n in (1, 2, 3)] == [State.WAITING, State.WAITING, State.UNKNOWN]
    assert MAX_ATTEMPTS == 3


@given(state=STATES, result=RESULTS, late=st.booleans())
def test_a_repeated_report_is_answered_the_same(state: State, result: ResultCode, late: bool) -> None:
    event, answer = reported(state, result, is_configure=True, is_late=late)
    after = advance(state, event) or state

    again, same = reported(after, result, is_configure=True, is_late=late)

    assert answer is same
    assert advance(after, again) is None or after is State.UNKNOWN


@given(state=STATES, result=RESULTS, late=st.booleans())
def test_only_a_committed_configure_is_ever_told_to_roll_back(state: State, result: ResultCode, late: bool) -> None:
    _, answer = reported(state, result, is_configure=True, is_late=late)
    _, other = reported(state, result, is_configure=False, is_late=late)

    assert other is ResultCode.SUCCESS
    if result not in COMMITTED_RESULTS:
        assert answer is ResultCode.SUCCESS
    if answer is not ResultCode.SUCCESS:
        assert 200 <= answer.value <= 499, "anything else is no order to roll back"


@given(st.lists(st.sampled_from(list(Event))))
def test_whatever_happens_it_is_sent_only_when_claimed(events: list[Event]) -> None:
    state = State.WAITING
    for event in events:
        after = advance(state, event) or state
        assert (after is State.SENT) <= (event is Event.CLAIMED or state is State.SENT)
        state = after
