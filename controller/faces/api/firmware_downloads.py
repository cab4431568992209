"""What adapters have fetched of which image: a row for each attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Call, Page, Paging, Query, Route, RowId
from controller.faces.http.payload import Answer
from controller.store import firmware_downloads as store

Outcome = Literal["under-way", "complete", "stalled", "lost", "damaged", "refused"]


class Download(Answer):
    id: int
    adapter: str
    code: str
    contract: str
    series: str
    version: str
    sha256: str
    size: int
    source: str | None
    """Where its last request came from."""
    began_at: datetime
    last_at: datetime
    requests: int
    sent: int
    """Bytes of all its requests, those that were lost on the way and sent again included."""
    reached: int
    """The image's first so many bytes went out."""
    outcome: Outcome


async def list_downloads(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    contract: Annotated[str | None, Query("only of this contract's adapters")] = None,
    adapter: Annotated[str | None, Query("only of this adapter")] = None,
    code: Annotated[str | None, Query("only for this code")] = None,
    series: Annotated[str | None, Query("only images of this series")] = None,
    version: Annotated[str | None, Query("only this version")] = None,
    outcome: Annotated[Outcome | None, Query("only with this outcome")] = None,
) -> Page[Download]:
    """Newest first; operators see their own contract's. What an adapter has just got shows a second later."""
    which = store.Filter(call.caller.within(contract), adapter, code, series, version, outcome)
    rows = await store.page(context.db, which, before=paging.after, limit=paging.rows)
    return Page[Download].of(rows, paging, lambda row: row["id"], Download.from_row)


ROUTES = (
    Route(
        "GET",
        "/firmware/downloads",
        list_downloads,
        roles=PEOPLE,
        summary="Downloads of firmware by adapters",
        tags=("firmware",),
    ),
)
