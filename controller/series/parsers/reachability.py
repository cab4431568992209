"""`ping`, `ping6`, `traceroute`: what BSD's print (shape S13; wording ASSUMED)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from controller.series.parsers.read import address
from controller.series.parsers.template import Template

_PROBE = re.compile(r"(?P<ms>\d+(?:\.\d+)?) ms\b|(?P<lost>\*)|(?P<note>![A-Z0-9!<>-]*)|\(?(?P<address>[^\s()]+)\)?")


@dataclass(frozen=True, slots=True)
class Reply:
    """ttl: of the answer (hop limit for IPv6). duplicate: another answer to the same packet had come already."""

    address: str
    sequence: int
    time_ms: float | None = None
    ttl: int | None = None
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    """loss_percent: as printed, so below 0 when duplicates came. replies: in the order of their coming.

    problems: lines about packets that came to nothing, as printed.
    """

    transmitted: int
    received: int
    loss_percent: float
    target: str | None = None
    replies: tuple[Reply, ...] = ()
    problems: tuple[str, ...] = ()
    min_ms: float | None = None
    avg_ms: float | None = None
    max_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """addresses: who answered, each once. times_ms: one for each probe, None for a lost one. notes: !H and such."""

    number: int
    addresses: tuple[str, ...] = ()
    times_ms: tuple[float | None, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """max_hops, packet_bytes: None when the heading is missing (BSD writes it to another stream)."""

    target: str | None = None
    max_hops: int | None = None
    packet_bytes: int | None = None
    hops: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True)
class _HopLine:
    probes: str
    number: int | None = None


_PING = Template(
    "ping",
    Ping,
    r"""
Value target (\S+)
Value transmitted (\d+)
Value received (\d+)
Value loss_percent (-?\d+(?:\.\d+)?)
Value List problems (\d+ bytes from \S+: (?!icmp_seq)\S.*|Request timeout.*|ping6?: \S.*)
Value min_ms (\d+(?:\.\d+)?)
Value avg_ms (\d+(?:\.\d+)?)
Value max_ms (\d+(?:\.\d+)?)

Start
  ^PING6? ${target} \(
  ^PING6\(.*\) \S+ --> ${target}$$
  ^\d+ bytes from \S+(?: \(\S+\))?[:,] icmp_seq=\d+
  ^${problems}$$
  ^--- \S+ ping6? statistics ---$$
  ^${transmitted} packets transmitted, ${received} (?:packets )?received(?:, \+\d+ \w+)*, ${loss_percent}% (?:packet )?loss(?:, time \S+)?$$ -> After
  ^. -> Error

After
  ^(?:round-trip|rtt) min/avg/max(?:/\S+)? = ${min_ms}/${avg_ms}/${max_ms}(?:/\S+)? ms$$
  ^. -> Error
""",  # noqa: E501 (a rule is one line)
)

_REPLIES = Template(
    "ping",
    Reply,
    r"""
Value address ([0-9A-Fa-f.:]+(?:%\w+)?)
Value sequence (\d+)
Value ttl (\d+)
Value time_ms (\d+(?:\.\d+)?)
Value duplicate (\(DUP!\))

Start
  ^\d+ bytes from (?:\S+ \()?${address}\)?[:,] icmp_seq=${sequence}(?: (?:ttl|hlim)=${ttl})?(?: time=${time_ms} ms)?(?: ${duplicate})?$$ -> Record
  ^\d+ bytes from \S+(?: \(\S+\))?[:,] icmp_seq -> Error
""",  # noqa: E501 (a rule is one line)
    address=address,
    duplicate=bool,
)

_TRACE = Template(
    "traceroute",
    Trace,
    r"""
Value target (\S+)
Value max_hops (\d+)
Value packet_bytes (\d+)

Start
  ^traceroute6? to ${target}(?: \(\S+\))?(?: from \S+)?, ${max_hops} hops max(?:, ${packet_bytes} byte packets)?$$
""",
    silent=True,
)

_HOPS = Template(
    "traceroute",
    _HopLine,
    r"""
Value number (\d+)
Value probes ((?:\*|[0-9A-Fa-f:]*[.:][0-9A-Fa-f.:]*|[\w.-]+ \().*)

Start
  ^traceroute6? to \S+.* hops max(?:, \d+ byte packets)?$$
  ^\s*${number}\s+${probes}$$ -> Record
  ^\s+${probes}$$ -> Record
  ^. -> Error
""",
)


def ping(text: str) -> Ping:
    """What was sent, what came back, and each answer. Raises Unparsable, also without the line that counts them."""
    return replace(_PING.row(text), replies=tuple(_REPLIES.rows(text)))


def traceroute(text: str) -> Trace:
    """Every hop; one without an answer has no address. Raises Unparsable."""
    hops: list[Hop] = []
    for line in _HOPS.rows(text):
        hop = _hop(line)
        if line.number is None and hops:  # another router answered for the same hop
            last = hops.pop()
            hop = Hop(last.number, last.addresses + hop.addresses, last.times_ms + hop.times_ms, last.notes + hop.notes)
        hops.append(hop)
    head = _TRACE.rows(text) or [Trace()]
    return replace(head[0], hops=tuple(hops))


def _hop(line: _HopLine) -> Hop:
    addresses: dict[str, None] = {}
    times: list[float | None] = []
    notes: list[str] = []
    for probe in _PROBE.finditer(line.probes):
        match probe.lastgroup:
            case "ms":
                times.append(float(probe["ms"]))
            case "lost":
                times.append(None)
            case "note":
                notes.append(probe["note"])
            case _:
                addresses[probe["address"]] = None
    return Hop(line.number or 0, tuple(addresses), tuple(times), tuple(notes))
