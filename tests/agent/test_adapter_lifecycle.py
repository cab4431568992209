"""The table of an adapter's stages."""

from __future__ import annotations

from itertools import product

from agent.lifecycle import MOVES, SETTLED, Event, Stage, advance


def test_every_stage_can_be_reached_from_off():
    reached = {Stage.OFF}
    while more := {MOVES[move] for move in MOVES if move[0] in reached} - reached:
        reached |= more

    assert reached == set(Stage)


def test_every_event_moves_something():
    assert {event for _, event in MOVES} == set(Event)


def test_power_off_works_everywhere_but_on_the_dead_and_only_power_leads_out_of_off():
    powered = set(Stage) - {Stage.OFF, Stage.DEAD}
    assert all(advance(stage, Event.POWER_OFF) is Stage.OFF for stage in powered)
    assert [event for event in Event if advance(Stage.OFF, event)] == [Event.POWER_ON]


def test_out_of_service_ends_only_by_power_off():
    assert [event for event in Event if advance(Stage.OUT_OF_SERVICE, event)] == [Event.POWER_OFF]


def test_mute_ends_only_by_power_off_and_dead_only_by_hand():
    assert [event for event in Event if advance(Stage.MUTE, event)] == [Event.POWER_OFF]
    assert [event for event in Event if advance(Stage.DEAD, event)] == [Event.REVIVED]


def test_unknown_moves_change_nothing():
    unknown = [move for move in product(Stage, Event) if move not in MOVES]

    assert unknown
    assert all(advance(*move) is None for move in unknown)


def test_stages_at_rest_are_those_without_a_step_to_come():
    at_rest = {Stage.OFF, Stage.STANDBY, Stage.IN_SERVICE, Stage.OUT_OF_SERVICE, Stage.MUTE, Stage.DEAD}
    assert at_rest == SETTLED
