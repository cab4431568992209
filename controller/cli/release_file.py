"""A release as the importer describes it: a TOML file, and options that say the same or more.

image = "seil8-3.42.img"            # paths are relative to the file
series = "seil8"
version = "3.42"
code_name = "Caprice"
sha256 = "…"                        # as the vendor published it
size = 33554944                     # bytes
released_at = 2026-11-22T10:00:00+09:00   # without zone it is JST
models = ["SEIL/X4", "CA10"]        # none: as the image's header says, else the whole series
hardware_revisions = []             # none: all
hardware_lowest = "B"               # the lowest that it runs on
from_lowest = "3.30"                # the lowest version over which it can be installed
notes_ja = "notes.ja.md"
notes_en = "notes.en.md"
missed_why = ""                     # if it comes later than on the vendor's day
"""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from controller.cli.failures import CliError, Exit
from controller.cli.moments import moment
from controller.cli.words import _
from controller.domain.firmware_release import MAX_NOTES

PATHS: Final = ("image", "notes_ja", "notes_en")
_TEXTS: Final = (*PATHS, "series", "version", "code_name", "sha256", "hardware_lowest", "from_lowest", "missed_why")
_LISTS: Final = ("models", "hardware_revisions")

Facts = Mapping[str, Any]
"""By the names above; paths made whole, times in ISO. Any: what TOML has."""


def read(file: Path) -> Facts:
    """Raises CliError with what is wrong in which field."""
    try:
        facts = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CliError(_("The file {file} cannot be read: {reason}.", file=file, reason=error), Exit.REFUSED) from error
    if wrong := [name for name, value in facts.items() if not _is_right(name, value)]:
        raise CliError(
            _("{file} has fields that are not known, or of another type.", file=file),
            Exit.REFUSED,
            details=wrong,
            next_step=_(
                "hikitsugi firmware import --help tells all of them; times are written like 2026-11-22T15:00:00+09:00."
            ),
        )
    facts |= {name: file.parent / facts[name] for name in PATHS if name in facts}
    if "released_at" in facts:
        facts["released_at"] = moment(facts["released_at"].isoformat())
    return facts


def _is_right(name: str, value: object) -> bool:
    if name in _TEXTS:
        return isinstance(value, str)
    if name in _LISTS:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if name == "size":
        return isinstance(value, int) and not isinstance(value, bool)
    return name == "released_at" and isinstance(value, datetime)


def notes(file: Path | None) -> str | None:
    """Release notes, Markdown in UTF-8; None for none. Raises CliError: not readable, too long."""
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_NOTES + 1)
        if len(text) > MAX_NOTES:
            raise CliError(
                _("{file} is longer than {most} bytes.", file=file, most=MAX_NOTES),
                Exit.REFUSED,
                next_step=_("Shorten the notes, or link to the whole."),
            )
        return text.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(_("The file {file} cannot be read: {reason}.", file=file, reason=error), Exit.REFUSED) from error
