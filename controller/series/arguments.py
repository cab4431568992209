"""What an argument of a command may be: small tests that say yes or no to one word. No command is here."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

WordTest = Callable[[str], bool]


def matching(pattern: str) -> WordTest:
    """Words that match the whole pattern."""
    compiled = re.compile(pattern)
    return lambda word: compiled.fullmatch(word) is not None


def one_of(*words: str) -> WordTest:
    """One of these words, in this spelling."""
    return frozenset(words).__contains__


def whole_number(lowest: int, highest: int) -> WordTest:
    """A decimal number without sign or leading zeros, within the bounds, both included."""
    return lambda word: re.fullmatch(r"0|[1-9][0-9]{0,9}", word) is not None and lowest <= int(word) <= highest


def ipv4_address(word: str) -> bool:
    """A dotted IPv4 address. Names are refused: what they resolve to is decided elsewhere."""
    return _constructs(IPv4Address, word)


def ipv6_address(word: str) -> bool:
    """An IPv6 address without scope."""
    return "%" not in word and _constructs(IPv6Address, word)


def ip_address(word: str) -> bool:
    """An address of either family."""
    return ipv4_address(word) or ipv6_address(word)


interface_name = matching(r"[a-z]{2,12}[0-9]{0,3}(?:p[0-9])?")
"""lan0, ge1, ge1p2, pppoe0, loopback: letters, a number, perhaps a switch port (devices.md §1; bounds ours)."""

function_word = matching(r"[a-z][a-z0-9-]{0,31}")
"""A function of the statement family as `show config FUNC` takes it: sshd, route, ppp (form FOUND, bounds ours)."""


def _constructs(kind: type[IPv4Address] | type[IPv6Address], word: str) -> bool:
    try:
        kind(word)
    except ValueError:
        return False
    return True
