"""Wireless LAN, mobile dongles and USB (§3a row 21 and §3c; ASSUMED)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controller.series.parsers.read import DURATION, hardware_address, seconds, unquoted
from controller.series.parsers.template import Template


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """band: 2.4GHz or 5GHz. channel: None while it is being chosen. A band that is off may print its state only."""

    name: str
    band: str
    state: str
    channel: int | None = None
    mode: str | None = None
    ssid: str | None = None
    clients: int | None = None


@dataclass(frozen=True, slots=True)
class WlanClient:
    access_point: str
    mac: str
    rssi_dbm: int
    tx_mbps: float
    rx_mbps: float
    connected_s: int | None = None


@dataclass(frozen=True, slots=True)
class Dongle:
    """state: connected, disconnected, not attached … level: bars, of level_of. interface: what uses it."""

    name: str
    state: str
    interface: str | None = None
    carrier: str | None = None
    band: str | None = None
    rssi_dbm: int | None = None
    level: int | None = None
    level_of: int | None = None


@dataclass(frozen=True, slots=True)
class UsbPort:
    """kind: modem or another word of the adapter's; None for an empty port."""

    name: str
    kind: str | None = None
    product: str | None = None


_STATES = (
    "connected|connecting|disconnected|disconnecting|not attached|not connected|no signal|no carrier|no sim|searching"
    "|idle|none"
)


def _megabits(text: str) -> float:
    factor = {"G": 1000.0, "M": 1.0, "K": 0.001}[text[-1].upper()]
    return float(text[:-1]) * factor


access_points = Template(
    "show status wlan",
    AccessPoint,
    r"""
Value name (wlan\d+)
Value band (\d+(?:\.\d+)?GHz)
Value channel (\d+)
Value mode (11\S+)
Value ssid ("(?:[^"\\]|\\.)*")
Value clients (\d+)
Value state (up|down|disabled|scanning)

Start
  ^${name} ${band}(?: ch (?:auto|-|${channel}))?(?: ${mode})?(?: ssid ${ssid})?(?: clients ${clients})? ${state}$$ -> Record
  ^. -> Error
""",  # noqa: E501 (a rule is one line)
    silent=True,
    ssid=unquoted,
).rows

clients = Template(
    "show status wlan client",
    WlanClient,
    rf"""
Value access_point (wlan\d+)
Value mac ([0-9A-Fa-f:]{{17}})
Value rssi_dbm (-?\d+)
Value tx_mbps (\d+(?:\.\d+)?[GMK])
Value rx_mbps (\d+(?:\.\d+)?[GMK])
Value connected_s ({DURATION})

Start
  ^${{access_point}} ${{mac}} rssi ${{rssi_dbm}}dBm tx ${{tx_mbps}} rx ${{rx_mbps}} ${{connected_s}}$$ -> Record
  ^. -> Error
""",
    silent=True,
    mac=hardware_address,
    tx_mbps=_megabits,
    rx_mbps=_megabits,
    connected_s=seconds,
).rows

_DONGLE = rf"""
Value name (\S+?\d+)
Value interface ([a-z]+\d+)
Value state ({_STATES})
Value carrier ("(?:[^"\\]|\\.)*"|[^\s,]+)
Value band (\w+)
Value rssi_dbm (-?\d+)
Value level (\d+)
Value level_of (\d+)

Start
"""
_MOBILE = r"""
  ^${name} ${state}(?: carrier ${carrier})?(?: band (?:-|${band}))?(?: rssi (?:-|${rssi_dbm}dBm))?(?: level ${level}/${level_of})?$$ -> Record
  ^. -> Error
""".lstrip("\n")  # noqa: E501 (a rule is one line)
_DIALUP = r"""
  ^${name}:(?: ${interface})? ${state}(?:, carrier ${carrier})?(?:, signal ${level}/${level_of}(?: \(${rssi_dbm}dBm\))?)?$$ -> Record
  ^. -> Error
""".lstrip("\n")  # noqa: E501 (a rule is one line)

dongles = Template("show status mobile", Dongle, _DONGLE + _MOBILE, carrier=unquoted).rows
dialup_devices = Template("show status dialup-device", Dongle, _DONGLE + _DIALUP, carrier=unquoted).rows

_USB = Template(
    "show status usb",
    UsbPort,
    r"""
Value name (usb\d+)
Value kind ((?!none$|-$)[a-z][\w-]*)
Value product (\S.*)

Start
  ^${name} (?:none|-|${kind}(?: ${product})?)$$ -> Record
  ^. -> Error
""",
)


def usb_ports(text: str) -> list[UsbPort]:
    """A port a line, or several in one line with ` / ` between them. Raises Unparsable."""
    return _USB.rows(re.sub(r"(?<! ) +/ +(?=usb\d)", "\n", text))
