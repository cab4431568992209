"""The plan of a bulk exchange: the file is read, every row judged, in a few statements for thousands of rows."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import BinaryIO, Literal

from controller.domain.access import Caller
from controller.domain.bulk_exchange import Pair
from controller.domain.bulk_exchange_file import Reading, read_csv, read_json
from controller.domain.bulk_plan import Board, Code, Judged
from controller.domain.errors import ControllerError, Invalid
from controller.domain.why import kept
from controller.services.swap import images, slot
from controller.store import bulk_exchanges, exchanges
from controller.store.pool import Database, Row

ROWS = 500
"""Rows judged with one statement: what the registry knows of their codes is in memory at a time."""


async def read(file: BinaryIO, kind: Literal["csv", "json"]) -> list[Pair]:
    """The pairs of a file. Raises Invalid with every fault, by line."""
    reading = await asyncio.to_thread(_read, file, kind)
    if reading.wrong:
        raise Invalid(
            "The file has {count} fault(s); nothing was planned.",
            next_step="Mend the cells named and plan it again."
            if reading.wrong == len(reading.faults)
            else "Mend the cells named, which are the first {told}, and plan it again.",
            count=reading.wrong,
            told=len(reading.faults),
            faults=sorted(reading.faults, key=lambda fault: fault.line or 0),
        )
    return reading.pairs


def _read(file: BinaryIO, kind: Literal["csv", "json"]) -> Reading:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return (read_csv if kind == "csv" else read_json)(text)
    finally:
        text.detach()


async def judge_all(db: Database, pairs: Sequence[Pair], *, caller: Caller, now: datetime) -> list[Judged]:
    """Each row as it will find its codes when those before it have been exchanged.

    Codes that are unknown and codes of other contracts read the same.
    """
    board, left = Board(), Counter(code for pair in pairs for code in pair.codes)
    judged: list[Judged] = []
    rest = iter(pairs)
    while some := list(islice(rest, ROWS)):
        rows = await exchanges.slots(db, {code for pair in some for code in pair.codes} - board.changed.keys())
        told = [_judged(board, pair, rows, caller, now) for pair in some]
        judged += await _connected(db, told)
        left.subtract(code for pair in some for code in pair.codes)
        board.forget([code for pair in some for code in pair.codes if not left[code]])
        await asyncio.sleep(0)  # others have their turn
    return judged


def _judged(board: Board, pair: Pair, rows: Mapping[str, Row], caller: Caller, now: datetime) -> Judged:
    try:
        codes = {name: code_of(rows, name, caller) for name in pair.codes if name not in board.changed}
        return board.judge(pair, codes, now=now)
    except ControllerError as error:
        known = frozenset(rows[name]["contract"] for name in pair.codes if name in rows)
        changed = frozenset(board.changed[name].slot.contract for name in pair.codes if name in board.changed)
        return Judged(pair, why=kept(error), contracts=known | changed)


def code_of(rows: Mapping[str, Row], name: str, caller: Caller) -> Code:
    """From a row of store/exchanges.slots. Raises NotFound."""
    return Code(slot(rows, name, caller), images(rows[name]))


async def _connected(db: Database, judged: Iterable[Judged]) -> list[Judged]:
    judged = list(judged)
    serials = {s for row in judged if row.units for s in (row.units.old_adapter, row.units.new_adapter)}
    connected = await bulk_exchanges.connected(db, serials)

    def told(row: Judged) -> Judged:
        if row.units is None:
            return row
        both = (row.units.old_adapter, row.units.new_adapter)
        return replace(row, units=replace(row.units, told=tuple(serial for serial in both if serial in connected)))

    return [told(row) for row in judged]


def contract_of(judged: Iterable[Judged]) -> str | None:
    """The one contract that all rows are of, refused ones too: its people read them. None: of several, or of none."""
    contracts = {contract for row in judged for contract in row.contracts}
    return contracts.pop() if len(contracts) == 1 else None
