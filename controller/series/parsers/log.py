"""`show log` (shape S2, FOUND), the same in every family."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

from controller.series.parsers.template import Template

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class LogLine:
    """month, day, clock: the device's clock; it prints no year and no zone, so none is made up."""

    number: int
    month: int
    day: int
    clock: time
    level: str
    category: str
    text: str = ""


entries = Template(
    "show log",
    LogLine,
    rf"""
Value number (\d+)
Value month ({"|".join(_MONTHS)})
Value day (\d+)
Value clock (\d\d:\d\d:\d\d)
Value level ([A-Za-z]+)
Value category (\S+)
Value text (\S.*)

Start
  ^\s*${{number}}\s+${{month}}\s+${{day}} ${{clock}}\s+${{level}}\s+${{category}}(?:\s+${{text}})?$$ -> Record
  ^. -> Error
""",
    silent=True,
    month=lambda name: _MONTHS.index(name) + 1,
).rows
