"""Search for what people have in hand: the label of a unit, the name of a place, the number of a contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.domain.access import Caller
from controller.store import search
from controller.store.pool import Database, Row


@dataclass(frozen=True, slots=True)
class Found:
    """rows: the best first, each thing once. more: there is more than was asked for."""

    rows: Sequence[Row]
    more: bool


async def find(db: Database, word: str, *, caller: Caller, limit: int) -> Found:
    """Adapters, codes and contracts whose name begins with the word, or ends with it (from search.ENDS_FROM characters
    on), at most `limit` of them. An operator finds what is the own contract's."""
    rows = await search.find(db, word, contract=caller.contract, limit=limit + 1)
    best: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: _rank(row, word.lower())):
        best.setdefault((row["kind"], row["name"]), row)
    return Found(list(best.values())[:limit], len(best) > limit)


def _rank(row: Row, word: str) -> tuple[bool, bool, str, str]:
    """Exactly so called first, then what begins so, then what ends so; each by name."""
    return row["name"].lower() != word, row["ends"], row["kind"], row["name"]
