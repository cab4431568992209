"""`show config`: its lines, taken apart (§1). What they mean is not asked, and none is dropped."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controller.domain.sentence import sentence
from controller.series.parsers.read import unquoted
from controller.series.parsers.template import lines
from controller.series.unparsable import Unparsable, unexpected

_WHAT = "show config"

_KNOWN = """
arp authentication bridge cbq certificate dhcp dhcp6 dialup-device dns encrypted-password environment filter filter6
floatlink hostname httpd ike interface ipsec l2tp macfilter monitor nat nat6 ntp option ppp pppac proxyarp qos resolver
route route6 rtadvd snmp sshd syslog telnetd timezone translator upnp vendor vlan vrrp wol
"""
_FUNCTIONS = frozenset(_KNOWN.split())
"""First words of statements that are known. A config may have others; a text with none of them is no config."""

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"(?=\s|$)|[^\s"]+(?=\s|$)')
_STATEMENT = re.compile(r"[a-z][a-z0-9-]*(?: .*)?")
_SETTING = re.compile(r"\s*([a-z][a-z0-9-]*(?:\.[A-Za-z0-9_-]+)*)\s*:\s*(.*)")


@dataclass(frozen=True, slots=True)
class Statement:
    """A line of the statement language. words: with quotes resolved, the first one is the function."""

    function: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of the key-value language: what stands on each side of the leftmost colon."""

    key: str
    value: str


def statements(text: str) -> list[Statement]:
    """Every statement, in order. Raises Unparsable: a quote that is not closed, or a text that is no config."""
    found = [_statement(number, line) for number, line in lines(_WHAT, text)]
    if found and not any(each.function in _FUNCTIONS for each in found):
        raise Unparsable(sentence("{what}: no line begins with a statement that is known.", what=_WHAT))
    return found


def settings(text: str) -> list[Setting]:
    """Every line, in order, duplicates included. Raises Unparsable for a line that has no key."""
    found = [_setting(number, line) for number, line in lines(_WHAT, text)]
    if found and not any("." in each.key or each.key == "hostname" for each in found):
        raise Unparsable(sentence("{what}: no line begins with a statement that is known.", what=_WHAT))
    return found


def _statement(number: int, line: str) -> Statement:
    words = _WORD.findall(line)
    if not _STATEMENT.fullmatch(line) or _WORD.sub("", line).strip():
        raise unexpected(_WHAT, number, line)
    return Statement(words[0], tuple(unquoted(word) for word in words))


def _setting(number: int, line: str) -> Setting:
    found = _SETTING.fullmatch(line)
    if found is None:
        raise unexpected(_WHAT, number, line)
    return Setting(found[1], found[2])
