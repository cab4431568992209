"""A campaign summed up: outcomes, the slowest, models and firmware, who was left out, who printed something else."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from controller.faces.api.campaigns import Campaign, Number
from controller.faces.api.context import PEOPLE, Context
from controller.faces.http import Call, Query, Route
from controller.faces.http.payload import Answer
from controller.services import campaigns as service
from controller.services.transcripts import note_read


class Outcome(Answer):
    """How many tasks ended, or stand, like this. failure: as in a task, null where there is none."""

    state: str
    failure: str | None
    tasks: int
    example: str
    """A code of them."""
    task: int
    """A task of them."""


class Slow(Answer):
    task: int
    code: str
    adapter: str
    state: str
    failure: str | None
    duration_s: float


class ModelOutcome(Answer):
    """Per model and the firmware that it ran then."""

    series: str
    model: str
    firmware: str
    tasks: int
    done: int
    failed: int


class SkipReason(Answer):
    why: str
    codes: int
    example: str


class Spread(Answer):
    """What the adapters of a model printed for a line, noise left out."""

    series: str
    model: str
    position: int
    line: str
    printed: int
    """So many printed something."""
    different: int
    """So many different things."""
    alike: int
    """So many the most usual one."""
    unparsable: int
    """So many printed what the command's parser cannot read; of the ten most usual ones."""
    fault: str
    """Why it cannot, for the most usual of those; "" when it can, or when the command has none."""


class OddOne(Answer):
    """An adapter that printed something else than most of its model."""

    task: int
    code: str
    adapter: str
    series: str
    model: str
    position: int
    line: str
    command: str
    share: float
    """Of the adapters of the model that printed what most print."""
    alike: int
    """How many printed what this one did, itself included."""
    distance: int
    """Lines that differ."""
    reason: str
    """The first difference; where the command's parser cannot read what was printed, that comes first."""
    changed: list[str]
    """Paths of fields that differ, where the command has a parser."""


class CampaignSummary(Answer):
    campaign: Campaign
    outcomes: list[Outcome]
    slowest: list[Slow]
    models: list[ModelOutcome]
    skips: list[SkipReason]
    spreads: list[Spread]
    odd: list[OddOne]


async def summarize(
    call: Call,
    campaign: Number,
    context: Context,
    odd: Annotated[int, Query("so many odd ones out at most; 0: do not compare"), Field(ge=0, le=1000)] = 20,
) -> CampaignSummary:
    """The first time after a large campaign it takes a while: what the adapters printed is compared. That it was read
    is recorded."""
    told = await service.summary(context.db, campaign, caller=call.caller, odd=odd)
    if told.spreads:
        await note_read(context.db, call.caller, campaign=campaign, how="summary", now=context.clock())
    numbers = told.numbers
    return CampaignSummary(
        campaign=Campaign.of(told.campaign, call.caller.contract),
        outcomes=[Outcome.from_row(row) for row in numbers.outcomes],
        slowest=[Slow.from_row(row) for row in numbers.slowest],
        models=[ModelOutcome.from_row(row) for row in numbers.models],
        skips=[SkipReason.from_row(row) for row in numbers.skipped],
        spreads=[Spread.from_row(asdict(one)) for one in told.spreads],
        odd=[OddOne.from_row(asdict(one)) for one in told.odd],
    )


ROUTES = (
    Route(
        "GET",
        "/campaigns/{campaign}/summary",
        summarize,
        roles=PEOPLE,
        summary="What became of a campaign",
        tags=("tasks",),
        deadline_s=120,
    ),
)
