"""The device families, one file each. `ALL` is the list; adding a series is one file and one entry here."""

from __future__ import annotations

from controller.series.declaration import (
    Argument,
    Command,
    CommandClass,
    ExecMode,
    FirmwareRules,
    OldAlgorithms,
    Series,
    Source,
    Via,
    fields,
    require_declared,
)
from controller.series.seil3 import SEIL3
from controller.series.seil6 import SEIL6
from controller.series.seil8 import SEIL8
from controller.series.unparsable import Unparsable

ALL: tuple[Series, ...] = (SEIL3, SEIL8, SEIL6)

__all__ = [
    "ALL",
    "Argument",
    "Command",
    "CommandClass",
    "ExecMode",
    "FirmwareRules",
    "OldAlgorithms",
    "Series",
    "Source",
    "Unparsable",
    "Via",
    "by_name",
    "fields",
    "require_declared",
]


def by_name(name: str) -> Series:
    """The series of this name. Raises LookupError with a sentence that lists the names there are."""
    for series in ALL:
        if series.name == name:
            return series
    raise LookupError(f"There is no series {name!r}; the series are {', '.join(series.name for series in ALL)}.")
