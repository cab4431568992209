"""What a recording may speak of: the adapter's state, and numbers that follow from it, the seed and the clock.

Nothing is random at the moment of asking: the same adapter, asked at the same second, prints the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv4Interface, ip_address

from agent import seeds
from agent.adapter import Adapter
from agent.language.effective import Effective, Interface, Wlan
from agent.shell import traffic
from agent.shell.recordings import Misused
from agent.shell.traffic import Host, Session

_SECRET = re.compile(r'((?:passphrase|preshared-key|password) )("(?:[^"\\]|\\.)*"|\S+)')

JST = timezone(timedelta(hours=9), "JST")


@dataclass(frozen=True, slots=True)
class Port:
    """An interface as status commands show it. address: with its prefix length, "" for none. how: static, dhcp, ppp."""

    name: str
    up: bool
    media: str
    address: str
    how: str
    mtu: int
    mac: str
    over: str
    peer: str
    packets_in: int
    packets_out: int
    errors: int

    @property
    def ip(self) -> str:
        return self.address.partition("/")[0]


@dataclass(frozen=True, slots=True)
class RouteLine:
    destination: str
    gateway: str
    interface: str
    flags: str
    distance: str


class View:
    """Everything about one adapter, for one command. Templates see its attributes by name."""

    def __init__(self, adapter: Adapter, *, privileged: bool = True) -> None:
        """privileged: passphrases and keys are shown (found: the account `user` may not see them)."""
        self.adapter = adapter
        self.privileged = privileged
        self.model = adapter.model
        self.now: datetime = adapter.thinks_it_is().astimezone(JST)
        self.up: timedelta = adapter.uptime()
        self.since: datetime = self.now - self.up
        self.log = adapter.log_lines or ()

    @property
    def config(self) -> Effective:
        return self.adapter.config

    @property
    def config_text(self) -> str:
        """The running config, a character a byte."""
        text = self.adapter.running_text.decode("latin-1")
        return text if self.privileged else _SECRET.sub(r"\1********", text)

    @property
    def backup_text(self) -> str:
        return (self.adapter.volatile.backup or b"").decode("latin-1")

    def number(self, *parts: object, below: int) -> int:
        """A number from 0 to below-1: the adapter's own, always the same for the same parts."""
        return seeds.number(self.adapter.seed, self.adapter.serial, *parts, below=below)

    def grown(self, *parts: object, per_s: float) -> int:
        """A counter since boot at about this rate, half to one and a half times."""
        return int(self.up.total_seconds() * per_s * (0.5 + self.number(*parts, "rate", below=1000) / 1000))

    def at(self, seconds: float) -> datetime:
        """A time of the log or of a table, as the device's clock shows it."""
        return datetime.fromtimestamp(seconds, JST)

    @property
    def load(self) -> list[float]:
        """Load averages over 1, 5 and 15 minutes; they change from minute to minute."""
        minute = int(self.now.timestamp()) // 60
        return [self.number("load", minute // span, below=40) / 100 for span in (1, 5, 15)]

    @property
    def memory_used(self) -> int:
        """MB in use: about three quarters, a little more each day."""
        share = 60 + self.number("memory", below=15) + min(10, self.up.days)
        return self.model.memory_mb * share // 100

    @property
    def ports(self) -> list[Port]:
        """The model's Ethernet interfaces, then what the config adds, in its order."""
        config = self.config
        names = [*self.model.interfaces, *(name for name in config.interfaces if name not in self.model.interfaces)]
        return [self._port(config.interfaces.get(name) or Interface(name)) for name in names]

    def ports_named(self, name: str) -> list[Port]:
        """All of them for "", else the one. Raises Misused when there is none of this name."""
        found = [port for port in self.ports if name in ("", port.name)]
        if not found:
            raise Misused(f"no such interface: {name}")
        return found

    def left(self, *parts: object, of_s: int) -> int:
        """Seconds left of a lifetime that begins again each time it has run out."""
        return of_s - (int(self.now.timestamp()) + self.number(*parts, below=of_s)) % of_s

    @property
    def routes(self) -> list[RouteLine]:
        """Connected networks, then the config's static routes, by destination; the default route first."""
        ports = [port for port in self.ports if port.up and port.address]
        connected = [
            RouteLine(str(IPv4Interface(port.address).network), port.name, port.name, "C*", "0") for port in ports
        ]
        static = [
            RouteLine(route.destination, route.gateway, self._towards(route.gateway, ports), "S*", "1")
            for route in self.config.routes
        ]
        return sorted([*connected, *static], key=lambda route: (route.destination != "default", route.destination))

    @property
    def hosts(self) -> list[Host]:
        """Machines that got an address by DHCP: three to eight per pool."""
        return [host for pool in self.config.pools for host in traffic.hosts(self, pool)]

    @property
    def neighbors(self) -> list[Host]:
        """The ARP table: the hosts seen since it was last cleared."""
        return self.hosts[: self._since_cleared("arp")]

    @property
    def sessions(self) -> list[Session]:
        """NAT sessions of the hosts, since the table was last cleared."""
        outside = next((port for port in self.ports if port.name == self._nat_interface()), None)
        if outside is None or not outside.ip:
            return []
        found = [traffic.session(self, host, outside.ip, turn) for host in self.hosts for turn in range(2)]
        return found[: self._since_cleared("nat session")]

    @property
    def tunnels(self) -> list[Port]:
        return [port for port in self.ports if port.name.startswith("ipsec") and port.peer]

    @property
    def wlans(self) -> list[Wlan]:
        """The configured access points that this model has; with one band at a time, only the first one's."""
        wlans = [wlan for wlan in self.config.wlans if wlan.band in self.model.bands]
        return [wlan for wlan in wlans if wlan.band == wlans[0].band] if self.model.one_band else wlans

    def stations(self, wlan: Wlan) -> list[Host]:
        """Who is on this access point."""
        return self.hosts[: self.number(wlan.name, "stations", below=4)]

    def rssi(self, host: Host) -> int:
        """How loud the access point hears it, in -dBm; another number each minute."""
        return 40 + self.number(host.mac, self.now.minute, below=40)

    def pings(self, address: str, count: int) -> list[float]:
        """Milliseconds of each answer; [] if the address lies behind nothing we have a route for."""
        return (
            [1 + self.number(address, turn, self.now, below=2000) / 100 for turn in range(count)]
            if self._reaches(address)
            else []
        )

    def hops(self, address: str) -> list[str]:
        """The routers on the way, the address last."""
        if not self._reaches(address):
            return []
        count = self.number(address, "hops", below=4)
        return [*(f"198.51.100.{1 + self.number(address, hop, below=250)}" for hop in range(count)), address]

    def link_local(self, mac: str) -> str:
        """The IPv6 address that a machine of this MAC gives itself (RFC 4291 appendix A)."""
        octets = bytes.fromhex(mac.replace(":", ""))
        groups = (bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]).hex()
        return str(ip_address("fe80::" + ":".join(groups[at : at + 4] for at in range(0, 16, 4))))

    def _port(self, interface: Interface) -> Port:
        name = interface.name
        below = interface.over or (self.model.wan if name.startswith(("pppoe", "ipsec")) else "")
        address, how = self._address(interface)
        used = name in self.config.interfaces or any(name == each.over for each in self.config.interfaces.values())
        return Port(
            name=name,
            up=used,
            media=self._media(name, used),
            address=address,
            how=how,
            mtu=interface.mtu,
            mac=self._mac(name),
            over=below,
            peer=interface.peer or (f"198.51.100.{self.number(name, 'peer', below=250) + 1}" if how == "ppp" else ""),
            packets_in=self.grown(name, "in", per_s=40) if used else 0,
            packets_out=self.grown(name, "out", per_s=30) if used else 0,
            errors=self.number(name, "errors", below=3) if used else 0,
        )

    def _media(self, name: str, used: bool) -> str:
        if not name.startswith(("lan", "ge")):
            return "virtual"
        if self.model.virtual:
            return "auto"
        return "1000baseT-FDX" if used else "none"

    def _address(self, interface: Interface) -> tuple[str, str]:
        if interface.ppp or interface.name.startswith("pppoe"):
            return f"203.0.113.{self.number(interface.name, 'ppp', below=250) + 1}/32", "ppp"
        if interface.address == "dhcp":
            return f"192.0.2.{self.number(interface.name, 'dhcp', below=200) + 10}/24", "dhcp"
        return _valid(interface.address), "static"

    def _mac(self, name: str) -> str:
        """The n-th interface has the adapter's address plus n."""
        at = self.model.interfaces.index(name) if name in self.model.interfaces else 0
        number = int(self.adapter.mac.replace(":", ""), 16) + at
        return (number & 0xFFFF_FFFF_FFFF).to_bytes(6).hex(":")

    def _towards(self, gateway: str, ports: list[Port]) -> str:
        """The interface a route leads out of: named, or the one whose network has the gateway."""
        if gateway == "dhcp":
            return self.model.wan
        if not gateway[:1].isdigit():
            return gateway
        inside = (port.name for port in ports if _within(gateway, port.address))
        return next(inside, "-")

    def _nat_interface(self) -> str:
        return self.config.napts[0].interface if self.config.napts else ""

    def _since_cleared(self, table: str) -> int | None:
        """How many entries there can be: a cleared table fills again, one entry in two seconds; None = all."""
        at = (self.adapter.volatile.cleared or {}).get(table)
        return None if at is None else int(self.adapter.now_s() - at) // 2

    def _reaches(self, address: str) -> bool:
        return any(
            route.destination == "default" or _within(address, route.destination)
            for route in self.routes
            if route.interface != "-"
        )


def _valid(address: str) -> str:
    """The IPv4 address as it is, "" when it is none."""
    try:
        IPv4Interface(address)
    except ValueError:
        return ""
    return address


def _within(address: str, network: str) -> bool:
    try:
        return IPv4Address(address) in IPv4Interface(network).network
    except ValueError:
        return False
