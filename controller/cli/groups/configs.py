"""`hikitsugi config`: the configs of a code in their stages."""

from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.groups.operations import Reason, Wait, followed, tell
from controller.cli.moments import At, moment
from controller.cli.output import Column, show
from controller.cli.words import _

config = group("config", _("Configs of a code: working, startup, running."))

CodeName = Annotated[str, typer.Argument(help=_("The code."))]
ModuleId = Annotated[int, typer.Option(help=_("Module id; 0 is the adapter itself."), min=0, max=99)]


@config.command("ls", help=_("List the stages there are."))
def list_stages(session: Session, code: CodeName) -> None:
    columns = (
        Column(_("module"), "module", right=True),
        Column(_("stage"), "stage"),
        Column(_("revision"), "revision", right=True),
        Column(_("since"), "at"),
        Column(_("bytes"), "size", right=True),
        Column(_("by"), "account"),
    )
    session.out.table(session.api.get(f"/codes/{segment(code)}/configs"), columns)


@config.command("show", help=_("Print a config, byte for byte."))
def show_config(
    session: Session,
    code: CodeName,
    stage: Annotated[str, typer.Option(help=_("working, startup or running."))] = "startup",
    module: ModuleId = 0,
) -> None:
    body = b"".join(session.api.lines("GET", f"/codes/{segment(code)}/configs/{module}/{segment(stage)}"))
    if session.out.json:
        session.out.document({"code": code, "module": module, "stage": stage, "config": body.decode(errors="replace")})
    else:
        session.out.raw(body)


@config.command("edit", help=_("Replace the working config by a file. The adapter gets it after `reflect`."))
def edit(
    session: Session,
    code: CodeName,
    file: Annotated[Path, typer.Argument(help=_("File with the whole config."))],
    module: ModuleId = 0,
) -> None:
    path = f"/codes/{segment(code)}/configs/{module}/working"
    written = session.api.upload("PUT", path, file, "text/plain")
    session.out.done(written, _("Working config of {code}: revision {revision}.", code=code, **written))


@config.command("reflect", help=_("Make the working config the startup config: the next pull gets it."))
def reflect(session: Session, code: CodeName, module: ModuleId = 0) -> None:
    written = session.api.send("POST", f"/codes/{segment(code)}/configs/{module}/startup")
    session.out.done(written, _("Startup config of {code}: revision {revision}.", code=code, **written))


@config.command("diff", help=_("Show what changes from one stage to another, as a unified diff."))
def diff(
    session: Session,
    code: CodeName,
    old: Annotated[str, typer.Option("--from", help=_("working, startup or running."))] = "running",
    new: Annotated[str, typer.Option("--to", help=_("working, startup or running."))] = "working",
    module: ModuleId = 0,
) -> None:
    path = f"/codes/{segment(code)}/diffs/{module}?old={segment(old)}&new={segment(new)}"
    text = b"".join(session.api.lines("GET", path)).decode(errors="replace")
    if session.out.json:
        session.out.document({"code": code, "module": module, "from": old, "to": new, "diff": text})
    elif text:
        session.out.text(text)
    else:
        session.out.note(_("Nothing changes."))


@config.command("push", help=_("Push the working config to the adapter; it goes back by itself if it loses contact."))
def push(
    session: Session,
    code: CodeName,
    at: At = "",
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("Only say what would be pushed."))] = False,
    wait_s: Wait = 300.0,
) -> None:
    body = {"at": moment(at), "reason": reason, "dry_run": dry_run}
    report = session.api.send("POST", f"/codes/{segment(code)}/pushes", body)
    if dry_run or at or not wait_s:
        if session.out.json:
            session.out.document(report)
        _tell_plan(session, report)
        return
    if not session.out.json:
        _tell_plan(session, report)
    found = followed(session, report["operation"], wait_s)
    tell(session, found, wait_s)


def _tell_plan(session: Session, report: Any) -> None:
    """Any: a JSON object."""
    if session.out.json:
        return
    columns = (
        Column(_("module"), "module", right=True),
        Column(_("version"), "version"),
        Column(_("stage"), "stage"),
        Column(_("revision"), "revision", right=True),
        Column(_("bytes"), "size", right=True),
        Column(_("changed"), lambda row: bool(row["diff"])),
    )
    session.out.table(report["modules"], columns)
    if report["operation"] is None:
        session.out.say(_("Nothing was pushed: this was a dry run."))
        return
    due = {"operation": report["operation"], "at": show(report["due_at"])}
    session.out.say(
        _("Operation {operation}, due {at}. To take it back: hikitsugi operation cancel {operation}", **due)
    )
    if not report["connected"]:
        session.out.say(_("{adapter} is not connected; the push waits until it is back.", **report))
