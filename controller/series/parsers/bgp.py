"""`show status route dynamic bgp` with `summary` or a neighbor (shape S5: Zebra's and Quagga's, as the source says)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from controller.domain.sentence import sentence
from controller.series.parsers.read import address, seconds
from controller.series.parsers.template import Template
from controller.series.unparsable import Unparsable

_WITHOUT = {"No BGP network exists": "no-network", "BGP protocol is disabled": "disabled"}
"""The two replies that say there is no table (FOUND)."""


@dataclass(frozen=True, slots=True)
class BgpNeighbor:
    """One peer. state: Established, Active, Idle (Admin) … prefixes: received from it, once it is established.

    remote_as: as printed, since a large one may be written with a dot. up_s: in this state; None for `never`.
    """

    address: str
    remote_as: str
    state: str | None = None
    prefixes: int | None = None
    up_s: int | None = None
    version: int | None = None
    received: int | None = None
    sent: int | None = None
    table_version: int | None = None
    in_queue: int | None = None
    out_queue: int | None = None
    link: str | None = None
    remote_router_id: str | None = None
    hold_s: int | None = None
    keepalive_s: int | None = None


@dataclass(frozen=True, slots=True)
class Bgp:
    """status: running, no-network or disabled. total: of neighbors, as printed."""

    status: str
    router_id: str | None = None
    local_as: str | None = None
    neighbors: tuple[BgpNeighbor, ...] = ()
    total: int | None = None


_FOLDED = re.compile(r"(?m)^([0-9A-Fa-f.:]+)[ \r]*\n +")
"""An address too long for its column: Quagga prints the rest of the row below it."""

_HEAD = Template(
    "show status route dynamic bgp",
    Bgp,
    r"""
Value status (BGP)
Value router_id (\S+)
Value local_as ([\d.]*)
Value total (\d+)

Start
  ^${status} router identifier ${router_id}, local AS number ?${local_as}$$
  ^Total number of neighbors ${total}$$
""",
    status=lambda _: "running",
    router_id=address,
)

_NEIGHBORS = Template(
    "show status route dynamic bgp",
    BgpNeighbor,
    r"""
Value address ([0-9A-Fa-f.:]+)
Value version (\d)
Value remote_as ([\d.]+)
Value received (\d+)
Value sent (\d+)
Value table_version (\d+)
Value in_queue (\d+)
Value out_queue (\d+)
Value up_s (never|[\d:wdhmsy]+)
Value prefixes (\d+)
Value state ([A-Z][A-Za-z]+(?: \([A-Za-z]+\))?)

Start
  ^BGP router identifier \S+, local AS number ?[\d.]*$$
  ^(?:RIB entries|Peers|Peer groups|BGP table version|BGP AS-PATH entries|BGP community entries|Dampening)\b
  ^Neighbor\s+V\s+AS\s+MsgRcvd\s+MsgSent\s+TblVer\s+InQ\s+OutQ\s+Up/Down\s+State/PfxRcd$$
  ^No IPv[46] neighbor is configured$$
  ^${address}\s+${version}\s+${remote_as}\s+${received}\s+${sent}\s+${table_version}\s+${in_queue}\s+${out_queue}\s+${up_s}\s+(?:${prefixes}|${state})$$ -> Record
  ^Total number of neighbors \d+$$ -> Total
  ^. -> Error

Total
  ^. -> Error
""",  # noqa: E501 (a rule is one line)
    silent=True,
    address=address,
    up_s=seconds,
)

_DETAIL = Template(
    "show status route dynamic bgp neighbor",
    BgpNeighbor,
    r"""
Value address ([0-9A-Fa-f.:]+)
Value remote_as ([\d.]+)
Value link (\S+)
Value version (\d)
Value remote_router_id ([\d.]+)
Value state ([A-Z][A-Za-z]+(?: \([A-Za-z]+\))?)
Value up_s (never|[\d:wdhmsy]+)
Value hold_s (\d+)
Value keepalive_s (\d+)

Start
  ^BGP neighbor is \S+, remote AS -> Continue.Record
  ^BGP neighbor is ${address}, remote AS ${remote_as}, local AS [\d.]+, ${link} link$$ -> Neighbor
  ^. -> Error

Neighbor
  ^BGP neighbor is \S+, remote AS -> Continue.Record
  ^BGP neighbor is ${address}, remote AS ${remote_as}, local AS [\d.]+, ${link} link$$
  ^\s+BGP version ${version}, remote router ID ${remote_router_id}$$
  ^\s+BGP state = ${state}(?:, up for ${up_s})?$$
  ^\s+Hold time is ${hold_s}, keepalive interval is ${keepalive_s} seconds$$
# Quagga prints much more about a neighbor, all of it indented or under a heading; none of it is read.
  ^\s+\S
  ^(?:Local|Foreign) host:|^Nexthop|^BGP connection:|^Read thread:|^Connections established|^Last reset
  ^. -> Error
""",
    address=address,
    up_s=seconds,
)


def summary(text: str) -> Bgp:
    """The table of neighbors, or which of the two replies without one it is. Raises Unparsable."""
    if status := _WITHOUT.get(text.strip()):
        return Bgp(status)
    neighbors = _NEIGHBORS.rows(_FOLDED.sub(r"\1 ", text))
    head = _HEAD.row(text)
    if head.total is None and neighbors:
        raise Unparsable(sentence("{what}: the line with the total is missing.", what="show status route dynamic bgp"))
    return replace(head, neighbors=tuple(_established(each) for each in neighbors))


def neighbor(text: str) -> Bgp:
    """The same about one neighbor; also takes the form of the summary. Raises Unparsable."""
    if not text.lstrip().startswith("BGP neighbor is "):
        return summary(text)
    local = re.search(r"local AS ([\d.]+)", text)
    return Bgp("running", local_as=local[1] if local else None, neighbors=tuple(_DETAIL.rows(text)))


def _established(neighbor: BgpNeighbor) -> BgpNeighbor:
    """A number of prefixes stands in the place of the state once it is that."""
    return neighbor if neighbor.prefixes is None else replace(neighbor, state="Established")
