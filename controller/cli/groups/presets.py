"""`hikitsugi preset`: sets of lines that people keep."""

from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.output import Column
from controller.cli.words import _

preset = group("preset", _("Sets of commands that are kept under a title."))

Title = Annotated[str, typer.Argument(help=_("Title of the preset."))]
Contract = Annotated[str, typer.Option(help=_("Of this contract; support staff's own without it."))]


def _listed(name: str) -> Any:
    """A column's value: a list as one line. Any: what Column takes."""
    return lambda row: ", ".join(row[name])


_COLUMNS = (
    Column(_("title"), "title"),
    Column(_("contract"), "contract"),
    Column(_("class"), "kind"),
    Column(_("lines"), _listed("lines")),
    Column(_("variables"), _listed("variables")),
    Column(_("changed"), "changed_at"),
    Column(_("by"), "account"),
)


@preset.command("ls", help=_("List presets."))
def list_presets(session: Session, contract: Contract = "") -> None:
    session.out.table(session.api.pages("/presets", contract=contract or None), _COLUMNS)


@preset.command("show", help=_("Show one preset and what it asks for."))
def show_preset(session: Session, title: Title, contract: Contract = "") -> None:
    session.out.record(session.api.get(f"/presets/{segment(title)}", contract=contract or None), _COLUMNS)


@preset.command("save", help=_("Keep commands under a title, instead of what was kept there."))
def save_preset(
    session: Session,
    title: Title,
    lines: Annotated[
        list[str], typer.Argument(help=_("Commands, each quoted; ${name} stands for a word to be given."))
    ],
    kind: Annotated[
        str, typer.Option("--class", help=_("The most harmful class of them: status, diagnostic, clear, management."))
    ] = "status",
    contract: Contract = "",
) -> None:
    body = {"kind": kind, "lines": lines}
    session.api.send("PUT", f"/presets/{segment(title)}", body, query={"contract": contract or None})
    session.out.done({"title": title}, _("Preset {title} is kept.", title=title))


@preset.command("rm", help=_("Drop a preset."))
def delete_preset(session: Session, title: Title, contract: Contract = "") -> None:
    session.api.send("DELETE", f"/presets/{segment(title)}", query={"contract": contract or None})
    session.out.done({"title": title}, _("Preset {title} is gone.", title=title))
