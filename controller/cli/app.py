"""The root of the command line. Sub-commands are added where the product is put together (controller/app.py)."""

import sys
import traceback
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Annotated

import typer
from typer.exceptions import TyperException

from controller.cli.failures import CliError, Exit
from controller.cli.output import Output
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
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in takewhile(lambda argument: argument != "--", given)
    try:
        ended = app(args=given, prog_name="hikitsugi", standalone_mode=not as_json)
        return ended if isinstance(ended, int) else Exit.OK
    except TyperException as error:  # only with --json; else Typer has told it and ended
        return _misused(error)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.REFUSED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception:
        traceback.print_exc()
        typer.echo(_("Internal error: this is a bug of hikitsugi; please report it with the lines above."), err=True)
        return Exit.INTERNAL


def _misused(error: TyperException) -> int:
    """A command line that makes no sense, told to a program as any other failure is; the exit code."""
    command = getattr(getattr(error, "ctx", None), "command_path", "hikitsugi")
    failure = CliError(
        _("The command line is not understood: {reason}", reason=error.format_message()),
        Exit.REFUSED,
        next_step=_("{command} --help says what it takes.", command=command),
    )
    Output(json=True).failure(failure)
    return failure.exit_code


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
