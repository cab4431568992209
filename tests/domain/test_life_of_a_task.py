"""The life of a task: the table has a row for each state, ends stay ends, and the database knows the same states."""

from __future__ import annotations

import re
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.domain.task import MOVES, OPEN, REPEATABLE, Event, State, advance, again
from controller.series import CommandClass
from controller.store.migrate import FOLDER


def test_every_state_is_reached_from_waiting_and_every_event_moves_something() -> None:
    reached = {State.WAITING}
    while more := {to for (state, _), to in MOVES.items() if state in reached} - reached:
        reached |= more

    assert reached == set(State)
    assert {event for _, event in MOVES} == set(Event)


@given(st.sampled_from(sorted(set(State) - OPEN)), st.sampled_from(Event))
def test_nothing_moves_a_task_that_has_ended(state: State, event: Event) -> None:
    assert advance(state, event) is None


def test_only_a_claim_makes_it_run() -> None:
    assert [key for key, to in MOVES.items() if to is State.RUNNING] == [(State.WAITING, Event.CLAIMED)]


def test_the_database_knows_the_same_states() -> None:
    sql = (FOLDER / "0009_tasks_and_campaigns.sql").read_text()
    listed = re.search(r"task_state_check\s+CHECK \(state IN \((.*?)\)\)", sql, re.DOTALL)
    still_open = re.search(r"INDEX task_open ON task \(campaign\) WHERE state IN \((.*?)\)", sql)

    assert listed and set(re.findall(r"'(\w+)'", listed[1])) == {state.value for state in State}
    assert still_open and set(re.findall(r"'(\w+)'", still_open[1])) == {state.value for state in OPEN}


def test_what_changes_an_adapter_is_not_run_twice() -> None:
    assert {kind for kind in CommandClass if kind.value not in REPEATABLE} == {
        CommandClass.CLEAR,
        CommandClass.MANAGEMENT,
    }
    sql = (FOLDER / "0010_claiming.sql").read_text()
    assert set(re.findall(r"'(\w+)'", sql[sql.index("p.kind NOT IN") :][:60])[:2]) == REPEATABLE


@given(st.integers(-1, 1000), st.floats(0, 1))
def test_an_adapter_that_is_away_is_tried_again_within_minutes(attempts: int, jitter: float) -> None:
    assert timedelta(seconds=48) <= again(attempts, jitter) <= timedelta(minutes=12)
    assert again(attempts, jitter) <= again(attempts + 1, 1.0)
