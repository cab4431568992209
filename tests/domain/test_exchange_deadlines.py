"""By when the next thing in a case should happen, and when its registration changes: values in, values out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.calendar import DEFAULT, day_of, midnight
from controller.domain.exchange import ENDED, LIVES, STARTS, WAITS, Kind, State
from controller.domain.exchange_deadlines import ChangeRule, arrives, change_at, due

MONDAY = datetime(2026, 11, 16, 1, 0, tzinfo=UTC)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_OF_A_SWAP = {State.PRE_FLIGHT, State.ORDERED, State.PULLED}


@pytest.mark.parametrize(
    ("kind", "state"),
    [(kind, state) for kind, state in WAITS if state not in _OF_A_SWAP],
    ids=lambda value: value.value,
)
def test_every_state_that_waits_says_by_when(kind: Kind, state: State) -> None:
    """A case always knows what happens next and by when (R3.4, R3.9)."""
    until = due(kind, state, MONDAY, DEFAULT, arrives_on=date(2026, 11, 20), return_due_at=MONDAY + timedelta(days=30))

    assert until is not None
    assert until >= MONDAY


@pytest.mark.parametrize("state", sorted(ENDED))
def test_what_has_ended_is_due_no_more(state: State) -> None:
    assert due(Kind.SEND_BACK, state, MONDAY, DEFAULT) is None


def test_a_report_of_friday_is_decided_by_the_end_of_monday() -> None:
    friday = MONDAY + timedelta(days=4)

    assert due(Kind.SEND_BACK, State.REPORTED, friday, DEFAULT) == midnight(date(2026, 11, 25)) - timedelta(seconds=1)


def test_a_visit_is_decided_within_hours_at_night_too() -> None:
    """R3.15: 24 h, every day."""
    night = datetime(2026, 12, 31, 18, 0, tzinfo=UTC)

    assert due(Kind.ON_SITE, State.REQUESTED, night, DEFAULT) == night + timedelta(hours=4)


@given(moments, st.integers(0, 60))
def test_nothing_arrives_before_the_4th_business_day_after_receipt_or_dispatch(at: datetime, days: int) -> None:
    """R3.4."""
    received = day_of(at)
    dispatched = at + timedelta(days=days)

    day = arrives(received, dispatched, DEFAULT)

    assert day == max(DEFAULT.after(received, 4), DEFAULT.after(day_of(dispatched), 4))
    assert DEFAULT.closed(day) is None


@given(moments, st.sampled_from(ChangeRule), st.sampled_from([Kind.SEND_BACK, Kind.RETURN]), st.integers(0, 30))
def test_the_registration_changes_between_dispatch_and_arrival_or_by_hand(
    at: datetime, rule: ChangeRule, kind: Kind, days: int
) -> None:
    """R3.6."""
    arrives_on = arrives(day_of(at), at, DEFAULT)

    changes = change_at(rule, kind, at, arrives_on)

    assert (changes is None) == (rule is ChangeRule.BY_HAND)
    assert changes is None or at <= changes <= midnight(arrives_on)


def test_before_a_visit_the_desk_says_when() -> None:
    """R3.16: after the response starts."""
    assert change_at(ChangeRule.BEFORE_ARRIVAL, Kind.ON_SITE, MONDAY, None) is None
    assert change_at(ChangeRule.AT_DISPATCH, Kind.ON_SITE, MONDAY, None) == MONDAY


def test_every_state_of_every_kind_leads_to_an_end() -> None:
    """Every case can still finish (R3.3-R3.17)."""
    for kind, moves in LIVES.items():
        ends = set(ENDED)
        while grown := {before for (before, _), move in moves.items() if move.to in ends} - ends:
            ends |= grown
        assert {before for before, _ in moves} | STARTS[kind] <= ends
