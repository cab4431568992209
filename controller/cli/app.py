"""The root of the command line. Sub-commands are added where the product is put together (controller/app.py)."""

import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from controller.cli.failures import Exit
from controller.cli.words import _


def root(groups: Iterable[typer.Typer] = ()) -> typer.Typer:
    """The `hikitsugi` command with these groups."""
    app = typer.Typer(
        name="hikitsugi",
        help=_("Keeps a fleet of service adapters in service through every exchange of hardware."),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for commands in groups:
        app.add_typer(commands)
    return app


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code. A traceback means a bug of ours, and the last line says so."""
    try:
        app(args=list(sys.argv[1:] if arguments is None else arguments), prog_name="hikitsugi")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.REFUSED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception:
        traceback.print_exc()
        typer.echo(_("Internal error: this is a bug of hikitsugi; please report it with the lines above."), err=True)
        return Exit.INTERNAL
    return Exit.OK


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # slow to import, and rarely asked for

        typer.echo(f"hikitsugi {version('hikitsugi')}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", help=_("Print the version."), is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    pass
