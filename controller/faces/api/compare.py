"""What an adapter printed beside something else that was printed; the odd ones out of a campaign."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from controller.domain.comparison import Kind
from controller.faces.api.campaign_summary import OddOne, Spread
from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Call, Path, Query, Route, RowId
from controller.faces.http.payload import Answer
from controller.services import compare as service
from controller.services.transcripts import note_read


class Side(Answer):
    task: int
    adapter: str
    code: str
    firmware: str
    started_at: datetime
    truncated: bool
    alike: int
    """So many adapters of the campaign printed the like; 0 but for the majority."""
    printed: int
    """Of so many."""


class FieldChange(Answer):
    path: str
    """Such as routes[192.0.2.0/24].gateway; [] is a member of a list that nothing names."""
    kind: Kind
    before: Any
    """null where there was none."""
    after: Any
    """null where there is none."""


class Comparison(Answer):
    """before: what is compared against; after: the task's own line."""

    position: int
    line: str
    command: str
    before: Side
    after: Side
    diff: str
    """Unified, without clocks, counters and the like, between different adapters without addresses and names, too; ""
    when nothing else differs."""
    changes: list[FieldChange] | None
    """What differs in the fields that the command's parser reads, at most 500; null when there are none."""
    fault: str
    """Why the parser could not read one of the two; "" when it could, or when the command has none."""


async def compare(
    call: Call,
    task: Annotated[RowId, Path("id of the task")],
    context: Context,
    against: Annotated[
        Literal["previous", "last-good", "majority"] | RowId,
        Query("previous and last-good: of the same adapter; majority: of its campaign and model; or the id of a task"),
    ] = "previous",
    command: Annotated[str | None, Query("the command, or the whole line; without: the first line")] = None,
    position: Annotated[RowId | None, Query("position of the line, from 1")] = None,
) -> Comparison:
    """That both outputs were read is recorded."""
    found = await service.compare(
        context.db, task, against=against, command=command, position=position, caller=call.caller
    )
    for read in sorted({found.before.task, found.after.task}):
        await note_read(context.db, call.caller, task=read, how="compare", now=context.clock())
    return Comparison.from_row(
        asdict(found),
        before=Side.from_row(asdict(found.before)),
        after=Side.from_row(asdict(found.after)),
        changes=None if found.changes is None else [FieldChange.from_row(asdict(change)) for change in found.changes],
    )


class OddOnes(Answer):
    spreads: list[Spread]
    """There are odd ones out only where half of the adapters or more printed the like."""
    odd: list[OddOne]
    """The most lonely first."""


async def odd(
    call: Call,
    campaign: Annotated[RowId, Path("id of the campaign")],
    context: Context,
    command: Annotated[str | None, Query("only of this command, or of this whole line")] = None,
    limit: Annotated[int, Query("so many odd ones out at most"), Field(ge=1, le=1000)] = 100,
) -> OddOnes:
    """The first time after a large campaign it takes a while. That it was read is recorded."""
    spreads, ones = await service.survey(context.db, campaign, command, caller=call.caller, limit=limit)
    await note_read(context.db, call.caller, campaign=campaign, how="odd", now=context.clock())
    return OddOnes(
        spreads=[Spread.from_row(asdict(one)) for one in spreads], odd=[OddOne.from_row(asdict(one)) for one in ones]
    )


ROUTES = (
    Route(
        "GET",
        "/tasks/{task}/compare",
        compare,
        roles=PEOPLE,
        summary="What one line printed, beside an earlier run, a peer or most of the campaign",
        tags=("tasks",),
        deadline_s=60,
    ),
    Route(
        "GET",
        "/campaigns/{campaign}/odd",
        odd,
        roles=PEOPLE,
        summary="Adapters that printed something else than most of their model",
        tags=("tasks",),
        deadline_s=120,
    ),
)
