"""`hikitsugi campaign summary`: what became of a campaign, so that people can read it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from controller.cli.commands import Session
from controller.cli.groups.campaigns import Number, campaign, told
from controller.cli.output import Column
from controller.cli.words import _

__all__ = ["campaign", "summary", "tell_summary"]

_OUTCOMES = (
    Column(_("state"), "state"),
    Column(_("failure"), "failure"),
    Column(_("tasks"), "tasks", right=True),
    Column(_("for example"), "example"),
    Column(_("task"), "task", right=True),
)
_MODELS = (
    Column(_("series"), "series"),
    Column(_("model"), "model"),
    Column(_("firmware"), "firmware"),
    Column(_("tasks"), "tasks", right=True),
    Column(_("done"), "done", right=True),
    Column(_("failed"), "failed", right=True),
)
_SLOWEST = (
    Column(_("seconds"), lambda row: f"{row['duration_s']:.1f}", right=True),
    Column(_("task"), "task", right=True),
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("state"), "state"),
    Column(_("failure"), "failure"),
)
_SKIPS = (
    Column(_("codes"), "codes", right=True),
    Column(_("why"), "why"),
    Column(_("for example"), "example"),
)
SPREADS = (
    Column(_("line"), "line"),
    Column(_("series"), "series"),
    Column(_("model"), "model"),
    Column(_("printed"), "printed", right=True),
    Column(_("alike"), "alike", right=True),
    Column(_("variants"), "different", right=True),
    Column(_("not readable"), "unparsable", right=True),
)
ODD = (
    Column(_("task"), "task", right=True),
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("model"), "model"),
    Column(_("line"), "line"),
    Column(_("lines that differ"), "distance", right=True),
    Column(_("first difference"), "reason"),
)


@campaign.command("summary", help=_("Sum a campaign up: outcomes, models, slowest, odd ones out."))
def summary(
    session: Session,
    number: Number,
    odd: Annotated[
        int, typer.Option(help=_("So many odd ones out at most; 0 does not compare."), min=0, max=1000)
    ] = 20,
) -> None:
    found = session.api.send("GET", f"/campaigns/{number}/summary", query={"odd": odd}, deadline_s=120)
    if session.out.json:
        session.out.document(found)
    else:
        tell_summary(session, found)


def tell_summary(session: Session, found: Mapping[str, Any]) -> None:
    """Headings with their tables; what is empty is left out. Any: JSON."""
    sections = (
        (_("Outcomes"), "outcomes", _OUTCOMES),
        (_("By model and firmware"), "models", _MODELS),
        (_("Slowest"), "slowest", _SLOWEST),
        (_("Left out"), "skips", _SKIPS),
        (_("What they printed"), "spreads", SPREADS),
        (_("Odd ones out"), "odd", ODD),
    )
    session.out.say(told(found["campaign"]))
    for heading, name, columns in sections:
        if found[name]:
            session.out.say("\n" + heading)
            session.out.table(found[name], columns)
