"""The lives of a bulk exchange and of its rows, and which rows may be exchanged at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from controller.domain.bulk_exchange import ENDED, MOVES, ROW_MOVES, Event, RowEvent, RowState, State, apart


def test_every_state_is_reached_and_every_one_can_end() -> None:
    reached = {State.PLANNED}
    while more := {to for (before, _), to in MOVES.items() if before in reached} - reached:
        reached |= more
    finishing = set(ENDED)
    while more := {before for (before, _), to in MOVES.items() if to in finishing} - finishing:
        finishing |= more

    assert reached == finishing == set(State)
    assert {event for _, event in MOVES} == set(Event)
    assert not {before for before, _ in MOVES} & ENDED


def test_every_state_of_a_row_is_a_beginning_or_is_reached() -> None:
    assert set(ROW_MOVES.values()) | {RowState.REFUSED, RowState.WAITING} == set(RowState)
    assert {event for _, event in ROW_MOVES} == set(RowEvent)


@dataclass(frozen=True)
class Named:
    codes: tuple[str, str]
    partners: Sequence[str] = ()


def test_rows_that_share_a_code_or_are_a_pair_are_not_exchanged_together() -> None:
    first = Named(("E1", "S1"), ("S2",))
    rows = [first, Named(("E2", "S1")), Named(("E3", "S2"), ("E1",)), Named(("E2", "S4")), free := Named(("E5", "S5"))]

    assert apart(rows) == [first, free]  # E2/S4 stays behind E2/S1, which comes first


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12),
    st.dictionaries(st.integers(0, 5), st.integers(0, 5)),
)
def test_the_first_row_always_goes_and_no_two_are_in_each_others_way(
    pairs: list[tuple[int, int]], designated: dict[int, int]
) -> None:
    def partners(entry: int, standby: int) -> list[str]:
        mine = [f"S{designated[entry]}"] if entry in designated else []
        return mine + [f"E{other}" for other, spare in designated.items() if spare == standby]

    rows = [Named((f"E{e}", f"S{s}"), partners(e, s)) for e, s in pairs]

    chosen = apart(rows)

    assert chosen[:1] == rows[:1]
    for n, one in enumerate(chosen):
        for other in chosen[:n]:
            assert not set(one.codes) & {*other.codes, *other.partners}
