"""The key-value language of seil6 and seil8: one `key: value` a line, no comments, no multibyte characters.

Found (for SA-W; the same is inferred for seil8): the leftmost colon separates; blanks around key and value do not
count, a blank inside a key is an error; a key without value and an empty line are ignored; of a duplicate key **every**
line is an error; an unknown key is an error of its line. Assumed: which keys exist beyond the published ones.
"""

from __future__ import annotations

import re
from collections import Counter

from agent.catalogue import version_key
from agent.language.effective import (
    BadLine,
    Effective,
    Ignored,
    Napt,
    NewerParameter,
    Pool,
    Route,
    Wlan,
    whole_number,
)

_KEY = re.compile(r"[!-9;-~]+")  # visible ASCII without blank and colon

_LINE_END = re.compile(r"\r?\n")  # not splitlines: a byte 0x85 ends no line

_KNOWN = frozenset(
    (  # noqa: SIM905 (44 lines otherwise)
        "bridge certificate dhcp dhcp6 dns-forwarder filter floatlink hostname httpd ike interface ipsec l2tp logging "
        "login monitor nat nat6 ntp option pppac proxyarp qos resolver route rtadvd snmp sshd syslog telnetd terminal "
        "timezone upnp vendor vrrp wol"
    ).split()
)
_SHELL_ONLY = ("terminal.", "login.", "sshd.password-authentication", "sshd.authorized-keys.", "sshd.hostkey")
"""Unknown to seil6: it has no login shell (found in the converter's compatibility table)."""

_SINCE = {
    "seil8": {"dns-forwarder.over-tls": "3.42"},
    "seil6": {"option.wlan.wpa3": "5.66"},
}
"""First version that knows a key (assumed, one per line, so that a config newer than the firmware can be played)."""


def read(series: str, text: str, version: str) -> Effective:
    """The state of all good lines. Raises NewerParameter for a key that this version does not know yet."""
    state = Effective()
    values = _values(series, text, state.ignored)
    for key, since in _SINCE[series].items():
        if key in values and version_key(version) < version_key(since):
            raise NewerParameter(f"{key} needs version {since}; this is {version}")
    _simple(state, values)
    _interfaces(state, values)
    _services(state, values)
    state.ignored.sort(key=lambda ignored: ignored.line)
    return state


def _values(series: str, text: str, ignored: list[Ignored]) -> dict[str, str]:
    """key: value of the good lines; the others go to `ignored`."""
    good: list[tuple[int, str, str]] = []
    for number, line in enumerate(_LINE_END.split(text), 1):
        try:
            key, value = _split(series, line)
        except BadLine as reason:
            ignored.append(Ignored(number, line[:200], str(reason)))
        else:
            if value:
                good.append((number, key, value))
    times = Counter(key for _, key, _ in good)
    ignored += [Ignored(number, key, "this key stands there twice") for number, key, _ in good if times[key] > 1]
    return {key: value for _, key, value in good if times[key] == 1}


def _split(series: str, line: str) -> tuple[str, str]:
    if not line.strip():
        return "", ""
    if not line.isascii():
        raise BadLine("a character outside US-ASCII")
    key, colon, value = line.partition(":")
    key = key.strip()
    if not colon or not _KEY.fullmatch(key):
        raise BadLine("not a key, a colon and a value")
    if series == "seil6" and key.startswith(_SHELL_ONLY):
        raise BadLine("this series does not have the key")
    if key.split(".")[0] not in _KNOWN:
        raise BadLine("unknown key")
    return key, value.strip()


def _simple(state: Effective, values: dict[str, str]) -> None:
    state.hostname = values.get("hostname", "")
    state.timezone = values.get("timezone", "Japan")
    state.pager = values.get("terminal.pager", "enable") == "enable"
    state.sshd = values.get("sshd.service", "enable") == "enable"
    state.admin_password = "login.admin.encrypted-password" in values
    try:
        state.login_timer = whole_number(values.get("terminal.login-timer", "300"), "terminal.login-timer")
    except BadLine as reason:
        state.ignored.append(Ignored(0, "terminal.login-timer", str(reason)))


def _interfaces(state: Effective, values: dict[str, str]) -> None:
    for name, settings in _group(values, "interface."):
        if name.startswith("wlan"):
            _wlan(state, name, settings)
        interface = state.interface(name)
        interface.address = settings.get("ipv4.address", "")
        interface.over = settings.get("over", "")
        interface.ppp = settings.get("id", "")
        interface.peer = settings.get("ipv4.destination-address", settings.get("destination-address", ""))
        if settings.get("mtu", "").isdecimal():
            interface.mtu = int(settings["mtu"])


def _wlan(state: Effective, name: str, settings: dict[str, str]) -> None:
    """ssid and security are mandatory; without them the interface stays down."""
    if name.removeprefix("wlan").isdecimal() and settings.get("service") == "enable":
        if {"ssid", "security"} <= settings.keys():
            state.wlans.append(Wlan(name, settings["ssid"], settings.get("mode", "11nht20")))
        else:
            state.ignored.append(Ignored(0, f"interface.{name}", "ssid and security are mandatory"))


def _services(state: Effective, values: dict[str, str]) -> None:
    state.routes = [
        Route(route["destination"], route["gateway"])
        for _, route in _group(values, "route.ipv4.")
        if {"destination", "gateway"} <= route.keys()
    ]
    napts = (napt for _, napt in _group(values, "nat.ipv4.napt."))
    state.napts = [Napt(napt["interface"], napt.get("private", "")) for napt in napts if "interface" in napt]
    state.filters = [index for index, _ in _group(values, "filter.ipv4.")]
    state.resolvers = [address for key, address in values.items() if re.fullmatch(r"resolver\.\d+\.address", key)]
    state.ntp_servers = [address for key, address in values.items() if re.fullmatch(r"ntp\.client\.\d+\.address", key)]
    state.pppac_users = [name for key, name in values.items() if re.fullmatch(r"pppac\.user\.\d+\.id", key)]
    for name, bridge in _group(values, "bridge."):
        state.bridges[name] = [value for key, value in bridge.items() if key.startswith("member")]
    for name, pool in _group(values, "dhcp.server."):
        if pool.get("pool.count", "").isdecimal() and "pool.address" in pool:
            state.pools.append(Pool(pool.get("interface", name), pool["pool.address"], int(pool["pool.count"])))
    _bgp(state, values)


def _bgp(state: Effective, values: dict[str, str]) -> None:
    state.bgp.enabled = values.get("route.bgp.service") == "enable"
    state.bgp.local_as = values.get("route.bgp.my-as-number", "")
    state.bgp.router_id = values.get("route.bgp.router-id", "")
    state.bgp.neighbors = [
        (neighbor["address"], neighbor.get("remote-as", ""))
        for _, neighbor in _group(values, "route.bgp.neighbor.")
        if "address" in neighbor
    ]


def _group(values: dict[str, str], prefix: str) -> list[tuple[str, dict[str, str]]]:
    """The entries of a list, by index or name: numbers in numeric order first, then names in the config's order."""
    entries: dict[str, dict[str, str]] = {}
    for key, value in values.items():
        if key.startswith(prefix):
            name, dot, rest = key.removeprefix(prefix).partition(".")
            if dot:
                entries.setdefault(name, {})[rest] = value
    return sorted(entries.items(), key=lambda entry: int(entry[0]) if entry[0].isdecimal() else 1 << 62)
