"""`hikitsugi run` and `hikitsugi task`: status from one adapter or thousands."""

from typing import Annotated, Any

import typer

from controller.cli.commands import Commands, Session, group
from controller.cli.failures import CliError, Exit
from controller.cli.looks import looks
from controller.cli.output import Column
from controller.cli.words import _
from controller.series import Via

top = Commands()
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


@top.command("run", help=_("Run status commands on adapters and keep what they print."))
def run(
    session: Session,
    lines: Annotated[list[str], typer.Argument(help=_('Commands, each quoted: "show system" "show log".'))],
    entry: Annotated[list[str] | None, typer.Option("--entry", "--code", help=_("On this code; repeatable."))] = None,
    contract: Annotated[str, typer.Option(help=_("On all entries of this contract."))] = "",
    series: Annotated[str, typer.Option(help=_("On all entries of this series."))] = "",
    all_: Annotated[bool, typer.Option("--all", help=_("On all entries."))] = False,
    via: Annotated[
        Via | None, typer.Option(help=_("Over ssh or arms; by default what fits each adapter."), case_sensitive=False)
    ] = None,
    reason: Annotated[str, typer.Option(help=_("Why, for the record."))] = "",
    output: Annotated[bool, typer.Option("--output/--no-output", help=_("Print what the adapters printed."))] = False,
    wait_s: Annotated[
        float, typer.Option("--wait", help=_("Seconds to wait for the results; 0 only starts."))
    ] = 3600.0,
) -> None:
    if not (entry or contract or series or all_):
        raise typer.BadParameter(_("Say on which adapters: --entry, --contract, --series or --all."))
    body = {
        "lines": lines,
        "codes": entry or [],
        "contract": contract or None,
        "series": series or None,
        "via": via,
        "reason": reason,
    }
    accepted = session.api.send("POST", "/campaigns", body)
    if accepted["skipped"]:
        session.out.note(_("Skipped, because they hold no adapter: {codes}.", codes=accepted["skipped"]))
    campaign = _followed(session, accepted, wait_s)
    tasks = list(session.api.pages("/tasks", campaign=accepted["campaign"]))[::-1]
    if session.out.json:
        shown = [session.api.get(f"/tasks/{one['id']}") for one in tasks] if output else tasks
        session.out.document({**campaign, "skipped": accepted["skipped"], "task_list": shown})
    else:
        _tell(session, campaign, tasks, output)
    unfinished = campaign["waiting"] + campaign["running"]
    if campaign["failed"] or (unfinished and wait_s):
        raise typer.Exit(Exit.SOME_FAILED)


def _followed(session: Session, accepted: Any, wait_s: float) -> Any:
    """The campaign when all its tasks ended, or as it is when wait_s seconds are over. Any: JSON objects."""
    path, seen = f"/campaigns/{accepted['campaign']}", 0
    campaign: Any = None
    try:
        with session.out.progress(_("collecting"), accepted["tasks"]) as advance:
            for campaign in looks(session.api, path, wait_s):
                ended = campaign["done"] + campaign["failed"]
                advance(ended - seen)
                seen = ended
                if ended == campaign["tasks"]:
                    break
    except CliError:
        session.out.note(_("It goes on. Look at it with: hikitsugi task ls --campaign {campaign}", **accepted))
        raise
    return campaign


def _tell(session: Session, campaign: Any, tasks: list[Any], output: bool) -> None:
    """Any: JSON objects."""
    if output:
        for one in tasks:
            _print(session, session.api.get(f"/tasks/{one['id']}"))
    session.out.table(tasks, TASKS)
    session.out.say(
        _("Campaign {id}: {done} of {tasks} done, {failed} failed.", **campaign)
        + (" " + _("Read one with: hikitsugi task show TASK") if tasks and not output else "")
    )


@task.command("ls", help=_("List tasks, newest first."))
def list_tasks(
    session: Session,
    campaign: Annotated[int | None, typer.Option(help=_("Only of this campaign."))] = None,
    adapter: Annotated[str, typer.Option(help=_("Only on this adapter (serial)."))] = "",
    state: Annotated[str, typer.Option(help=_("waiting, running, done or failed."))] = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    query = {"campaign": campaign, "adapter": adapter or None, "state": state or None}
    columns = (*TASKS, Column(_("finished"), "finished_at"), Column(_("by"), "account"))
    session.out.table(session.api.first(limit, "/tasks", **query), columns)


@task.command("show", help=_("Show one task and what the adapter printed."))
def show_task(session: Session, task: Annotated[int, typer.Argument(help=_("Id of the task."))]) -> None:
    found = session.api.get(f"/tasks/{task}")
    if session.out.json:
        session.out.document(found)
        return
    more = (
        Column(_("started"), "started_at"),
        Column(_("finished"), "finished_at"),
        Column(_("by"), "account"),
        Column(_("reason"), "reason"),
    )
    session.out.record(found, TASKS + more)
    _print(session, found)


def _print(session: Session, found: Any) -> None:
    """Any: a JSON object. Bytes that are no text are shown with replacement characters; --json has them exactly."""
    import base64

    for one in found["transcripts"]:
        session.out.say(f"--- {one['code']} {one['adapter']} {one['firmware']}: {one['line']}")
        text = one["text"] if one["text"] is not None else base64.b64decode(one["base64"]).decode(errors="replace")
        session.out.text(text.replace("\r\n", "\n"))
        if one["truncated"]:
            session.out.say(_("[cut: the adapter printed more than is kept]"))
        if one["failure"]:
            session.out.say(f"[{one['failure']}] {one['detail']}")
