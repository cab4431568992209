"""Where a unit may go: the table of moves as a whole (R3.7, R3.9, R3.13)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.stock import MOVES, ON_CODE, REPLACED, Stock, move, place, possible

STATES = list(Stock)


def reached(start: Stock, *, by_hand: bool = False, without: frozenset[Stock] = frozenset()) -> set[Stock]:
    """All that moves lead to from there, not through the states left out."""
    found, ahead = {start}, [start]
    while ahead:
        new = set(possible(ahead.pop(), by_hand=by_hand)) - found - without
        found |= new
        ahead += new
    return found


@pytest.mark.parametrize("start", STATES)
def test_from_every_state_every_other_can_be_reached(start: Stock) -> None:
    """Nothing is lost for good: even what was written off (R3.9) may be found again."""
    assert reached(start) == set(Stock)


@pytest.mark.parametrize("start", STATES)
def test_a_person_can_bring_a_unit_from_anywhere_to_stock(start: Stock) -> None:
    """When its case has ended, whatever it was, a person at the shelf can always finish."""
    assert Stock.IN_STOCK in reached(start, by_hand=True)


@pytest.mark.parametrize("start", sorted(REPLACED - {Stock.RETURNED}))
def test_a_replaced_unit_comes_back_into_stock_through_the_check_only(start: Stock) -> None:
    """R3.7: what an exchange has put out serves again only when it has been returned, and checked."""
    assert reached(start, without=frozenset({Stock.RETURNED})) <= REPLACED


def test_only_the_check_and_the_end_of_a_journey_lead_into_stock() -> None:
    assert {of for of, to in MOVES if to is Stock.IN_STOCK} == {Stock.RETURNED, Stock.IN_TRANSIT}


def test_only_an_exchange_sends_units_out() -> None:
    """R3.3: a replacement goes out for a recognised fault, never by itself."""
    out = [one for (_, to), one in MOVES.items() if to is Stock.IN_TRANSIT]

    assert out and not any(one.by_hand for one in out)


def test_what_cannot_be_undone_by_looking_at_the_unit_wants_a_note() -> None:
    into_service_or_out = [one for (_, to), one in MOVES.items() if to in (Stock.IN_STOCK, Stock.RETIRED)]

    assert all(one.wants_note for one in into_service_or_out)


def test_a_unit_on_a_code_only_ever_arrives() -> None:
    """R3.6, R3.8: it leaves by a change of its registration, which moves it by itself."""
    assert [(of, to) for (of, to), one in MOVES.items() if one.on_code] == [(Stock.IN_TRANSIT, Stock.IN_STOCK)]


@given(st.sampled_from(STATES), st.sampled_from(STATES))
def test_a_move_is_possible_exactly_when_the_table_has_it(of: Stock, to: Stock) -> None:
    assert (to in possible(of)) == (move(of, to) is not None)
    assert (to in possible(of, by_hand=True)) == bool((one := move(of, to)) and one.by_hand)
    assert of is not to or move(of, to) is None


def test_a_unit_is_on_its_code_when_it_has_arrived_there() -> None:
    """R3.6: the code holds the replacement while it is still on its way."""
    assert place(Stock.IN_STOCK, "E1") == ON_CODE
    assert place(Stock.IN_TRANSIT, "E1") == "in-transit"
    assert [place(state, None) for state in STATES] == [state.value for state in STATES]
