"""What a config comes to, whichever language said it: names, addresses, services. Only what a status command shows."""

from __future__ import annotations

from dataclasses import dataclass, field


class BadLine(Exception):
    """This line of the config is skipped; the text is the reason."""


class NewerParameter(Exception):
    """The config has a parameter that this firmware does not know yet: a real adapter discards the whole config and
    fetches it again, in a loop, until either changes."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A line that was skipped. line counts from 1."""

    line: int
    text: str
    reason: str


@dataclass(slots=True)
class Interface:
    """address: "10.1.2.1/24", "dhcp", or "" for none. over: the Ethernet interface below. peer: a tunnel's far end."""

    name: str
    address: str = ""
    over: str = ""
    ppp: str = ""
    peer: str = ""
    mtu: int = 1500


@dataclass(frozen=True, slots=True)
class Route:
    destination: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Napt:
    interface: str
    private: str


@dataclass(frozen=True, slots=True)
class Pool:
    """Addresses that DHCP gives out: `count` of them from `first` on."""

    interface: str
    first: str
    count: int


@dataclass(frozen=True, slots=True)
class Wlan:
    name: str
    ssid: str
    mode: str

    @property
    def band(self) -> str:
        """wlan0-3 are 2.4 GHz; the numbers of the 5 GHz ones are assumed to follow."""
        return "2.4GHz" if int(self.name.removeprefix("wlan")) < 4 else "5GHz"


@dataclass(slots=True)
class Bgp:
    """enabled without a neighbor: the status command says that no network exists."""

    enabled: bool = False
    local_as: str = ""
    router_id: str = ""
    neighbors: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Effective:
    """The state a config asks for. login_timer: seconds without input until logout, 0 = never (unit assumed).

    sshd: on unless the config says no. That is this product's premise: real adapters in service have it closed.
    """

    hostname: str = ""
    timezone: str = "Japan"
    interfaces: dict[str, Interface] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    resolvers: list[str] = field(default_factory=list)
    ntp_servers: list[str] = field(default_factory=list)
    napts: list[Napt] = field(default_factory=list)
    filters: list[str] = field(default_factory=list)
    pools: list[Pool] = field(default_factory=list)
    bridges: dict[str, list[str]] = field(default_factory=dict)
    wlans: list[Wlan] = field(default_factory=list)
    ppp: dict[str, str] = field(default_factory=dict)
    pppac_users: list[str] = field(default_factory=list)
    bgp: Bgp = field(default_factory=Bgp)
    pager: bool = True
    columns: int = 0
    rows: int = 0
    login_timer: int = 300
    sshd: bool = True
    admin_password: bool = False
    ignored: list[Ignored] = field(default_factory=list)

    def interface(self, name: str) -> Interface:
        """The interface of this name, made if it is new."""
        return self.interfaces.setdefault(name, Interface(name, mtu=_mtu(name)))


def _mtu(name: str) -> int:
    """PPPoE takes 8 bytes off Ethernet (RFC 2516), and the access line of Japan's wholesale network 38 more."""
    return {"pppoe": 1454, "ipsec": 1390}.get(name.rstrip("0123456789"), 1500)


def whole_number(text: str, what: str) -> int:
    """The number; BadLine when it is none."""
    if not text.isdecimal() or len(text) > 9:
        raise BadLine(f"{what} is not a number: {text[:40]}")
    return int(text)
