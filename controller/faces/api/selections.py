"""Whom to run something on: the parts of a selection as requests give them, and the selections kept by name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Call, Page, Paging, Path, Route
from controller.faces.http.payload import Answer, Payload
from controller.services import selections as service
from controller.services.selections import MAX_TASKS, Selection
from controller.store import selections
from controller.store.pool import Row

Text = Annotated[str, Field(max_length=100)]


class SelectionParts(Payload):
    """Adapters for which everything given holds."""

    codes: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=MAX_TASKS, default_factory=list)]
    """These codes; empty: every code of `kind`."""
    contract: Text | None = None
    series: Text | None = None
    models: Annotated[list[Text], Field(max_length=100, default_factory=list)]
    """Any of these models."""
    firmware: Text = ""
    """Bounds on what the adapter last said it runs: ">=3.10,<3.42"."""
    group: Annotated[str | None, Field(max_length=40)] = None
    tags: Annotated[list[Text], Field(max_length=100, default_factory=list)]
    """All of these tags."""
    connection: Literal["connected", "disconnected"] | None = None
    kind: Literal["entry", "standby", "both"] = "entry"
    saved: Text | None = None
    """The name of a kept selection; its parts hold where the same part is not given here."""

    def selection(self) -> Selection:
        given = ((name, getattr(self, name)) for name in Selection.__dataclass_fields__)
        parts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given}
        return Selection(**parts)


class KeptSelection(Answer):
    name: str
    definition: dict[str, Any]  # Any: the parts that were given
    account: str
    """Who saved it last."""
    changed_at: datetime


Name = Annotated[str, Path("name of the selection"), Field(min_length=1, max_length=100)]


async def list_selections(call: Call, paging: Paging[str], context: Context) -> Page[KeptSelection]:
    """Those of the caller's contract, or those of staff; by name."""
    rows = await selections.page(context.db, contract=call.caller.contract, after=paging.after, limit=paging.rows)
    return Page[KeptSelection].of(rows, paging, lambda row: row["name"], KeptSelection.from_row)


async def show_selection(call: Call, name: Name, context: Context) -> KeptSelection:
    return KeptSelection.from_row(await _own(call, name, context))


async def save_selection(call: Call, name: Name, body: SelectionParts, context: Context) -> KeptSelection:
    """Keep it under the name, instead of what was kept there. It is looked up anew each time that it is used."""
    await service.save(context.db, name, body.selection(), caller=call.caller, now=context.clock())
    return KeptSelection.from_row(await _own(call, name, context))


async def delete_selection(call: Call, name: Name, context: Context) -> None:
    """Campaigns that were made from it keep what it meant."""
    await service.forget(context.db, name, caller=call.caller, now=context.clock())


async def _own(call: Call, name: str, context: Context) -> Row:
    return await service.show(context.db, name, caller=call.caller)


ROUTES = (
    Route("GET", "/selections", list_selections, roles=PEOPLE, summary="Kept selections", tags=("tasks",)),
    Route("GET", "/selections/{name}", show_selection, roles=PEOPLE, summary="One selection", tags=("tasks",)),
    Route("PUT", "/selections/{name}", save_selection, roles=PEOPLE, summary="Keep a selection", tags=("tasks",)),
    Route("DELETE", "/selections/{name}", delete_selection, roles=PEOPLE, summary="Drop a selection", tags=("tasks",)),
)
