"""ping and traceroute as operations of their own: numbers instead of text, and the time that they take.

As armsd: the tool is stopped after 30 s; a ping that was stopped is a failure (502), a traceroute has found what it has
found, and "*" stands for a router that does not answer. Made up: who answers, and the times.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from agent.adapter import Adapter
from agent.shell.view import View
from protocol.arms.messages import Hop, Hops, Ping, PingResult, Traceroute

TOOL_STOPS_S = 30.0
PACKETS = 3
LAST_WAIT_S = 10.0
PROBE_WAIT_S = 5.0
MAX_HOPS = 30
MAX_SIZE = 65_507


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """value: None when the tool failed. takes_s: device seconds until that is known."""

    value: PingResult | Hops | None
    takes_s: float


def ping(adapter: Adapter, asked: Ping) -> Diagnosis:
    """A packet a second, and a wait for the last answers when one is missing."""
    count = PACKETS if asked.count is None else asked.count
    if not _is_address(asked.address) or count < 1 or not 0 <= (asked.size or 0) <= MAX_SIZE:
        return Diagnosis(None, 0.0)
    if count > TOOL_STOPS_S:  # before they are counted: it may be any number
        return Diagnosis(None, TOOL_STOPS_S)
    milliseconds = View(adapter).pings(asked.address, count)
    wait_s = milliseconds[-1] / 1000 if milliseconds else LAST_WAIT_S
    takes_s = count - 1 + wait_s
    if takes_s > TOOL_STOPS_S:
        return Diagnosis(None, TOOL_STOPS_S)
    return Diagnosis(PingResult(len(milliseconds), count - len(milliseconds)), takes_s)


def traceroute(adapter: Adapter, asked: Traceroute) -> Diagnosis:
    """`count` probes for each hop, one after the other; those that nobody answers take 5 s each."""
    most = min(MAX_HOPS if asked.max_hop is None else asked.max_hop, MAX_HOPS)
    if not _is_address(asked.address) or asked.count < 1 or most < 1:
        return Diagnosis(None, 0.0)
    found = View(adapter).hops(asked.address)[:most]
    hop_s = asked.count * (0.02 if found else PROBE_WAIT_S)
    within = max(1, int(TOOL_STOPS_S / hop_s))
    addresses = (found or ["*"] * most)[:within]
    hops = tuple(Hop(number, address) for number, address in enumerate(addresses, 1))
    return Diagnosis(Hops(hops), min(len(hops) * hop_s, TOOL_STOPS_S))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
