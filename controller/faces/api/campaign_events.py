"""A campaign as server-sent events (text/event-stream, HTML standard 9.2): progress, task, end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from time import monotonic
from typing import Annotated

from controller.domain.errors import Fault, Invalid
from controller.faces.api.campaigns import Campaign, Number
from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Accepts, Call, Header, Query, Route
from controller.faces.http.payload import Answer, Stream
from controller.services import campaign_events
from controller.services.campaign_events import News, Position

COMMENT_S = 15.0
"""A line without meaning when nothing has happened for so long, so that whoever is in between does not hang up."""
LONGEST_S = 600.0
"""Then the stream ends, and the reader comes back with a key that still has to be good."""
_RETRY = b"retry: 2000\n\n"


class EndedTask(Answer):
    """The data of a `task` event."""

    id: int
    code: str
    adapter: str
    state: str
    failure: str | None
    detail: str
    finished_at: datetime


async def events(
    call: Call,
    campaign: Number,
    context: Context,
    tasks: Annotated[bool, Query("also tell of each task that has ended")] = True,
    last: Annotated[str, Header("id of the last event that was seen", alias="Last-Event-ID")] = "",
) -> Annotated[Stream, Accepts("text/event-stream")]:
    """`progress`: the campaign whenever a count or its state changed; `task`: one that has ended; `end`: the campaign,
    when it has ended. It begins with all that ended so far, or after the event that Last-Event-ID names. A task may be
    told twice, never left out. The stream ends after `end`, and otherwise after 10 minutes: come back then.
    """
    call.headers["Cache-Control"] = "no-store"
    call.headers["X-Accel-Buffering"] = "no"
    return Stream("text/event-stream", _stream(call, campaign, context, tasks, _position(last)))


def _position(last: str) -> Position:
    try:
        return Position.parse(last) if last else Position()
    except ValueError as error:
        fault = Fault("Last-Event-ID", "This is no position of this stream.", location="header")
        raise Invalid("The request is not right.", next_step="Leave it out to begin anew.", faults=[fault]) from error


async def _stream(
    call: Call, campaign: int, context: Context, with_tasks: bool, after: Position
) -> AsyncIterator[bytes]:
    with context.streams.place(call.caller.account):
        news = campaign_events.follow(
            context.db,
            campaign,
            contract=call.caller.contract,
            after=after,
            with_tasks=with_tasks,
            stopping=context.stopping,
            silence_s=COMMENT_S,
            is_gone=lambda: call.request.transport is None or call.request.transport.is_closing(),
        )
        ends_at, first = monotonic() + LONGEST_S, _RETRY
        async with aclosing(news):
            async for one in news:
                yield first + (_event(one, call.caller.contract) if one else b": still here\n\n")
                first = b""
                if monotonic() > ends_at:
                    return


def _event(news: News, contract: str | None) -> bytes:
    data: Answer = EndedTask.from_row(news.row) if news.kind == "task" else Campaign.of(news.row, contract)
    return f"event: {news.kind}\nid: {news.position}\ndata: {data.model_dump_json()}\n\n".encode()


ROUTES = (
    Route("GET", "/campaigns/{campaign}/events", events, roles=PEOPLE, summary="Follow a campaign", tags=("tasks",)),
)
