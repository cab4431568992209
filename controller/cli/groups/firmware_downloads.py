"""`hikitsugi firmware downloads`: what adapters have fetched."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from controller.cli.commands import Session
from controller.cli.groups.firmware import firmware
from controller.cli.output import Column
from controller.cli.words import _


def _percent(row: Mapping[str, Any]) -> str:  # Any: a JSON object
    return f"{100 * row['reached'] // row['size']} %"


DOWNLOADS = (
    Column(_("began"), "began_at"),
    Column(_("last"), "last_at"),
    Column(_("adapter"), "adapter"),
    Column(_("code"), "code"),
    Column(_("series"), "series"),
    Column(_("version"), "version"),
    Column(_("fetched"), _percent, right=True),
    Column(_("bytes sent"), "sent", right=True),
    Column(_("requests"), "requests", right=True),
    Column(_("outcome"), "outcome"),
    Column(_("from"), "source"),
)


@firmware.command("downloads", help=_("List what adapters have fetched, newest first: a row for each attempt."))
def list_downloads(
    session: Session,
    adapter: Annotated[str, typer.Option(help=_("Only of this adapter."))] = "",
    code: Annotated[str, typer.Option(help=_("Only for this code."))] = "",
    contract: Annotated[str, typer.Option(help=_("Only of this contract's adapters."))] = "",
    series: Annotated[str, typer.Option(help=_("Only of this series."))] = "",
    version: Annotated[str, typer.Option(help=_("Only this version."))] = "",
    outcome: Annotated[
        str, typer.Option(help=_("Only with this outcome: under-way, complete, stalled, lost, damaged or refused."))
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help=_("At most so many rows."))] = 50,
) -> None:
    given = {
        "adapter": adapter,
        "code": code,
        "contract": contract,
        "series": series,
        "version": version,
        "outcome": outcome,
    }
    query = {name: value or None for name, value in given.items()}
    session.out.table(session.api.first(limit, "/firmware/downloads", **query), DOWNLOADS)
