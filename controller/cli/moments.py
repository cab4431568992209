"""Times as people write them on the command line."""

from datetime import datetime
from typing import Annotated

import typer

from controller.cli.words import _

At = Annotated[str, typer.Option(help=_("ISO time, for example 2026-11-22T15:00+09:00; without zone it is JST."))]


def moment(text: str) -> str | None:
    """The time as the API wants it, None for ""; without a zone it is JST. Raises CliError."""
    if not text:
        return None
    from controller.cli.failures import CliError, Exit
    from controller.domain.errors import JST

    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CliError(
            _("{text} is not a time.", text=text), Exit.REFUSED, next_step=_("Write it like 2026-11-22T15:00+09:00.")
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=JST)).isoformat()
