"""Keyset pages: `?after=<opaque>&limit=<n>`, and `next` in the answer while there is more.

The position is the sort key of the last row, not a row number: page 10,000 costs what page 1 costs, and rows that
come or go in between neither repeat nor hide others.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000

NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""The character NUL as JSON writes it."""

RowId: TypeAlias = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""The number of a row: what the database's bigint holds. Anything beyond is a wrong request, not a search."""

T = TypeVar("T")
Row = TypeVar("Row")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Paging(Generic[Key]):
    """Which page is wanted. Declare it with the type of the sort key: `paging: Paging[tuple[datetime, int]]`.

    after: sort key of the last row the client has, None for the first page. limit: rows wanted, 1..1000.
    """

    after: Key | None
    limit: int

    @property
    def rows(self) -> int:
        """How many rows to select: one more than wanted, to know whether there is a next page."""
        return self.limit + 1


class Page(BaseModel, Generic[T]):
    """One page of a collection. next: value for `?after=`, null on the last page."""

    model_config = ConfigDict(frozen=True)

    items: list[T]
    next: str | None

    @classmethod
    def of(cls, rows: Sequence[Row], paging: Paging[Key], key: Callable[[Row], Key], view: Callable[[Row], T]) -> Self:
        """The page made of up to `paging.rows` rows in sort order; `view` turns a row into what the client sees."""
        shown = rows[: paging.limit]
        more = len(rows) > paging.limit
        return cls(items=[view(row) for row in shown], next=encode(key(shown[-1])) if more else None)


def encode(key: object) -> str:
    """A sort key as the opaque, URL-safe word that clients send back."""
    return base64.urlsafe_b64encode(TypeAdapter(object).dump_json(key)).decode().rstrip("=")


def decode(text: str, adapter: TypeAdapter[Key]) -> Key:
    """The sort key behind the word. Raises ValueError for anything that `encode` did not make for this key's type."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        key = adapter.validate_json(raw)
    except ValueError as error:  # not ASCII, not base64, not JSON, or not of this type
        raise ValueError("not a position of this list") from error
    if NUL.search(raw):  # no key of ours holds one, and no text column takes it
        raise ValueError("not a position of this list")
    return key
