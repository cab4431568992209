"""Groups, tags and designated standbys of codes: how campaigns select them, and which two are a pair."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.faces.api.codes import CodeName
from controller.faces.api.context import OPERATIONS, Context, own_code
from controller.faces.http import Call, Route
from controller.faces.http.payload import Answer, Payload
from controller.store import arrangement

Tag = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.:-]{0,39}$")]
GroupName = Annotated[str, Field(max_length=40, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class Group(Payload):
    group: GroupName
    """1 to 40 characters; "" takes the code out of its group."""


async def set_group(call: Call, code: CodeName, body: Group, context: Context) -> None:
    """A code is in one group at most; a contract has 100 at most."""
    await own_code(context, call.caller, code)
    await arrangement.set_group(context.db, code, body.group.strip(), caller=call.caller, now=context.clock())


class TagChange(Payload):
    add: Annotated[list[Tag], Field(max_length=arrangement.MAX_TAGS, default_factory=list)]
    remove: Annotated[list[Tag], Field(max_length=arrangement.MAX_TAGS, default_factory=list)]


class Tags(Answer):
    code: str
    tags: list[str]


async def change_tags(call: Call, code: CodeName, body: TagChange, context: Context) -> Tags:
    """Tags are lower-case words: letters, digits, _ . : -"""
    await own_code(context, call.caller, code)
    tags = await arrangement.set_tags(context.db, code, body.add, body.remove, caller=call.caller, now=context.clock())
    return Tags(code=code, tags=tags)


class Designation(Payload):
    standby: Annotated[str, Field(max_length=32)] | None
    """A standby of the same contract; null: none."""


async def designate_standby(call: Call, code: CodeName, body: Designation, context: Context) -> None:
    """Which standby takes over for this entry. The two never have a task at the same time."""
    await own_code(context, call.caller, code)
    await arrangement.designate(context.db, code, body.standby, caller=call.caller, now=context.clock())


ROUTES = (
    Route("PUT", "/codes/{code}/group", set_group, roles=OPERATIONS, summary="Group of a code", tags=("codes",)),
    Route("POST", "/codes/{code}/tags", change_tags, roles=OPERATIONS, summary="Tags of a code", tags=("codes",)),
    Route(
        "PUT",
        "/codes/{code}/designated-standby",
        designate_standby,
        roles=OPERATIONS,
        summary="Which standby takes over",
        tags=("codes",),
    ),
)
