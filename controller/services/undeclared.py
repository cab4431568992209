"""Why a line is not sent to adapters of a series: the rule that it breaks, in a sentence."""

from __future__ import annotations

from controller.domain.errors import Fault
from controller.series import by_name
from controller.series.declaration import harmless


def undeclared(at: int, line: str, series: str) -> Fault:
    """The fault of the line at this position, which the series does not declare (`Series.find` gave None)."""
    where, params = f"lines.{at}", {"line": repr(line[:80]), "series": series}
    if not harmless(line):
        return Fault(
            where,
            "{line} holds what is never sent to an adapter: a line is words of letters, digits and _ . : / -"
            " with one blank between them.",
            {**params},
        )
    if near := by_name(series).nearest(line):
        return Fault(
            where,
            "{line} does not fit {usage} of series {series}: an argument is wrong, missing or one too many.",
            {**params, "usage": near.usage},
        )
    return Fault(where, "{line} is not a command that series {series} declares.", {**params})
