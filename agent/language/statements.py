"""The statement language of seil3: one command a line, as typed. A wrong line is skipped, and so is what needs it.

Found: strings in double quotes with \\" and \\\\, an unbalanced quote spoils the line, 2046 characters and 128 words at
most. Assumed: which statements exist beyond the published forms; anything after a known first word is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.language.effective import BadLine, Effective, Ignored, Napt, Pool, Route, whole_number

MAX_LINE = 2046
MAX_WORDS = 128

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|$)|([^\s"]+)(?=\s|$)')
_LINE_END = re.compile(r"\r?\n")  # not splitlines: a byte 0x85 ends no line
_ETHERNET = re.compile(r"(?:lan|vlan|bridge|loopback)\d{0,3}")


def split(line: str) -> list[str]:
    """The words of a line, quotes resolved. Raises BadLine."""
    words = _quoted(line) if '"' in line else line.split()
    if len(words) > MAX_WORDS or len(line) > MAX_LINE:
        raise BadLine(f"more than {MAX_WORDS} words or {MAX_LINE} characters")
    return words


def _quoted(line: str) -> list[str]:
    words: list[str] = []
    at, end = 0, len(line.rstrip())
    while at < end:
        if line[at].isspace():
            at += 1
            continue
        match = _WORD.match(line, at)
        if match is None:
            raise BadLine("a double quote is not closed, or stands inside a word")
        words.append(match[2] if match[1] is None else re.sub(r"\\(.)", r"\1", match[1]))
        at = match.end()
    return words


def read(text: str) -> Effective:
    """The state after all lines, in order; `ignored` has those that were skipped."""
    state = Effective()
    for number, line in enumerate(_LINE_END.split(text), 1):
        try:
            apply(state, split(line))
        except BadLine as reason:
            state.ignored.append(Ignored(number, line[:200], str(reason)))
    return state


def apply(state: Effective, words: list[str]) -> None:
    """Put one statement into effect, as on the terminal. Raises BadLine and leaves the state as it was."""
    if not words:
        return
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        raise BadLine(f"unknown command: {verb[:40]}")
    if not rest:
        raise BadLine(f"{verb}: a parameter is missing")
    if handler := VERBS[verb]:
        handler(state, rest)


def _hostname(state: Effective, words: list[str]) -> None:
    state.hostname = words[0]


def _timezone(state: Effective, words: list[str]) -> None:
    state.timezone = words[0]


def _environment(state: Effective, words: list[str]) -> None:
    match words:
        case ["pager", "on" | "off" as value]:
            state.pager = value == "on"
        case ["login-timer", value]:
            state.login_timer = whole_number(value, "login-timer")
        case ["terminal", "auto-size"]:
            state.columns = state.rows = 0
        case ["terminal", "column", value]:
            state.columns = whole_number(value, "column")
        case ["terminal", "row", value]:
            state.rows = whole_number(value, "row")
        case _:
            raise BadLine(f"environment: invalid parameter: {' '.join(words)[:60]}")


def _interface(state: Effective, words: list[str]) -> None:
    match words:
        case [name, "add", address] if _ETHERNET.fullmatch(name):
            state.interface(name).address = address
        case [name, "delete", *_]:
            state.interface(name).address = ""
        case [name, "over", below]:
            state.interface(name).over = below
        case [name, "ppp-configuration", ppp]:
            if ppp not in state.ppp:
                raise BadLine(f"ppp configuration {ppp[:40]} does not exist")
            state.interface(name).ppp = ppp
        case [name, "tunnel", _, peer]:
            state.interface(name).peer = peer
        case [name, "mtu", value]:
            state.interface(name).mtu = whole_number(value, "mtu")
        case [_, _, *_]:
            pass
        case _:
            raise BadLine("interface: a parameter is missing")


def _ppp(state: Effective, words: list[str]) -> None:
    match words:
        case ["add", name, *settings]:
            state.ppp[name] = _following(settings, "identifier")
        case ["delete", name]:
            state.ppp.pop(name, None)


def _route(state: Effective, words: list[str]) -> None:
    match words:
        case ["add", destination, gateway, *_]:
            if gateway.startswith(("pppoe", "ppp", "ipsec")) and gateway not in state.interfaces:
                raise BadLine(f"route: interface {gateway} does not exist")
            state.routes = [route for route in state.routes if route.destination != destination]
            state.routes.append(Route(destination, gateway))
        case ["delete", destination, *_]:
            state.routes = [route for route in state.routes if route.destination != destination]
        case ["dynamic", "bgp", *settings]:
            _bgp(state, settings)


def _bgp(state: Effective, words: list[str]) -> None:
    match words:
        case ["enable" | "disable" as value]:
            state.bgp.enabled = value == "enable"
        case ["my-as-number", number]:
            state.bgp.local_as = number
        case ["router-id", address]:
            state.bgp.router_id = address
        case ["neighbor", "add", address, *settings]:
            state.bgp.neighbors.append((address, _following(settings, "remote-as")))


def _nat(state: Effective, words: list[str]) -> None:
    match words:
        case ["napt", "add", "private", private, "interface", interface]:
            state.napts.append(Napt(interface, private))


def _filter(state: Effective, words: list[str]) -> None:
    match words:
        case ["add", name, *_]:
            state.filters.append(name)
        case ["delete", name, *_] if name in state.filters:
            state.filters.remove(name)


def _dhcp(state: Effective, words: list[str]) -> None:
    match words:
        case ["interface", name, "pool", first, count]:
            state.pools.append(Pool(name, first, whole_number(count, "pool")))


def _bridge(state: Effective, words: list[str]) -> None:
    match words:
        case [name, "add", member]:
            state.bridges.setdefault(name, []).append(member)


def _sshd(state: Effective, words: list[str]) -> None:
    if words in (["enable"], ["disable"]):
        state.sshd = words == ["enable"]


def _resolver(state: Effective, words: list[str]) -> None:
    match words:
        case ["address", "add", address]:
            state.resolvers.append(address)


def _ntp(state: Effective, words: list[str]) -> None:
    match words:
        case ["server", "add", address]:
            state.ntp_servers.append(address)


def _pppac(state: Effective, words: list[str]) -> None:
    match words:
        case ["user", "add", name, *_]:
            state.pppac_users.append(name)


def _following(words: list[str], keyword: str) -> str:
    """The word after a keyword, "" without it."""
    return next((words[at + 1] for at, word in enumerate(words[:-1]) if word == keyword), "")


VERBS: dict[str, Callable[[Effective, list[str]], None] | None] = {
    "hostname": _hostname,
    "timezone": _timezone,
    "environment": _environment,
    "interface": _interface,
    "ppp": _ppp,
    "route": _route,
    "nat": _nat,
    "filter": _filter,
    "dhcp": _dhcp,
    "bridge": _bridge,
    "sshd": _sshd,
    "resolver": _resolver,
    "ntp": _ntp,
    "pppac": _pppac,
} | dict.fromkeys(
    (
        "arp", "authentication", "cbq", "certificate", "dialup-device", "dns", "encrypted-password", "filter6",
        "floatlink", "httpd", "ike", "ipsec", "l2tp", "macfilter", "monitor", "nat6", "option", "proxyarp", "qos",
        "route6", "rtadvd", "snmp", "syslog", "telnetd", "translator", "upnp", "vendor", "vlan", "vrrp", "wol",
    )
)  # fmt: skip
"""First words of statements. None: accepted, but nothing that a status command shows follows from it."""
