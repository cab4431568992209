"""`show status dns-forwarder`, `ntp` and `bridge` of the key-value families (§3b; ASSUMED)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controller.series.parsers.read import address
from controller.series.parsers.template import Template

_MILLISECONDS = {"ms": 1.0, "us": 0.001, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class DnsUpstream:
    """A server that questions are passed on to, with counters since boot."""

    address: str
    queries: int
    failures: int


@dataclass(frozen=True, slots=True)
class NtpServer:
    """server: as configured, so perhaps a name; None where the line names none. offset_ms: of the adapter's clock."""

    synchronized: bool
    server: str | None = None
    stratum: int | None = None
    offset_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Bridge:
    name: str
    entries: int
    members: tuple[str, ...] = ()


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([+-]?[\d.]+) ?(ms|us|s)", text).groups()  # type: ignore[union-attr]  # the template's
    return round(float(number) * _MILLISECONDS[unit], 6)


dns_upstreams = Template(
    "show status dns-forwarder",
    DnsUpstream,
    r"""
Value address (\S+)
Value queries (\d+)
Value failures (\d+)

Start
  ^upstream ${address} queries ${queries} failures ${failures}$$ -> Record
  ^. -> Error
""",
    silent=True,
    address=address,
).rows

ntp_servers = Template(
    "show status ntp",
    NtpServer,
    r"""
Value synchronized (synchronized|not synchronized|unsynchronized)
Value server (\S+)
Value stratum (\d+)
Value offset_ms ([+-]?\d+(?:\.\d+)? ?(?:ms|us|s))

Start
  ^${synchronized}(?: (?!stratum |offset )${server})?(?: stratum ${stratum})?(?: offset ${offset_ms})?$$ -> Record
  ^. -> Error
""",
    synchronized="synchronized".__eq__,
    offset_ms=_milliseconds,
).rows

bridges = Template(
    "show status bridge",
    Bridge,
    r"""
Value name (bridge\d+)
Value members (\S+(?:, \S+)*)
Value entries (\d+)

Start
  ^${name} member\s+${members}\s+entries ${entries}$$ -> Record
  ^${name} member\s+entries ${entries}$$ -> Record
  ^. -> Error
""",
    silent=True,
    members=lambda text: [] if text == "-" else text.replace(" ", "").split(","),
).rows
