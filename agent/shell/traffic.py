"""The customer's machines behind an adapter: who they are and what they do, as far as its tables show it.

Made up, but always the same for the same adapter: addresses and ports follow from the seed, times from the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from agent.language.effective import Pool

if TYPE_CHECKING:
    from agent.shell.view import View


@dataclass(frozen=True, slots=True)
class Host:
    """A customer's machine on the LAN. left_s: seconds until its address lease (or ARP entry) ends."""

    ip: str
    mac: str
    name: str
    interface: str
    left_s: int


@dataclass(frozen=True, slots=True)
class Session:
    protocol: str
    private: str
    public: str
    peer: str
    state: str
    left_s: int


def hosts(view: View, pool: Pool) -> Iterator[Host]:
    """Those that got an address out of the pool: three to eight, none if the config's first address is no address."""
    try:
        first = IPv4Address(pool.first)
    except ValueError:
        return
    for turn in range(min(pool.count, 3 + view.number(pool.interface, "hosts", below=6))):
        ip = str(IPv4Address((int(first) + turn * 7 % pool.count) % (1 << 32)))
        mac = (0x00A0DE_000000 + view.number("host", turn, below=1 << 24)).to_bytes(6).hex(":")
        lease = 86_400 - (int(view.now.timestamp()) + view.number("lease", turn, below=86_400)) % 43_200
        yield Host(ip, mac, f"pc-{turn + 1:02}", pool.interface, lease)


def session(view: View, host: Host, public: str, turn: int) -> Session:
    """The host's first (turn 0: web) or second (turn 1: DNS) session, as NAT sees it from the address `public`."""
    port = 49_152 + view.number(host.ip, turn, below=16_000)
    peer = f"198.51.100.{1 + view.number(host.ip, turn, 'peer', below=250)}:{(443, 53)[turn]}"
    protocol, state = (("tcp", "ESTABLISHED"), ("udp", "-"))[turn]
    left = 900 - (int(view.now.timestamp()) + port) % 900
    return Session(protocol, f"{host.ip}:{port}", f"{public}:{40_000 + port % 20_000}", peer, state, left)
