"""`hikitsugi transcript`: look for what adapters printed, read it, take it away."""

from base64 import b64encode
from typing import Annotated

import typer

from controller.cli.commands import Session, group
from controller.cli.files import Force, Out, save
from controller.cli.moments import At, moment
from controller.cli.output import Column
from controller.cli.words import _

transcript = group("transcript", _("What adapters printed."))

FOUND = (
    Column(_("task"), "task", right=True),
    Column(_("line"), "position", right=True),
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("firmware"), "firmware"),
    Column(_("command"), "line"),
    Column(_("started"), "started_at"),
    Column(_("bytes"), "size", right=True),
    Column(_("failure"), "failure"),
    Column(_("found"), lambda row: " ".join(row["excerpt"].split())),
)


@transcript.command("search", help=_("Look for transcripts, newest first."))
def search(
    session: Session,
    text: Annotated[str, typer.Argument(help=_("Only with this text; letters A-Z count like a-z."))] = "",
    field: Annotated[
        str, typer.Option(help=_("Only with this value in the typed fields, such as firmware=3.42."))
    ] = "",
    campaign: Annotated[int | None, typer.Option(help=_("Only of this campaign."))] = None,
    adapter: Annotated[str, typer.Option(help=_("Only on this adapter (serial)."))] = "",
    code: Annotated[str, typer.Option(help=_("Only of this code."))] = "",
    contract: Annotated[str, typer.Option(help=_("Only of this contract."))] = "",
    command: Annotated[str, typer.Option(help=_('Only of this declared command, such as "show system".'))] = "",
    since: At = "",
    until: At = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    query = {
        "text": text or None,
        "field": field or None,
        "campaign": campaign,
        "adapter": adapter or None,
        "code": code or None,
        "contract": contract or None,
        "command": command or None,
        "since": moment(since),
        "until": moment(until),
    }
    session.out.table(session.api.first(limit, "/transcripts", **query), FOUND)


@transcript.command("show", help=_("Print one output, byte for byte as it is kept where it does not go to a terminal."))
def show(
    session: Session,
    task: Annotated[int, typer.Argument(help=_("Id of the task."), min=0)],
    line: Annotated[int, typer.Argument(help=_("Which of its lines, from 1."), min=1)] = 1,
) -> None:
    body = b"".join(session.api.lines("GET", f"/transcripts/{task}/{line}"))
    if session.out.json:
        session.out.document({"task": task, "line": line, **_text_or_base64(body)})
    else:
        session.out.raw(body)


def _text_or_base64(body: bytes) -> dict[str, str | None]:
    """As the API has it: the text, or its bytes in base64 when they are no UTF-8."""
    try:
        return {"text": body.decode(), "base64": None}
    except UnicodeDecodeError:
        return {"text": None, "base64": b64encode(body).decode()}


@transcript.command("export", help=_("Write all outputs of a campaign or a task with who, why, when and their hashes."))
def export(
    session: Session,
    campaign: Annotated[int | None, typer.Option(help=_("Of this campaign."))] = None,
    task: Annotated[int | None, typer.Option(help=_("Or of this task."))] = None,
    format: Annotated[str, typer.Option(help=_("zip, json, csv or text."))] = "zip",  # noqa: A002 (the option's name)
    out: Out = None,
    force: Force = False,
) -> None:
    query = {"campaign": campaign, "task": task, "format": format}
    save(session.api.lines("GET", "/transcripts/export", query=query), out, force=force)
