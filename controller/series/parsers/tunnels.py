"""`show status ipsec` and `show status ike` (shape S10 and §3b; ASSUMED)."""

from __future__ import annotations

from dataclasses import dataclass

from controller.series.parsers.read import DURATION, seconds
from controller.series.parsers.template import Template


@dataclass(frozen=True, slots=True)
class SecurityAssociation:
    """spi_in, spi_out: SPIs of IPsec, cookies of IKE; hexadecimal with 0x, None before they are agreed on.

    name: of the interface or tunnel, where it is printed. life_s: what is left.
    """

    peer: str
    state: str
    name: str | None = None
    spi_in: str | None = None
    spi_out: str | None = None
    life_s: int | None = None


_VALUES = rf"""
Value name ([A-Za-z][\w.-]*)
Value peer (\S*[.:]\S*|any|dynamic)
Value state ([A-Za-z][\w-]*)
Value spi_in ((?:0x)?[0-9A-Fa-f]{{1,16}}|-)
Value spi_out ((?:0x)?[0-9A-Fa-f]{{1,16}}|-)
Value life_s ({DURATION})

Start
"""
_TABLE = (
    _VALUES
    + r"""
  ^(?:name\s+)?peer\s+state\s+(?:spi|cookie)-in\s+(?:spi|cookie)-out\s+lifetime$$
  ^(?:${name}\s+)?${peer}\s+${state}\s+${spi_in}\s+${spi_out}\s+${life_s}$$ -> Record
  ^. -> Error
""".lstrip("\n")
)
_LINES = (
    _VALUES
    + r"""
  ^${name}\s+${peer}\s+${state}(?:\s+in\s+${spi_in}\s+out\s+${spi_out})?(?:\s+life\s+${life_s})?$$ -> Record
  ^. -> Error
""".lstrip("\n")
)


def _hexadecimal(text: str) -> str | None:
    digits = text.lower().removeprefix("0x")
    return None if text == "-" else f"0x{digits}"


def _associations(what: str, rules: str, *, silent: bool) -> Template[SecurityAssociation]:
    return Template(
        what,
        SecurityAssociation,
        rules,
        silent=silent,
        spi_in=_hexadecimal,
        spi_out=_hexadecimal,
        life_s=seconds,
    )


ipsec_table = _associations("show status ipsec", _TABLE, silent=False).rows
ike_table = _associations("show status ike", _TABLE, silent=False).rows
ipsec_lines = _associations("show status ipsec", _LINES, silent=True).rows
ike_lines = _associations("show status ike", _LINES, silent=True).rows
"""..._table: under a heading (statement family). ..._lines: a line each, nothing when there is none."""
