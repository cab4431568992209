"""Answers that go into a file or, piece by piece, to standard output."""

import sys
from collections.abc import Iterable
from pathlib import Path

from controller.cli.failures import CliError, Exit
from controller.cli.words import _


def save(chunks: Iterable[bytes], out: Path | None) -> int:
    """Write the pieces to the file (mode 0600, replaced only when all of it is there) or, without one, to stdout.

    Returns the number of bytes. Raises CliError when the file cannot be written; what was there before stays.
    """
    if out is None:
        size = 0
        for chunk in chunks:
            size += sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return size
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
