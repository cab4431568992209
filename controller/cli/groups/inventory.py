"""`hikitsugi inventory`: the registry in and out as a file."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group
from controller.cli.failures import CliError, Exit, from_problem
from controller.cli.files import save
from controller.cli.words import _

inventory = group("inventory", _("The registry as a file, in and out."))


@inventory.command("import", help=_("Import adapters, codes and configs from CSV or JSON: all or nothing."))
def import_inventory(
    session: Session,
    file: Annotated[Path, typer.Argument(help=_("A .csv or .json file."))],
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("Only say what would change."))] = False,
) -> None:
    kind = "application/json" if file.suffix.lower() == ".json" else "text/csv"
    answer = session.api.upload_lines(
        "POST", "/inventory/import-with-progress", file, kind, query={"dry_run": dry_run}, deadline_s=1800.0
    )
    report = _followed(session, answer, _count(file))
    changed = ", ".join(f"{kind} {count}" for kind, count in report["changed"].items() if count)
    if not changed:
        sentence = _("{rows} rows read; the registry knew all of it already.", rows=report["rows"])
    elif dry_run:
        sentence = _("{rows} rows read; would change: {changed}.", rows=report["rows"], changed=changed)
    else:
        sentence = _("{rows} rows read; changed: {changed}.", rows=report["rows"], changed=changed)
    session.out.done(report, sentence)


def _followed(session: Session, answer: Any, total: int | None) -> Any:
    """The final report of the stream, with a bar meanwhile. Any: lines and a JSON object."""
    stages = {"read": _("reading"), "compared": _("comparing"), "written": _("writing")}
    with session.out.stages(total) as show:
        for line in answer:
            step = json.loads(line)
            if "report" in step:
                return step["report"]
            if "problem" in step:
                raise from_problem(step["problem"]["status"], step["problem"])
            show(stages.get(step["stage"], step["stage"]), step["done"])
    raise CliError(
        _("The controller stopped answering in the middle."),
        Exit.UNREACHABLE,
        next_step=_("Import the file again: what is there already is not changed."),
    )


def _count(file: Path) -> int | None:
    """About how many rows the file has, for the bar; None where counting would not tell."""
    if file.suffix.lower() == ".json" or not file.is_file():
        return None
    with file.open("rb") as lines:
        return sum(1 for _line in lines)


@inventory.command("export", help=_("Write the registry as a file that can be imported again."))
def export(
    session: Session,
    format: Annotated[str, typer.Option(help=_("csv or json."))] = "csv",  # noqa: A002 (the option's name)
    contract: Annotated[str, typer.Option(help=_("Only this contract's adapters."))] = "",
    secrets: Annotated[bool, typer.Option("--secrets", help=_("With keys and passwords in clear."))] = False,
    out: Annotated[
        Path | None, typer.Option(help=_("Write to this file (mode 0600), replacing it, instead of standard output."))
    ] = None,
) -> None:
    query = {"format": "json" if session.out.json else format, "contract": contract or None, "secrets": secrets}
    chunks = session.api.lines("GET", "/inventory/export", query=query)
    save(chunks, out, force=True)
