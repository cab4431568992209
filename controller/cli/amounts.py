"""Shares, lengths of time and daily windows as people write them on the command line."""

import re
from typing import Any, Final

from controller.cli.failures import CliError, Exit
from controller.cli.words import _

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def share(text: str) -> float:
    """10%, or 0.1, as a number from 0 to 1. Raises CliError."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%|(0(?:\.[0-9]{1,6})?|1(?:\.0{1,6})?)", text.strip())
    value = None if match is None else float(match[1]) / 100 if match[1] else float(match[2])
    if value is None or value > 1:
        raise CliError(_("{text} is not a share.", text=text), Exit.REFUSED, next_step=_("Write it like 10%."))
    return value


def seconds(text: str) -> int:
    """24h, 90m, 30s or 2d. Raises CliError."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip())
    if match is None:
        raise CliError(
            _("{text} is not a length of time.", text=text),
            Exit.REFUSED,
            next_step=_("Write it like 30s, 90m, 24h or 2d."),
        )
    return int(match[1]) * _SECONDS[match[2]]


def daily(window: str, zone: str, days: str) -> dict[str, Any] | None:  # Any: JSON
    """A daily window as the API wants it; None for "". window: 01:00-04:00. days: mon,tue. Raises CliError.

    zone: "" for Asia/Tokyo. Days or a zone without a window are refused: who names Mondays does not mean at once."""
    if not window and days.strip():
        raise CliError(
            _("The days {text} belong to a window of the day.", text=days.strip()),
            Exit.REFUSED,
            next_step=_("Say when it opens and closes on them: --window 01:00-04:00."),
        )
    if not window and zone:
        raise CliError(
            _("The zone {text} belongs to a window of the day.", text=zone),
            Exit.REFUSED,
            next_step=_("Say when it opens and closes there: --window 01:00-04:00."),
        )
    if not window:
        return None
    match = re.fullmatch(r"([0-2][0-9]:[0-5][0-9])-([0-2][0-9]:[0-5][0-9])", window.strip())
    if match is None:
        raise CliError(
            _("{text} is not a window of the day.", text=window),
            Exit.REFUSED,
            next_step=_("Write it like 01:00-04:00."),
        )
    if match[1] == match[2]:
        raise CliError(
            _("The window {text} ends when it begins.", text=window.strip()),
            Exit.REFUSED,
            next_step=_(
                "Write two different times, 01:00-04:00; without --window updates begin at any time of the day."
            ),
        )
    named = [day.strip().lower() for day in days.split(",") if day.strip()]
    return {"opens": match[1], "closes": match[2], "days": named, "zone": zone or "Asia/Tokyo"}
