"""Rows as a CSV file for a spreadsheet: streamed, times in JST, nothing that a spreadsheet would take for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from controller.domain.errors import JST
from controller.services.export_formats import cell


async def as_csv(columns: Sequence[str], rows: AsyncIterator[Mapping[str, object]]) -> AsyncIterator[bytes]:
    """A header and a line for each row, in UTF-8. Times are ISO 8601 with JST's offset, None is an empty cell."""
    yield _line(columns)
    async for row in rows:
        yield _line([_value(row[column]) for column in columns])


def _line(cells: Sequence[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _value(value: object) -> object:
    return value.astimezone(JST).isoformat() if isinstance(value, datetime) else cell(value)
