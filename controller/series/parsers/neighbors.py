"""`show status arp` and `show status ndp` (shape S8 and §3b; ASSUMED)."""

from __future__ import annotations

from dataclasses import dataclass

from controller.series.parsers.read import DURATION, address, hardware_address, seconds
from controller.series.parsers.template import Template


@dataclass(frozen=True, slots=True)
class NeighborEntry:
    """mac: None while it is being asked for. expires_s: None for an entry that does not expire."""

    address: str
    interface: str
    mac: str | None = None
    expires_s: int | None = None


_RULES = rf"""
Value address ([0-9A-Fa-f.:]+(?:%\S+)?)
Value mac ([0-9A-Fa-f:]{{17}}|\(?incomplete\)?|-)
Value interface (\S+)
Value expires_s ({DURATION})

Start
  ^(?:IP|IPv6) Address\s+MAC Address\s+Interface\s+Expire$$
  ^${{address}}\s+${{mac}}\s+${{interface}}\s+${{expires_s}}$$ -> Record
  ^. -> Error
"""


def _entries(what: str, *, silent: bool) -> Template[NeighborEntry]:
    return Template(
        what, NeighborEntry, _RULES, silent=silent, address=address, mac=hardware_address, expires_s=seconds
    )


arp_table = _entries("show status arp", silent=False).rows
arp_lines = _entries("show status arp", silent=True).rows
ndp_table = _entries("show status ndp", silent=False).rows
ndp_lines = _entries("show status ndp", silent=True).rows
"""..._table: under a heading (statement family). ..._lines: without one, so that an empty table prints nothing."""
