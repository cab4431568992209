"""`hikitsugi task`: what is run on one adapter, and what it printed."""

import base64
from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group
from controller.cli.moments import At, moment
from controller.cli.output import Column
from controller.cli.words import _

task = group("task", _("Tasks and what adapters printed."))

TASKS = (
    Column(_("task"), "id", right=True),
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("state"), "state"),
    Column(_("via"), "via"),
    Column(_("failure"), "failure"),
    Column(_("detail"), "detail"),
)
_MORE = (
    Column(_("campaign"), "campaign", right=True),
    Column(_("kind"), "kind"),
    Column(_("investigation"), "investigation"),
    Column(_("waiting for"), "waiting_for"),
    Column(_("due"), "due_at"),
    Column(_("expires"), "expires_at"),
    Column(_("started"), "started_at"),
    Column(_("finished"), "finished_at"),
    Column(_("by"), "account"),
    Column(_("reason"), "reason"),
)

Number = Annotated[int, typer.Argument(help=_("Id of the task."), min=0)]
Reason = Annotated[str, typer.Option(help=_("Why, for the record."))]
Since = Annotated[
    str, typer.Option("--since", help=_("Only begun, or due, at this ISO time (JST without zone) or later."))
]
Until = Annotated[str, typer.Option("--until", help=_("Only begun, or due, before this ISO time (JST without zone)."))]


@task.command("ls", help=_("List tasks, newest first."))
def list_tasks(
    session: Session,
    campaign: Annotated[int | None, typer.Option(help=_("Only of this campaign."))] = None,
    adapter: Annotated[str, typer.Option(help=_("Only on this adapter (serial)."))] = "",
    code: Annotated[str, typer.Option(help=_("Only of this code."))] = "",
    state: Annotated[str, typer.Option(help=_("waiting, running, done, failed, cancelled or expired."))] = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    query = {
        "campaign": campaign,
        "adapter": adapter or None,
        "code": code or None,
        "state": state or None,
        "since": moment(since),
        "until": moment(until),
    }
    columns = (
        *TASKS,
        Column(_("waiting for"), "waiting_for"),
        Column(_("due"), "due_at"),
        Column(_("finished"), "finished_at"),
        Column(_("by"), "account"),
    )
    session.out.table(session.api.first(limit, "/tasks", **query), columns)


@task.command("show", help=_("Show one task and what the adapter printed."))
def show_task(session: Session, task: Number) -> None:
    found = session.api.get(f"/tasks/{task}")
    session.out.record(found, TASKS + _MORE)
    if not session.out.json:
        tell_printed(session, found)


def tell_printed(session: Session, found: Any) -> None:
    """Any: a JSON object. Bytes that are no text are shown with replacement characters; --json has them exactly."""
    for one in found["transcripts"]:
        session.out.say(f"--- {one['code']} {one['adapter']} {one['firmware']}: {one['line']}")
        text = one["text"] if one["text"] is not None else base64.b64decode(one["base64"]).decode(errors="replace")
        session.out.text(text.replace("\r\n", "\n"))
        if one["truncated"]:
            session.out.say(_("[cut: the adapter printed more than is kept]"))
        if one["unparsable"]:
            session.out.say(_("[not what this command is known to print: {unparsable}]", **one))
        if one["masked"]:
            session.out.say(_("[{masked} secrets are masked]", **one))
        if one["failure"]:
            session.out.say(f"[{one['failure']}] {one['detail']}")


@task.command("cancel", help=_("Take a task back that waits; one that runs is told to stop."))
def cancel(session: Session, task: Number, reason: Reason = "") -> None:
    found = session.api.send("POST", f"/tasks/{task}/cancel", {"reason": reason})
    sentence = (
        _("Task {id} is told to stop.", **found) if found["state"] == "running" else _("Task {id} is {state}.", **found)
    )
    session.out.done(found, sentence)


@task.command("move", help=_("Give a task that waits another time."))
def move(session: Session, task: Number, at: At) -> None:
    found = session.api.send("PATCH", f"/tasks/{task}", {"at": moment(at)})
    session.out.done(found, _("Task {id} is due at {at}.", id=found["id"], at=shown(found["due_at"])))


def shown(time: str) -> str:
    """A time of the API as people here read it."""
    from controller.cli.output import show

    return show(time)
