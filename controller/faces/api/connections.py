"""Is the adapter up, how is it reached, how far did its boot come, and what do its heartbeats say."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from controller.domain.errors import NotFound
from controller.faces.api.adapters import Serial
from controller.faces.api.context import PEOPLE, Context, own_adapter
from controller.faces.http import Call, Page, Paging, Query, Route, RowId
from controller.faces.http.payload import Answer, Moment
from controller.store import connections, heartbeats

Up = Literal["connected", "disconnected"]
_DAY = timedelta(days=1)


class Connection(Answer):
    """What is known of an adapter's connection, and the steps of its newest boot.

    A step whose time lies before that of an earlier step belongs to an earlier boot.
    """

    adapter: str
    state: Up
    since: datetime | None
    """null: it was never connected."""
    cause: str
    """What made it so: tunnel confirmed, heartbeat …"""
    methods: list[str]
    """Confirmed ways to push to it now: https-tunnel, https-simple."""
    last_heartbeat_at: datetime | None
    heartbeat_source: str | None
    downs: int
    """Checks in a row that found no heartbeat."""
    tunnel_lost_at: datetime | None
    """The tunnel went then and has not come back yet."""
    located_at: datetime | None
    """The location server answered."""
    config_pulled_at: datetime | None
    method_query_at: datetime | None
    """It has applied its config and asked how it will be pushed to."""
    push_confirmed_at: datetime | None
    first_heartbeat_at: datetime | None
    """The first one since the config was pulled."""


async def connection(call: Call, serial: Serial, context: Context) -> Connection:
    await own_adapter(context, call.caller, serial)
    row = await connections.of(context.db, serial)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="adapter", name=serial)
    return Connection.from_row(row)


class ConnectionEvent(Answer):
    id: int
    at: datetime
    adapter: str
    code: str | None
    """The code that held it then."""
    state: Up
    cause: str


async def list_events(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    adapter: Annotated[str | None, Query("only of this adapter (serial)")] = None,
    code: Annotated[str | None, Query("only of this code")] = None,
) -> Page[ConnectionEvent]:
    """Adapters that came and went, newest first."""
    rows = await connections.events(
        context.db,
        adapter=adapter,
        code=code,
        contract=call.caller.contract,
        before=paging.after,
        limit=paging.rows,
    )
    return Page[ConnectionEvent].of(rows, paging, lambda row: row["id"], lambda row: ConnectionEvent(**row))


class Heartbeat(Answer):
    """One heartbeat: percent used, null where the adapter does not say."""

    at: datetime
    code: str
    cpu: int | None
    memory: int | None
    disk: int | None


async def list_heartbeats(
    call: Call,
    serial: Serial,
    context: Context,
    since: Annotated[Moment | None, Query("default: a day ago")] = None,
    until: Annotated[Moment | None, Query("default: now")] = None,
    limit: Annotated[int, Query("at most so many"), Field(ge=1, le=1000)] = 100,
) -> list[Heartbeat]:
    """Newest first; the next page goes until the last one's time."""
    await own_adapter(context, call.caller, serial)
    now = context.clock()
    rows = await heartbeats.recent(
        context.db, serial, since or now - _DAY, until or now, limit, contract=call.caller.contract
    )
    return [Heartbeat.from_row(row) for row in rows]


ROUTES = (
    Route(
        "GET",
        "/adapters/{serial}/connection",
        connection,
        roles=PEOPLE,
        summary="Connection and boot progress",
        tags=("connections",),
    ),
    Route(
        "GET",
        "/adapters/{serial}/heartbeats",
        list_heartbeats,
        roles=PEOPLE,
        summary="Its heartbeats",
        tags=("connections",),
    ),
    Route("GET", "/connection-events", list_events, roles=PEOPLE, summary="Who came and went", tags=("connections",)),
)
