"""Answers that go into a file or, piece by piece, to standard output."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.failures import CliError, Exit
from controller.cli.words import _

Out = Annotated[Path | None, typer.Option(help=_("Into this new file (mode 0600) instead of the terminal."))]
Force = Annotated[bool, typer.Option("--force", help=_("Replace the file of --out if it is there."))]


def save(chunks: Iterable[bytes], out: Path | None, *, force: bool) -> int:
    """Write the pieces to the file (mode 0600, complete or not at all) or, without one, to stdout.

    force: replace a file that is there; else it is refused before the first piece is asked for.
    Returns the number of bytes. Raises CliError when the file cannot be written; what was there before stays.
    """
    if out is None:
        size = 0
        for chunk in chunks:
            size += sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return size
    if out.exists() and not force:
        raise CliError(
            _("The file {file} exists; nothing was written.", file=out),
            Exit.REFUSED,
            next_step=_("Name another file, or replace this one with --force."),
        )
    draft = out.with_name(out.name + ".part")
    try:
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600, exist_ok=False)
        with draft.open("wb") as file:
            size = sum(map(file.write, chunks))
        draft.replace(out)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CliError(
            _("The file {file} cannot be written: {reason}.", file=out, reason=error.strerror), Exit.REFUSED
        ) from error
    return size
