"""Share links: results for somebody without an account, for a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from controller.domain.errors import TooMany
from controller.faces.api.context import PEOPLE, Context
from controller.faces.api.transcripts import stream, subject_of
from controller.faces.http import Accepts, Call, Header, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Payload, Stream
from controller.faces.http.routes import PUBLIC
from controller.faces.rate import network_of
from controller.services import shares as service
from controller.store import shares

LONGEST_S = 1800.0
"""How long a link may be read. Who takes a byte now and then would else keep others out for ever."""


class ShareOrder(Payload):
    campaign: RowId | None = None
    """All results of this campaign that you may read; or"""
    task: RowId | None = None
    """those of this task."""
    hours: Annotated[int, Field(ge=1, le=service.MAX_HOURS)] = 72
    """Then the link ends."""
    redact: bool = True
    """Replace addresses, MACs, serials, host names and accounts by pseudonyms, the same ones throughout the link."""
    note: Annotated[str, Field(max_length=500)] = ""
    """For whom and what for."""


class ShareCreated(Answer):
    share: int
    url: str
    """Whoever has it sees the results; it is shown this once."""
    expires_at: datetime


async def create_share(call: Call, body: ShareOrder, context: Context) -> ShareCreated:
    """Make a link. Each access is recorded."""
    created = await service.create(
        context.db,
        context.vault,
        subject_of(body.campaign, body.task),
        hours=body.hours,
        redact=body.redact,
        note=body.note,
        caller=call.caller,
        now=context.clock(),
    )
    url = call.request.url.with_query(None) / created.token
    return ShareCreated(share=created.share, url=str(url), expires_at=created.expires_at)


async def follow_share(
    call: Call,
    token: Annotated[str, Path("the last part of the link"), Field(max_length=200)],
    context: Context,
    format: Annotated[Literal["json", "zip", "csv", "text"], Query("json, zip, csv or text")] = "json",  # noqa: A002
    agent: Annotated[str, Header("what follows the link", alias="User-Agent")] = "",
) -> Annotated[Stream, Accepts("application/json", "application/zip", "text/csv", "text/plain")]:
    """The results behind a link, for whoever has it. Twenty are read at once, four from one network, each for half an
    hour at most."""
    source = call.request.remote or ""
    if not context.link_rate.allows(network_of(source)):
        raise TooMany("Too many links are followed from here.", next_step="Wait a minute.", retry_after_s=60)
    now = context.clock()
    chunks = service.show(context.db, context.vault, token, format, source=source, agent=agent, now=now)
    return stream(format, _in_a_place(context, network_of(source), chunks), "results", longest_s=LONGEST_S)


async def _in_a_place(context: Context, network: str, chunks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    with context.link_places.place(network):
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk


class Share(Answer):
    id: int
    campaign: int | None
    task: int | None
    contract: str | None
    redact: bool
    note: str
    account: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    shown: int
    """How often its results were read."""


async def list_shares(call: Call, paging: Paging[RowId], context: Context) -> Page[Share]:
    """Newest first: operators see those of their contract, support staff those they made."""
    rows = await shares.page(context.db, **service.scope(call.caller), before=paging.after, limit=paging.rows)
    return Page[Share].of(rows, paging, lambda row: row["id"], Share.from_row)


Number = Annotated[RowId, Path("id of the link")]


async def revoke_share(call: Call, share: Number, context: Context) -> None:
    """End a link now."""
    await service.revoke(context.db, share, caller=call.caller, now=context.clock())


class ShareAccess(Answer):
    id: int
    at: datetime
    source: str
    """Address."""
    agent: str
    """What their browser or program calls itself."""
    outcome: Literal["shown", "expired", "revoked", "account-disabled"]


async def list_accesses(call: Call, share: Number, paging: Paging[RowId], context: Context) -> Page[ShareAccess]:
    """Who followed a link, newest first."""
    await service.own(context.db, share, call.caller)
    rows = await shares.accesses(context.db, share, before=paging.after, limit=paging.rows)
    return Page[ShareAccess].of(rows, paging, lambda row: row["id"], ShareAccess.from_row)


ROUTES = (
    Route("POST", "/shares", create_share, roles=PEOPLE, summary="Make a share link", tags=("shares",), status=201),
    Route("GET", "/shares", list_shares, roles=PEOPLE, summary="Share links", tags=("shares",)),
    Route("GET", "/shares/{token}", follow_share, roles=PUBLIC, summary="Results behind a link", tags=("shares",)),
    Route("DELETE", "/shares/{share}", revoke_share, roles=PEOPLE, summary="End a share link", tags=("shares",)),
    Route(
        "GET", "/shares/{share}/accesses", list_accesses, roles=PEOPLE, summary="Who followed a link", tags=("shares",)
    ),
)
