"""`show status dhcp`, `show status dhcp server`: addresses given out (shape S12 and §3b; ASSUMED)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.series.parsers.read import DATE, DURATION, address, hardware_address, moment, seconds, word
from controller.series.parsers.template import Template


@dataclass(frozen=True, slots=True)
class DhcpLease:
    """hostname: None when the machine gave none. expires_s or expires_at, whichever is printed; neither: reserved."""

    address: str
    mac: str | None = None
    hostname: str | None = None
    interface: str | None = None
    expires_s: int | None = None
    expires_at: datetime | None = None


_VALUES = rf"""
Value interface ([a-z][\w.-]*)
Value address ([0-9A-Fa-f.:]+)
Value mac ([0-9A-Fa-f:]{{17}}|-)
Value hostname (\S+)
Value expires_s ({DURATION})
Value expires_at ({DATE})

Start
"""
_HEADED = r"""
  ^address\s+mac\s+hostname\s+expires$$
  ^${address}\s+${mac}\s+(?:${hostname}\s+)??(?:${expires_s}|${expires_at})$$ -> Record
  ^. -> Error
""".lstrip("\n")
_PLAIN = r"""
  ^${interface}\s+${address}\s+${mac}\s+(?:${hostname}\s+)??expires\s+(?:${expires_s}|${expires_at})$$ -> Record
  ^. -> Error
""".lstrip("\n")


def _leases(what: str, rules: str, *, silent: bool) -> Template[DhcpLease]:
    return Template(
        what,
        DhcpLease,
        _VALUES + rules,
        silent=silent,
        address=address,
        mac=hardware_address,
        hostname=word,
        expires_s=seconds,
        expires_at=moment,
    )


table = _leases("show status dhcp", _HEADED, silent=False).rows
lines = _leases("show status dhcp server", _PLAIN, silent=True).rows
"""table: under a heading (statement family). lines: a line each, nothing when there is none (key-value families)."""
