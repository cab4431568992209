"""`show status route` and `show status route summary` (shapes S3, S4), the same in every family."""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.domain.sentence import sentence
from controller.series.parsers.read import network, number
from controller.series.parsers.template import Template
from controller.series.unparsable import Unparsable

_SOURCES = {"C": "connected", "M": "miscellaneous", "B": "bgp", "O": "ospf", "R": "rip", "S": "static"}
"""The legend above the table."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route. flags: as printed; source, system and inconsistent are what they mean.

    gateway: an address, or the interface it leads out of. distance: None where it has none. source: connected, bgp,
    static …, None for a letter that the legend does not have. system: it is in use.
    """

    destination: str
    gateway: str
    interface: str
    flags: str
    distance: int | None = None
    source: str | None = None
    system: bool = False
    inconsistent: bool = False


@dataclass(frozen=True, slots=True)
class RouteCount:
    """How many routes one source gave; system: how many of them are in use."""

    source: str
    all: int
    system: int


@dataclass(frozen=True, slots=True)
class RouteSummary:
    """total_...: as the adapter printed them."""

    sources: tuple[RouteCount, ...]
    total_all: int
    total_system: int


_TABLE = Template(
    "show status route",
    Route,
    r"""
Value destination (\S+)
Value gateway (\S+)
Value interface (\S+)
Value flags ([A-Za-z*!]+)
Value distance (\d+|-)

Start
  ^Flags: \S - \S
  ^\s+\S - \S
  ^Destination\s+Gateway\s+Interface\s+Flags\s+Dist\.$$
  ^${destination}\s+${gateway}\s+${interface}\s+${flags}\s+${distance}$$ -> Record
  ^. -> Error
""",
    destination=network,
    distance=number,
)

_COUNTS = Template(
    "show status route summary",
    RouteCount,
    r"""
Value source (\S+(?: \S+)*)
Value all (\d+)
Value system (\d+)

Start
  ^Route Source\s+All\s+System$$
  ^-+$$
  ^${source}\s+${all}\s+${system}$$ -> Record
  ^. -> Error
""",
)


def table(text: str) -> list[Route]:
    """Every route, in the adapter's order. Raises Unparsable."""
    return [_explained(route) for route in _TABLE.rows(text)]


def summary(text: str) -> RouteSummary:
    """The counts of each source and the line `Totals`. Raises Unparsable, also when that line is missing."""
    *sources, totals = _COUNTS.rows(text) or [RouteCount("", 0, 0)]
    if totals.source != "Totals":
        raise Unparsable(sentence("{what}: the line with the total is missing.", what="show status route summary"))
    return RouteSummary(tuple(sources), totals.all, totals.system)


def _explained(route: Route) -> Route:
    source = next((_SOURCES[letter] for letter in route.flags if letter in _SOURCES), None)
    return replace(route, source=source, system="*" in route.flags, inconsistent="!" in route.flags)
