"""`show status interface` and `show status switch` (shape S6 and §3b, §3c; the bodies are ASSUMED)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controller.series.parsers.read import hardware_address, network
from controller.series.parsers.template import Template

_ADDRESS = r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*(?:%\w+)?(?:/\d+)?(?: \([^()]*\))?"
_NO_ADDRESS = r"(?:no address|none|unnumbered|unassigned|-)(?: \([^()]*\))?"
_PARTS = re.compile(r"([^\s()]+)(?: \(([^()]*)\))?")
_NO_MEDIA = ("none", "-")


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """address: with its prefix length. how: static, dhcp, ppp or another word of the adapter's."""

    address: str
    how: str | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """link: up, down or another word of the adapter's. media: None when it has none. peer: the far end of a tunnel.

    errors: in both directions together, where the adapter does not tell them apart; else errors_in and errors_out.
    """

    name: str
    link: str
    media: str | None = None
    over: str | None = None
    mac: str | None = None
    addresses: tuple[InterfaceAddress, ...] = ()
    peer: str | None = None
    mtu: int | None = None
    packets_in: int | None = None
    packets_out: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    errors: int | None = None
    errors_in: int | None = None
    errors_out: int | None = None


@dataclass(frozen=True, slots=True)
class SwitchPort:
    """One port of the built-in switch. media: None while it is down."""

    name: str
    link: str
    media: str | None = None


def _media(text: str) -> str | None:
    return None if text in _NO_MEDIA else text


def _addresses(texts: str | list[str]) -> list[InterfaceAddress]:
    """Addresses in one text, or one in each of several."""
    found = _PARTS.findall(texts if isinstance(texts, str) else " ".join(texts))
    return [InterfaceAddress(network(address), how or None) for address, how in found]


blocks = Template(
    "show status interface",
    Interface,
    rf"""
Value name (\S+)
Value link ([a-z-]+)
Value over (\S+)
Value media (\S.*)
Value mac (\S+)
Value List addresses ({_ADDRESS})
Value peer (\S+)
Value mtu (\d+)
Value packets_in (\d+)
Value bytes_in (\d+)
Value errors_in (\d+)
Value packets_out (\d+)
Value bytes_out (\d+)
Value errors_out (\d+)

Start
  ^interface \S+:$$ -> Continue.Record
  ^interface ${{name}}:$$ -> Block
  ^. -> Error

Block
  ^interface \S+:$$ -> Continue.Record
  ^interface ${{name}}:$$
  ^\s+Link\s*: +${{link}}(?: over ${{over}})?$$
  ^\s+Media\s*: +${{media}}$$
  ^\s+MAC\s*: +${{mac}}$$
  ^\s+Address\s*:.* peer ${{peer}}$$ -> Continue
  ^\s+Address\s*: +{_NO_ADDRESS}(?: peer \S+)?$$
  ^\s+Address\s*: +${{addresses}}(?: peer \S+)?$$
  ^\s+MTU\s*: +${{mtu}}$$
  ^\s+Input\s*: +${{packets_in}} packets, +${{bytes_in}} bytes, +${{errors_in}} errors$$
  ^\s+Output\s*: +${{packets_out}} packets, +${{bytes_out}} bytes, +${{errors_out}} errors$$
  ^. -> Error
""",
    media=_media,
    mac=hardware_address,
    addresses=_addresses,
).rows
"""The statement family: a block for each interface."""

lines = Template(
    "show status interface",
    Interface,
    rf"""
Value name ([^\s:]+)
Value link ([a-z][a-z-]*)
Value media ((?!mtu |in |err )\S+)
Value addresses ({_ADDRESS}(?: {_ADDRESS})*)
Value peer (\S+)
Value mtu (\d+)
Value packets_in (\d+)
Value packets_out (\d+)
Value errors (\d+)

Start
  ^${{name}}: ${{link}}(?: ${{media}})??(?: {_NO_ADDRESS}| ${{addresses}})?(?: peer ${{peer}})?(?: mtu ${{mtu}})? in ${{packets_in}} out ${{packets_out}} err ${{errors}}$$ -> Record
  ^. -> Error
""",  # noqa: E501 (a rule is one line)
    media=_media,
    addresses=_addresses,
).rows
"""The key-value families: a line for each interface. The addresses stand between the media and the MTU."""

_PORTS = Template(
    "show status switch",
    SwitchPort,
    r"""
Value name ([^\s:]+)
Value link (up|down|disabled)
Value media (\S+)

Start
  ^\s*${name} ${link}(?: ${media})?$$ -> Record
  ^. -> Error
""",
    media=_media,
)


def switch_ports(text: str) -> list[SwitchPort]:
    """A port a line, or all in one line with ` / ` between them. Raises Unparsable."""
    return _PORTS.rows(re.sub(r"(?<! ) +/ +", "\n", text))
