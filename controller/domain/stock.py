"""Where a unit is that serves nobody, and which moves there are, as one table. Pure.

A unit sits on a code, or it is in one of the states here. Only a unit in stock may come onto a code (inventory import,
replacement); only a checked one comes back into stock. Which unit fits a case: domain/proposals.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stock(StrEnum):
    IN_STOCK = "in-stock"  # on our shelf, ready to go out; also what a unit on a code is called
    IN_TRANSIT = "in-transit"  # on its way to a code, which may hold it already (R3.6)
    UNDER_RETURN = "under-return"  # to be sent back to us (R3.9)
    RETURNED = "returned"  # back with us, not checked yet
    RETIRED = "retired"  # it never comes back into service


ON_CODE = "on-code"
"""The place of a unit in service. It is no state of stock: the registration says so."""


@dataclass(frozen=True, slots=True)
class Move:
    """One way from a state to another.

    by_hand: a person may do it; the others belong to an exchange, which says when. on_code: it may also happen to a
    unit that sits on a code. wants_note: the person must say why.
    """

    by_hand: bool = False
    on_code: bool = False
    wants_note: bool = False


_WITH_THE_CASE = Move()
_SAID = Move(by_hand=True, wants_note=True)

MOVES: dict[tuple[Stock, Stock], Move] = {
    (Stock.IN_STOCK, Stock.IN_TRANSIT): _WITH_THE_CASE,  # dispatched, or given to a driver
    (Stock.IN_TRANSIT, Stock.IN_STOCK): Move(by_hand=True, on_code=True, wants_note=True),  # arrived; or never left
    (Stock.IN_TRANSIT, Stock.UNDER_RETURN): Move(by_hand=True, wants_note=True),  # withdrawn on the way; or faulty
    (Stock.IN_STOCK, Stock.UNDER_RETURN): _WITH_THE_CASE,  # replaced: it has just left its code (R3.7, R3.9)
    (Stock.IN_STOCK, Stock.RETURNED): _SAID,  # found faulty on the shelf; or the unit of a return, replaced (R3.13)
    (Stock.IN_TRANSIT, Stock.RETURNED): _WITH_THE_CASE,  # the unit of a return, exchanged before it was seen to arrive
    (Stock.UNDER_RETURN, Stock.RETURNED): Move(by_hand=True),
    (Stock.RETURNED, Stock.IN_STOCK): _SAID,  # checked and repaired: from here it may serve again
    (Stock.RETIRED, Stock.RETURNED): _SAID,  # written off, and found after all
    **{(state, Stock.RETIRED): _SAID for state in Stock if state is not Stock.RETIRED},
}
"""All the moves there are. Returned units come back into service through `returned -> in-stock` and no other way."""

REPLACED = frozenset({Stock.UNDER_RETURN, Stock.RETURNED, Stock.RETIRED})
"""Where a unit may be that an exchange has put out: it stays locked out until it is back in stock (R3.7)."""


def move(of: Stock, to: Stock) -> Move | None:
    """The move between the two, None when there is none."""
    return MOVES.get((of, to))


def possible(of: Stock, *, by_hand: bool = False) -> tuple[Stock, ...]:
    """Where a unit in this state may go next; by_hand: as far as a person may send it."""
    return tuple(to for (start, to), one in MOVES.items() if start is of and (one.by_hand or not by_hand))


def place(stock: Stock, code: str | None) -> str:
    """Where the unit is: ON_CODE when a code holds it and it has arrived there, else its state of stock."""
    return ON_CODE if code is not None and stock is Stock.IN_STOCK else stock.value
