"""`hikitsugi task compare`, `hikitsugi campaign odd`: what differs, but for clocks, counters and the like."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from controller.cli.commands import Session
from controller.cli.groups import campaigns
from controller.cli.groups.campaign_summary import ODD, SPREADS
from controller.cli.groups.tasks import Number, task
from controller.cli.output import Column, show
from controller.cli.words import _

__all__ = ["compare", "odd", "task"]

_CHANGES = (
    Column(_("field"), "path"),
    Column(_("change"), "kind"),
    Column(_("before"), lambda row: _value(row["before"])),
    Column(_("after"), lambda row: _value(row["after"])),
)
_ODD = (
    *ODD,
    Column(_("printed alike"), "alike", right=True),
    Column(_("most agree"), lambda row: f"{row['share']:.1%}", right=True),
)


@task.command("compare", help=_("Compare what a task printed with an earlier run, a peer or most of its campaign."))
def compare(
    session: Session,
    number: Number,
    against: Annotated[
        str, typer.Option(help=_("previous, last-good, majority, or the id of another adapter's task."))
    ] = "previous",
    command: Annotated[str, typer.Option(help=_("Which line; by default the first one."))] = "",
) -> None:
    query = {"against": against, "command": command or None}
    found = session.api.send("GET", f"/tasks/{number}/compare", query=query, deadline_s=60)
    if session.out.json:
        session.out.document(found)
        return
    before, after = found["before"], found["after"]
    session.out.say(_("{line}: task {before} beside task {after}.", **_named(found["line"], before, after)))
    if before["printed"]:
        session.out.say(_("{alike} of {printed} adapters of the model printed the like.", **before))
    if found["diff"]:
        session.out.text(found["diff"])
    else:
        session.out.note(_("Nothing differs but clocks, counters and the like."))
    if found["changes"]:
        session.out.table(found["changes"], _CHANGES)
    if found["fault"]:
        session.out.note(_("Its fields could not be read: {fault}", fault=found["fault"]))


@campaigns.campaign.command("odd", help=_("List adapters that printed something else than most of their model."))
def odd(
    session: Session,
    number: campaigns.Number,
    command: Annotated[str, typer.Option(help=_("Only of this command, or of this whole line."))] = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1, max=1000)] = 100,
) -> None:
    query = {"command": command or None, "limit": limit}
    found = session.api.send("GET", f"/campaigns/{number}/odd", query=query, deadline_s=120)
    if session.out.json:
        session.out.document(found)
        return
    session.out.table(found["odd"], _ODD)
    if undecided := [one for one in found["spreads"] if one["alike"] * 2 < one["printed"]]:
        session.out.say("\n" + _("No majority, so nobody is odd:"))
        session.out.table(undecided, SPREADS)
    if unreadable := [one for one in found["spreads"] if one["unparsable"]]:
        session.out.say("\n" + _("Not what these commands are known to print, so their fields are missing:"))
        session.out.table(unreadable, (*SPREADS, Column(_("why"), "fault")))
    if found["odd"]:
        session.out.say(_("Look at one with: hikitsugi task compare TASK --against majority"))


def _named(line: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, object]:
    """Any: JSON."""
    told = [f"{side['task']} ({side['adapter']}, {show(side['started_at'])})" for side in (before, after)]
    return {"line": line, "before": told[0], "after": told[1]}


def _value(value: object) -> object:
    """A field's value; of a member of a list, its fields."""
    return ", ".join(f"{name}={show(one)}" for name, one in value.items()) if isinstance(value, dict) else value
