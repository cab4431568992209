"""`hikitsugi search`: anything by its name."""

from typing import Annotated

import typer

from controller.cli.commands import Commands, Session
from controller.cli.output import Column
from controller.cli.words import _

top = Commands()

_FOUND = (
    Column(_("kind"), "kind"),
    Column(_("found"), "name"),
    Column(_("by its"), "matched"),
    Column(_("name"), "title"),
    Column(_("contract"), "contract"),
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("model"), "model"),
)


@top.command("search", help=_("Find adapters, codes and contracts by how their names begin or end."))
def search(
    session: Session,
    word: Annotated[
        str,
        typer.Argument(help=_("Beginning of a serial, distribution id, code, contract or name; or a serial's end.")),
    ],
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1, max=100)] = 20,
) -> None:
    found = session.api.get("/search", q=word, limit=limit)
    if session.out.json:
        session.out.document(found)
        return
    session.out.table(found["items"], _FOUND)
    if found["more"]:
        session.out.note(_("There is more: write more of the name."))
