"""One field to look for anything by its name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Call, Query, Route
from controller.faces.http.payload import Answer
from controller.services import search as service


def _word(text: str) -> str:
    stripped = text.strip()
    if not stripped or "\0" in stripped:
        raise ValueError("nothing to look for")
    return stripped


Word = Annotated[
    str,
    Query("how a serial, distribution id, code, contract or one of their names begins, or how a serial or code ends"),
    Field(min_length=1, max_length=64),
    AfterValidator(_word),
]


class Find(Answer):
    kind: Literal["adapter", "code", "contract"]
    name: str
    """Serial, code or contract: what its own page is found by."""
    matched: Literal["serial", "distribution id", "code", "contract", "name"]
    """Which of its words was found; name: the name that people gave it."""
    title: str
    """That name, of the adapter's code for an adapter; "" for none."""
    contract: str | None
    """Whose it is; null for a unit in stock."""
    code: str | None
    """The code, or the code that holds the adapter."""
    code_kind: Literal["entry", "standby"] | None
    adapter: str | None
    """The adapter, or the adapter that the code holds."""
    model: str | None


class Finds(Answer):
    items: list[Find]
    """The best first: exactly so called, beginning so, ending so."""
    more: bool
    """There is more: write more of the name."""


async def search(
    call: Call,
    context: Context,
    q: Word,
    limit: Annotated[int, Query("at most so many"), Field(ge=1, le=100)] = 20,
) -> Finds:
    """Capitals do not matter. The end of a serial, as it is read off a label, finds it from three characters on."""
    found = await service.find(context.db, q, caller=call.caller, limit=limit)
    return Finds(items=[Find.from_row(row) for row in found.rows], more=found.more)


ROUTES = (Route("GET", "/search", search, roles=PEOPLE, summary="Find anything by its name", tags=("search",)),)
