"""The table of a campaign's states: whole, and as the database has it."""

from controller.domain.campaign import LIVE, MOVES, Event, State, advance, states_before


def test_every_state_is_reached_and_only_live_ones_are_left():
    reached = {State.RUNNING}
    while more := {to for (state, _), to in MOVES.items() if state in reached} - reached:
        reached |= more

    assert reached == set(State)
    assert {state for state, _ in MOVES} == LIVE


def test_every_event_leads_somewhere():
    assert {event for _, event in MOVES} == set(Event)


def test_what_has_ended_stays_so():
    assert all(advance(state, event) is None for state in set(State) - LIVE for event in Event)


def test_a_pause_is_for_running_ones_and_a_resumption_for_paused_ones():
    assert states_before(Event.PAUSED) == [State.RUNNING]
    assert states_before(Event.RESUMED) == [State.PAUSED]
