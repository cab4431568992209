"""`hikitsugi config`: the configs of a code in their stages."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.output import Column
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
def show(
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
