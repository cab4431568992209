"""The console script `hikitsugi`: the API's commands, the daemon, the emulated fleet, the demonstration.

Imports what `--help` needs and no more; the daemon's weight comes with `serve`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import app as fleet
from controller.cli import groups
from controller.cli.app import root, run
from controller.cli.demo import top as demo
from controller.cli.failures import Exit
from controller.cli.words import _

daemon = typer.Typer()


@daemon.command("serve", help=_("Run the controller until SIGTERM."))
def serve(
    data_dir: Annotated[Path | None, typer.Option(help=_("Where it keeps everything."), show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help=_("Settings file (TOML)."), show_default=False)] = None,
    log_format: Annotated[str | None, typer.Option(help=_("text or json."), show_default=False)] = None,
    log_level: Annotated[str | None, typer.Option(help=_("debug, info, warning or error."), show_default=False)] = None,
) -> None:
    import asyncio

    from controller import app, logs, settings
    from controller.startup import CannotStart

    said = {"data_dir": data_dir, "log_format": log_format, "log_level": log_level}
    try:
        chosen = settings.load(config, {name: str(value) for name, value in said.items() if value is not None})
        logs.configure(chosen.log_format, chosen.log_level)
        asyncio.run(app.serve(chosen))
    except CannotStart as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(Exit.REFUSED) from error


def command_line() -> typer.Typer:
    """The whole tree of commands."""
    return root((daemon, *groups.ALL, fleet, demo))


def main() -> None:
    """Entry point of the installed command."""
    sys.exit(run(command_line()))


if __name__ == "__main__":
    main()
