"""`hikitsugi campaign`: watch one set of lines go over many adapters, steer it, and read what became of it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group
from controller.cli.failures import Exit
from controller.cli.groups.tasks import Reason, shown
from controller.cli.looks import Stage, watched
from controller.cli.moments import At, moment
from controller.cli.output import Column
from controller.cli.words import _

campaign = group("campaign", _("Campaigns: one set of commands over many adapters."))

CAMPAIGNS = (
    Column(_("campaign"), "id", right=True),
    Column(_("state"), "state"),
    Column(_("lines"), lambda row: "; ".join(row["lines"])),
    Column(_("tasks"), "tasks", right=True),
    Column(_("done"), "done", right=True),
    Column(_("failed"), "failed", right=True),
    Column(_("waiting"), "waiting", right=True),
    Column(_("running"), "running", right=True),
    Column(_("by"), "account"),
    Column(_("reason"), "reason"),
    Column(_("created"), "created_at"),
)
_MORE = (
    Column(_("why"), "why"),
    Column(_("kind"), "kind"),
    Column(_("contract"), "contract"),
    Column(_("investigation"), "investigation"),
    Column(_("preset"), "preset"),
    Column(_("cancelled"), "cancelled", right=True),
    Column(_("expired"), "expired", right=True),
    Column(_("skipped"), "skipped", right=True),
    Column(_("priority"), "priority", right=True),
    Column(_("at once"), "at_once", right=True),
    Column(_("per minute"), "per_minute", right=True),
    Column(_("stops itself at"), "stop_share"),
    Column(_("waits until back"), "until_back"),
    Column(_("due"), "due_at"),
    Column(_("expires"), "expires_at"),
    Column(_("ended"), "ended_at"),
)

Number = Annotated[int, typer.Argument(help=_("Id of the campaign."), min=0)]
Wait = Annotated[float, typer.Option("--wait", help=_("Seconds to watch at most."), min=0)]


@campaign.command("ls", help=_("List campaigns, newest first."))
def list_campaigns(
    session: Session,
    state: Annotated[str, typer.Option(help=_("running, paused, finished, aborted or stopped."))] = "",
    account: Annotated[str, typer.Option(help=_("Only asked for by this account."))] = "",
    investigation: Annotated[int | None, typer.Option(help=_("Only under this investigation."))] = None,
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 20,
) -> None:
    query = {"state": state or None, "account": account or None, "investigation": investigation}
    session.out.table(session.api.first(limit, "/campaigns", **query), CAMPAIGNS)


@campaign.command("show", help=_("Show one campaign."))
def show_campaign(session: Session, number: Number) -> None:
    session.out.record(session.api.get(f"/campaigns/{number}"), CAMPAIGNS + _MORE)


@campaign.command("watch", help=_("Watch a campaign until it has ended."))
def watch(session: Session, number: Number, wait_s: Wait = 86_400.0) -> None:
    found = followed(session, number, wait_s)
    session.out.done(found, told(found))
    raise typer.Exit(exit_code(found))


def followed(session: Session, number: int, wait_s: float) -> Any:
    """The campaign when all its tasks have ended, or as it is when wait_s seconds are over. Any: a JSON object.

    Raises CliError; a controller that is away for a while is waited for. Whoever interrupts it is told how to go on.
    """
    return watched(
        session,
        f"/campaigns/{number}",
        wait_s,
        total=lambda found: int(found["tasks"]),
        stage=lambda found: Stage(stage(found), found["tasks"] - still(found), not still(found)),
        go_on=_(
            "It goes on. Watch it: hikitsugi campaign watch {id}. End it: hikitsugi campaign abort {id}", id=number
        ),
    )


def still(found: Mapping[str, Any]) -> int:
    """Tasks that have not ended. Any: JSON."""
    return int(found["waiting"] + found["running"])


def stage(found: Mapping[str, Any]) -> str:
    """What stands before the bar. Any: JSON."""
    if found["state"] == "running":
        return _("{running} running, {failed} failed", **found)
    return _("{state}: {running} running, {failed} failed", **found)


def told(found: Mapping[str, Any]) -> str:
    """The campaign in a sentence or two. Any: JSON."""
    said = [_("Campaign {id}: {done} of {tasks} done, {failed} failed.", **found)]
    if found["cancelled"] + found["expired"]:
        said.append(_("{cancelled} cancelled, {expired} expired.", **found))
    if still(found):
        said.append(_("{waiting} waiting, {running} running.", **found))
    if found["state"] in ("paused", "aborted", "stopped"):
        state, why = found["state"], found["why"]
        said.append(_("It is {state}: {why}", state=state, why=why) if why else _("It is {state}.", state=state))
    return " ".join(said)


def exit_code(found: Mapping[str, Any]) -> Exit:
    """OK when every task was done. Any: JSON."""
    return Exit.OK if found["done"] == found["tasks"] else Exit.SOME_FAILED


@campaign.command("pause", help=_("Begin no more of its tasks; those under way end."))
def pause(session: Session, number: Number, reason: Reason = "") -> None:
    _steered(session, number, "pause", reason)


@campaign.command("resume", help=_("Go on after a pause."))
def resume(session: Session, number: Number, reason: Reason = "") -> None:
    _steered(session, number, "resume", reason)


@campaign.command("abort", help=_("End a campaign: waiting tasks are cancelled, running ones told to stop."))
def abort(session: Session, number: Number, reason: Reason = "") -> None:
    _steered(session, number, "abort", reason)


def _steered(session: Session, number: int, how: str, reason: str) -> None:
    found = session.api.send("POST", f"/campaigns/{number}/{how}", {"reason": reason})
    session.out.done(found, _("Campaign {id} is {state}.", **found) + " " + told(found))


@campaign.command("move", help=_("Give its waiting tasks another time."))
def move(session: Session, number: Number, at: At, reason: Reason = "") -> None:
    found = session.api.send("PATCH", f"/campaigns/{number}", {"at": moment(at), "reason": reason})
    session.out.done(found, _("Campaign {id} is due at {at}.", id=found["id"], at=shown(found["due_at"])))
