"""What differs between two outputs without meaning anything: clocks, uptimes, counters, remaining lifetimes.

Comparing leaves it out. A table names the declared command ("" = every command) and patterns of which the groups (the
whole match, where there are none) count for nothing. A group stands for one kind of value: what was met first takes the
place of the others (`levelled`), and a parser has to read it there. IDENTITY is what tells adapters apart (addresses,
names, serials): left out too where different adapters are compared.

Outputs may be hostile: nothing here repeats without a bound, but for one `.*` to the end of a line that `^` begins, so
that time grows with the length of the text and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

Noise = Mapping[str, tuple[re.Pattern[str], ...]]
Found = re.Match[str]

GONE = "~"
"""What stands where noise was."""

_LEFT = r"( {1,20}\d{1,9})$"  # the last column: seconds left
_LEFT_S = r" (\d{1,9}s)$"
_HMS = r"\d{1,9}:\d\d:\d\d"


def _any(*patterns: str) -> tuple[re.Pattern[str], ...]:
    """One pattern out of many: a text is gone through once."""
    return (re.compile("|".join(patterns), re.MULTILINE),)


_LOG = _any(r"^( {0,8}\d{1,10} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)")
_SYSTEM = _any(
    *(rf"^{name} {{0,8}}: (.*)" for name in ("Date", "Up", "Users", "Loadavg", "CPUstat")),
    r"^Memory {0,4}: Total \d{1,9}[KMG]?B, (.*)",
)
_BGP = _any(r"^\S{1,45} {1,12}4 {1,6}\d{1,10}((?: {1,12}\d{1,12}){5} {1,12}\S{1,16})")
_PING = _any(r" time=([\d.]{1,12}) ms")
_TRACEROUTE = _any(r" ([\d.]{1,12}) ms")

SEIL3: Noise = {
    "show system": _SYSTEM,
    "show log": _LOG,
    "show status route dynamic bgp": _BGP,
    "show status route dynamic bgp summary": _BGP,
    "show status route dynamic bgp neighbor": _any(r" up for (\S{1,20})"),
    "show status interface": _any(
        r"^ {1,8}(?:Input|Output) {0,4}: (\d{1,20}) packets, (\d{1,20}) bytes, (\d{1,20}) errors"
    ),
    "show status arp": _any(_LEFT),
    "show status ndp": _any(_LEFT),
    "show status nat session": _any(_LEFT),
    "show status ike": _any(r"((?: {1,4}[0-9a-f]{16}){2} {1,20}\d{1,9})$"),  # a new key exchange is no change
    "show status ipsec": _any(r"((?: {1,4}0x[0-9a-f]{1,16}){2} {1,20}\d{1,9})$"),
    "show status pppac": _any(r" (\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)$"),
    "show status ppp": _any(rf"^ {{1,8}}State {{0,4}}: \w{{1,20}}, ({_HMS})"),
    "show status dhcp": _any(rf"( {{1,20}}{_HMS})$"),
    "show status dialup-device": _any(r" signal (\d{1,3}/\d{1,3} \(-?\d{1,4}dBm\))"),
    "ping": _PING,
    "ping6": _PING,
    "traceroute": _TRACEROUTE,
}
SEIL8: Noise = {
    "show system": _SYSTEM,
    "show log": _LOG,
    "show status interface": _any(r" in (\d{1,20}) out (\d{1,20}) err (\d{1,20})$"),
    "show status route dynamic bgp summary": _BGP,
    "show status arp": _any(_LEFT_S),
    "show status ndp": _any(_LEFT_S),
    "show status nat session": _any(_LEFT_S, r"^Total: (\d{1,9})"),
    "show status ike": _any(r" in (0x[0-9a-f]{1,16}) out (0x[0-9a-f]{1,16}) life (\d{1,9}s)"),
    "show status ipsec": _any(r" in (0x[0-9a-f]{1,16}) out (0x[0-9a-f]{1,16}) life (\d{1,9}s)"),
    "show status pppoe": _any(rf" up ({_HMS}) addr"),
    "show status pppac": _any(rf" ({_HMS})$"),
    "show status dhcp server": _any(rf" expires ({_HMS})$"),
    "show status dns-forwarder": _any(r" queries (\d{1,20}) failures (\d{1,20})"),
    "show status ntp": _any(r" offset (-?[\d.]{1,12}ms)"),
    "show status bridge": _any(r" entries (\d{1,9})$"),
    "ping": _PING,
    "traceroute": _TRACEROUTE,
}
_NOT_OF_SEIL6 = {"show status bridge", "show status ndp", "show status route dynamic bgp summary"}
SEIL6: Noise = {
    **{name: patterns for name, patterns in SEIL8.items() if name not in _NOT_OF_SEIL6},
    "show status wlan": _any(r" clients (\d{1,6}) "),
    "show status wlan client": _any(rf" rssi (-?\d{{1,4}}dBm) tx (\S{{1,12}}) rx (\S{{1,12}}) ({_HMS})"),
    "show status mobile": _any(r" rssi (-?\d{1,4}dBm) level (\d{1,3}/\d{1,3})"),
}

_ADDRESS = _any(  # IPv4, MAC, IPv6; what cannot begin one is seen first, since that is nearly all of a text
    r"(?=[0-9A-Fa-f]{0,4}[:.])(?<![\w:.])(?:((?:\d{1,3}\.){3}\d{1,3})(?![\w.])"
    r"|((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})(?![\w:])"
    r"|((?:(?:[0-9A-Fa-f]{1,4}:){1,7}|:):(?:[0-9A-Fa-f]{1,4}:){0,6}[0-9A-Fa-f]{0,4}"
    r"|(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4})(?![\w:]))"
)
_BGP_PEER = _any(
    r", local AS number (\d{1,10})$",
    r"^\S{1,45} {1,12}4 {1,6}(\d{1,10}).*",
    r"^Total number of neighbors (\d{1,6})",
)
_ECHO = _any(r" icmp_seq=(\d{1,6}) ttl=(\d{1,3})")

IDENTITY: Noise = {
    "": _ADDRESS,
    "show system": _any(r"^Serial {0,4}: (.*)", r"^Host {0,4}: (.*)"),
    "show config": _any(r"^hostname:? {1,4}(.*)"),
    "show key": _any(r"^ {1,8}Distribution ID {0,12}: (.*)", r"^ {1,8}Memo {0,12}: (.*)"),
    "show status route dynamic bgp": _BGP_PEER,
    "show status route dynamic bgp summary": _BGP_PEER,
    "show status route dynamic bgp neighbor": _any(r"remote AS (\d{1,10}), local AS (\d{1,10})"),
    "show status nat session": _any(  # which protocols are under way, and how far, is the hosts' affair
        r"^([a-z]{2,8} {1,8}\S{1,50} {1,30}\S{1,50} {1,30}\S{1,50}(?: [A-Z_-]{1,20})?)"
    ),
    "show status ppp": _any(r"^ {1,8}Account {0,4}: (.*)"),
    "show status pppac": _any(
        r"^pppac(\d{1,4} \S{1,255}) ",
        r"^(\S{1,64} {1,20}\S{0,64} {1,20})(?=[\d~])",
        r"^Sessions: (\d{1,9})",
    ),
    "show status dhcp": _any(r"^[\d.]{7,15} {1,20}[\da-f:]{17} {1,20}(\S{1,255})"),
    "show status dhcp server": _any(r" ([^ \n]{1,255}) expires "),
    "show status wlan": _any(r'ssid "([^"\n]{0,64})"'),
    "ping": _ECHO,
    "ping6": _ECHO,
    "traceroute": _any(r"^( {0,3}\d{1,3})  (?=[\d~])"),
}
"""By the command of whichever series; the families print the same things in parallel shapes."""


def quiet(noise: Noise, command: str, text: str) -> str:
    """The text with GONE in place of noise. command: the declared command's name."""
    for pattern in _patterns(noise, command):
        text = _replaced(pattern, text, lambda _found, _group: GONE)
    return text


