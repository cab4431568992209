"""The console script `hikitsugi`: the API's commands, the daemon, the emulated fleet, the demonstration.

Imports what `--help` needs and no more; the daemon's weight comes with `serve`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import app as fleet
from controller.cli import groups
from controller.cli.app import root, run
from controller.cli.demo import top as demo
from controller.cli.failures import Exit
from controller.cli.groups.firmware import firmware
from controller.cli.words import _

if TYPE_CHECKING:
    from controller.settings import Settings

daemon = typer.Typer()


@daemon.command("serve", help=_("Run the controller until SIGTERM."))
def serve(
    data_dir: Annotated[Path | None, typer.Option(help=_("Where it keeps everything."), show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help=_("Settings file (TOML)."), show_default=False)] = None,
    log_format: Annotated[str | None, typer.Option(help=_("text or json."), show_default=False)] = None,
    log_level: Annotated[str | None, typer.Option(help=_("debug, info, warning or error."), show_default=False)] = None,
) -> None:
    from controller import app

    _run(app.serve, config, {"data_dir": data_dir, "log_format": log_format, "log_level": log_level})


@daemon.command("worker", help=_("Run task workers beside a controller, here or on another machine, until SIGTERM."))
def worker(
    data_dir: Annotated[Path | None, typer.Option(help=_("Where it keeps everything."), show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help=_("Settings file (TOML)."), show_default=False)] = None,
    log_format: Annotated[str | None, typer.Option(help=_("text or json."), show_default=False)] = None,
    log_level: Annotated[str | None, typer.Option(help=_("debug, info, warning or error."), show_default=False)] = None,
) -> None:
    from controller import worker

    _run(worker.run, config, {"data_dir": data_dir, "log_format": log_format, "log_level": log_level})


# As Typer has it: it is no client of the API, so it takes no session.
@typer.Typer.command(
    firmware, "serve", help=_("Serve firmware images alone, here or on another machine, until SIGTERM.")
)
def firmware_serve(
    data_dir: Annotated[Path | None, typer.Option(help=_("Where it keeps everything."), show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help=_("Settings file (TOML)."), show_default=False)] = None,
    log_format: Annotated[str | None, typer.Option(help=_("text or json."), show_default=False)] = None,
    log_level: Annotated[str | None, typer.Option(help=_("debug, info, warning or error."), show_default=False)] = None,
) -> None:
    from controller import firmware_server

    _run(firmware_server.run, config, {"data_dir": data_dir, "log_format": log_format, "log_level": log_level})


def _run(
    endless: Callable[[Settings], Coroutine[None, None, None]], config: Path | None, said: Mapping[str, object]
) -> None:
    import asyncio

    from controller import logs, settings
    from controller.startup import CannotStart

    try:
        chosen = settings.load(config, {name: str(value) for name, value in said.items() if value is not None})
        logs.configure(chosen.log_format, chosen.log_level)
        asyncio.run(endless(chosen))
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
