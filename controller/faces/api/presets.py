"""Presets: sets of lines with ${variables}, kept per contract or for support staff."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from controller.domain.errors import NotFound
from controller.domain.policy import CommandClass
from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route
from controller.faces.http.payload import Answer, Payload
from controller.services import presets as service
from controller.store import presets
from controller.store.pool import Row

Title = Annotated[str, Path("title of the preset"), Field(pattern=r"^[^/\x00-\x1f\x7f]{1,100}$")]
Contract = Annotated[str | None, Query("of this contract; support staff's own without it")]


class Preset(Answer):
    contract: str | None
    """null: support staff's."""
    title: str
    kind: CommandClass
    """The most harmful class that its lines may have."""
    lines: list[str]
    variables: list[str]
    """What is to be given when it is run: one word for each."""
    account: str
    """Who changed it last."""
    changed_at: datetime


def _preset(row: Row) -> Preset:
    return Preset.from_row(row, variables=list(service.of_row(row).variables))


async def list_presets(call: Call, paging: Paging[str], context: Context, contract: Contract = None) -> Page[Preset]:
    """By title. An operator sees the own contract's."""
    rows = await presets.page(context.db, contract=call.caller.within(contract), after=paging.after, limit=paging.rows)
    return Page[Preset].of(rows, paging, lambda row: row["title"], _preset)


async def show_preset(call: Call, title: Title, context: Context, contract: Contract = None) -> Preset:
    async with context.db.connection() as connection:
        row = await presets.one(connection, call.caller.within(contract), title)
    if row is None:
        raise NotFound("No preset {title}.", next_step="hikitsugi preset ls lists them.", title=title)
    return _preset(row)


class PresetContent(Payload):
    kind: CommandClass
    lines: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=2046)]], Field(min_length=1, max_length=service.MAX_LINES)
    ]
    """Declared commands; ${name} stands for one word of an argument."""


def _whose(call: Call, contract: str | None) -> str | None:
    """An operator need not name the own contract; another one is refused by the service, never silently exchanged."""
    return call.caller.contract if contract is None else contract


async def save_preset(
    call: Call, title: Title, body: PresetContent, context: Context, contract: Contract = None
) -> None:
    """Keep it under the title, instead of what was kept there."""
    preset = service.Preset(title, body.kind, tuple(body.lines), _whose(call, contract))
    await service.save(context.db, preset, caller=call.caller, now=context.clock())


async def delete_preset(call: Call, title: Title, context: Context, contract: Contract = None) -> None:
    await service.forget(context.db, _whose(call, contract), title, caller=call.caller, now=context.clock())


_TAGS = ("presets",)

ROUTES = (
    Route("GET", "/presets", list_presets, roles=PEOPLE, summary="Presets", tags=_TAGS),
    Route("GET", "/presets/{title}", show_preset, roles=PEOPLE, summary="One preset", tags=_TAGS),
    Route("PUT", "/presets/{title}", save_preset, roles=PEOPLE, summary="Keep a preset", tags=_TAGS),
    Route("DELETE", "/presets/{title}", delete_preset, roles=PEOPLE, summary="Drop a preset", tags=_TAGS),
)