def alike(noise: Noise, command: str, text: str) -> str:
    """The text as every adapter in the same state prints it: no noise, no identity, blanks that only align single, and
    of lines in a row that had some, each kind told once and in order (a table of five neighbours is like one of
    fifty)."""
    for pattern in (*_patterns(noise, command), *_patterns(IDENTITY, command)):
        text = _replaced(pattern, text, lambda _found, _group: GONE)
    kept: list[str] = []
    run: set[str] = set()
    for line in (" ".join(line.split()) for line in text.splitlines()):
        if GONE in line:
            run.add(line)
            continue
        kept += sorted(run)
        run.clear()
        kept.append(line)
    return "\n".join([*kept, *sorted(run)])


def levelled(noise: Noise, command: str, texts: tuple[str, str], *, peers: bool) -> tuple[str, str]:
    """Both texts with the same values where there is noise, so that what a parser makes of them differs in what matters
    only. The values are those met first, which a parser can read. peers: identity too."""
    patterns = [*_patterns(noise, command), *(_patterns(IDENTITY, command) if peers else ())]
    before, after = texts
    for pattern in patterns:
        met: dict[int, str] = {}

        def first(found: Found, group: int, met: dict[int, str] = met) -> str:
            return met.setdefault(group, found[group])

        before, after = _replaced(pattern, before, first), _replaced(pattern, after, first)
    return before, after


def _patterns(noise: Noise, command: str) -> Iterator[re.Pattern[str]]:
    yield from noise.get(command, ())
    yield from noise.get("", ())


def _replaced(pattern: re.Pattern[str], text: str, by: Callable[[Found, int], str]) -> str:
    """The text with each group of each match replaced; 0 stands for the whole match of a pattern without groups."""

    def one(found: Found) -> str:
        if not pattern.groups:
            return by(found, 0)
        whole, start, pieces, at = found.group(), found.start(), [], 0
        for group in range(1, pattern.groups + 1):
            first, last = found.span(group)
            if first >= 0:
                pieces += [whole[at : first - start], by(found, group)]
                at = last - start
        return "".join([*pieces, whole[at:]])

    return pattern.sub(one, text)
