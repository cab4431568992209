"""A campaign summed up for people: what came out, who was slow, which models failed, who is the odd one out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.domain.access import Caller
from controller.domain.errors import NotFound
from controller.services import compare
from controller.services.compare import OddOne, Spread
from controller.store import campaigns
from controller.store.campaigns import Numbers
from controller.store.pool import Database, Row

SLOWEST = 10


@dataclass(frozen=True, slots=True)
class Summary:
    """campaign: its row with the counts. spreads: what was printed how often, per line and model. odd: adapters that
    printed something else than most of their model, the most lonely first."""

    campaign: Row
    numbers: Numbers
    spreads: Sequence[Spread]
    odd: Sequence[OddOne]


async def summary(db: Database, campaign: int, *, caller: Caller, odd: int = 20) -> Summary:
    """What became of a campaign, as far as the caller may see it. odd: at most so many, 0 leaves the comparison out.

    10,000 adapters take tens of milliseconds, and seconds once when nobody has compared their outputs yet.
    Raises NotFound.
    """
    row = await campaigns.one(db, campaign, contract=caller.contract)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="campaign", name=campaign)
    numbers = await campaigns.numbers(db, campaign, contract=caller.contract, slowest=SLOWEST)
    if not odd or not row["done"]:  # nothing was printed
        return Summary(row, numbers, (), ())
    return Summary(row, numbers, *await compare.survey(db, campaign, caller=caller, limit=odd))
