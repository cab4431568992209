"""`hikitsugi selection`, and the options by which other commands say on which adapters."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.output import Column
from controller.cli.words import _

selection = group("selection", _("Selections of adapters, kept by name."))

Codes = Annotated[list[str] | None, typer.Option("--entry", "--code", help=_("On this code; repeatable."))]
Contract = Annotated[str, typer.Option(help=_("On all entries of this contract."))]
Series = Annotated[str, typer.Option(help=_("On all entries of this series."))]
Models = Annotated[list[str] | None, typer.Option("--model", help=_("Only this model; repeatable."))]
Firmware = Annotated[str, typer.Option(help=_('Only these versions, as last said: ">=3.10,<3.42".'))]
Group = Annotated[str, typer.Option("--group", help=_("Only this group."))]
Tags = Annotated[list[str] | None, typer.Option("--tag", help=_("Only with this tag; repeatable, then with all."))]
Connection = Annotated[
    Literal["connected", "disconnected"] | None, typer.Option("--connection", help=_("Only in this state now."))
]
Kind = Annotated[
    Literal["entry", "standby", "both"], typer.Option("--kind", help=_("Codes of this kind, where none are named."))
]
Saved = Annotated[str, typer.Option("--selection", help=_("As kept under this name, narrowed by what else is given."))]
All = Annotated[bool, typer.Option("--all", help=_("On all entries."))]


def parts(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given of codes, contract, series, models, firmware, group, tags, connection, kind and saved, as the API
    wants it; nothing is left that narrows nothing. Any: as the options have it, and JSON."""
    kept = {name: value for name, value in given.items() if value}
    if kept.get("kind") == "entry":
        del kept["kind"]
    return kept


@selection.command("ls", help=_("List the selections that are kept."))
def list_selections(session: Session) -> None:
    columns = (
        Column(_("name"), "name"),
        Column(_("selection"), lambda row: described(row["definition"])),
        Column(_("by"), "account"),
        Column(_("changed"), "changed_at"),
    )
    session.out.table(session.api.pages("/selections"), columns)


def described(definition: Mapping[str, Any]) -> str:
    """The parts of a selection on one line, many codes cut. Any: JSON."""
    said = []
    for name, value in definition.items():
        values = value if isinstance(value, list) else [value]
        more = f" … ({len(values)})" if len(values) > 5 else ""
        said.append(f"{name}={','.join(map(str, values[:5]))}{more}")
    return " ".join(said)


Name = Annotated[str, typer.Argument(help=_("Name of the selection."))]


@selection.command("show", help=_("Show one selection."))
def show_selection(session: Session, name: Name) -> None:
    found = session.api.get(f"/selections/{segment(name)}")
    columns = (
        Column(_("name"), "name"),
        Column(_("by"), "account"),
        Column(_("changed"), "changed_at"),
        *(Column(part, part) for part in found["definition"]),
    )
    session.out.record(found if session.out.json else {**found["definition"], **found}, columns)


@selection.command("save", help=_("Keep a selection under a name, instead of what was kept there."))
def save_selection(
    session: Session,
    name: Name,
    entry: Codes = None,
    contract: Contract = "",
    series: Series = "",
    model: Models = None,
    firmware: Firmware = "",
    group_: Group = "",
    tag: Tags = None,
    connection: Connection = None,
    kind: Kind = "entry",
) -> None:
    body = parts(
        {
            "codes": entry,
            "contract": contract,
            "series": series,
            "models": model,
            "firmware": firmware,
            "group": group_,
            "tags": tag,
            "connection": connection,
            "kind": kind,
        }
    )
    kept = session.api.send("PUT", f"/selections/{segment(name)}", body)
    session.out.done(kept, _("Selection {name} is kept. Use it with: hikitsugi run --selection {name}", name=name))


@selection.command("rm", help=_("Drop a selection."))
def drop_selection(session: Session, name: Name) -> None:
    session.api.send("DELETE", f"/selections/{segment(name)}")
    session.out.done({"name": name}, _("Selection {name} is dropped.", name=name))
