"""Who and where: addresses, MACs, serials, host names and PPP accounts in what adapters print, replaced for readers who
are to see how an adapter behaves but not whose it is.

The same value gets the same pseudonym under one key, so that a route and its gateway still belong together; under
another key it gets another one, and without the key nobody can try values out. Addresses that are nobody's (loopback,
multicast, any) stay. Not here: secrets, which are gone before anything is stored (masking.py).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

_NAMED: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.MULTILINE))
    for kind, pattern in (
        ("host", r'^Host {0,8}: {0,4}"?([^"\r\n]{1,64})'),
        ("host", r'^hostname:? {1,4}"?([^"\s]{1,64})'),
        ("serial", r"^(?:Serial {0,8}| {1,8}Memo {0,12}): {0,4}(\S{1,64})"),
        ("account", r"^ {1,8}Account {0,4}: (\S{1,255})"),
        ("account", r'identifier(?:\.[a-z]{1,16})?:? {1,4}"?([^"\s]{1,255})'),
        ("account", r"^pppac\d{1,4} (\S{1,255}) "),
        ("ssid", r'ssid:? {1,4}"?([^"\r\n]{1,32})'),
        ("host", r"(?::[\da-f]{2}) (\S{1,255}) expires "),
    )
)
"""Values that a text names by themselves, whichever command printed it."""

_TABLES: Mapping[str, tuple[tuple[str, re.Pattern[str]], ...]] = {
    "show status dhcp": (("host", re.compile(r"^[\d.]{7,15} {1,20}[\da-f:]{17} {1,20}(\S{1,255})", re.MULTILINE)),),
    "show status pppac": (
        ("account", re.compile(r"^(\S{1,64}) {1,64}(?:\S{1,64} {1,64})?(?=\d{1,3}\.)", re.MULTILINE)),
        ("account", re.compile(r"^\S{1,64} {1,64}(\S{1,64}) {1,64}(?=\d{1,3}\.)", re.MULTILINE)),
    ),
}

_ADDRESS = re.compile(
    r"""(?P<id>(?<![\w-])[\dA-Fa-f]{4}(?:-[\dA-Fa-f]{4}){7}(?![\w-]))
      | (?P<mac>(?<![\w:-])[\dA-Fa-f]{2}(?:[:-][\dA-Fa-f]{2}){5}(?![\w:-])
             |(?<![\w.])[\dA-Fa-f]{4}\.[\dA-Fa-f]{4}\.[\dA-Fa-f]{4}(?![\w.]))
      | (?P<ip>(?<![\w:.])(?=[\dA-Fa-f]{0,4}:)[\dA-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}(?![\w:]|\.\d)
             |(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d))
      | (?P<account>(?<![\w.+@-])[\w.+-]{1,64}@[\w.-]{1,255})""",
    re.VERBOSE | re.ASCII,
)
_WORD = re.compile(r"[\w\x80-\xff][\w.@\x80-\xff-]{0,254}", re.ASCII)

_MOST_PHRASES = 64
"""Names of one adapter that are no single words: a host name, some SSIDs. Each is looked for at every place of the
output, so an adapter that prints thousands would keep us busy for minutes: what it printed is withheld instead."""
_WITHHELD = b"[withheld: it has more names of several words than can be taken out]\r\n"


class Redaction:
    """key: 32 random bytes; what is replaced follows from them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def pseudonym(self, kind: str, value: str) -> str:
        """kind-0123456789: the same for the same value, letter case aside."""
        digest = hmac.digest(self._key, f"{kind}\0{value.lower()}".encode("utf-8", "surrogateescape"), "sha256")
        return f"{kind}-{digest.hex()[:10]}"

    def names(self, printed: Iterable[tuple[str, bytes]], known: Mapping[str, str]) -> dict[str, str]:
        """Pseudonyms of the names in what one adapter printed (command, output), to be replaced in all of it.

        known: other values to replace, with their kind (its serial, its code).
        """
        found = {value: self.pseudonym(kind, value) for value, kind in known.items() if value}
        for command, body in printed:
            text = body.decode("latin-1")
            for kind, pattern in (*_NAMED, *_TABLES.get(command, ())):
                for value in pattern.findall(text):
                    found.setdefault(value, self.pseudonym(kind, value))
        return found

    def applied(self, body: bytes, names: Mapping[str, str]) -> bytes:
        """The output with pseudonyms; bytes that are no text stay as they are."""
        text = body.decode("latin-1")
        phrases = sorted((value for value in names if not _WORD.fullmatch(value)), key=len, reverse=True)
        if len(phrases) > _MOST_PHRASES:
            return _WITHHELD
        if phrases:  # in one go: a pseudonym must not be taken for a name again
            text = re.sub("|".join(map(re.escape, phrases)), lambda found: names[found[0]], text)
        text = _ADDRESS.sub(self._address, text)
        return _WORD.sub(lambda word: _named(word[0], names), text).encode("latin-1")

    def _address(self, found: re.Match[str]) -> str:
        kind, value = str(found.lastgroup), found[0]
        return value if kind == "ip" and _nobodys(value) else self.pseudonym(kind, value)


def _nobodys(value: str) -> bool:
    """No address at all (a time of day, a version), or one that tells nothing about anybody."""
    try:
        address = ip_address(value)
    except ValueError:
        return True
    return address.is_loopback or address.is_unspecified or address.is_multicast or value.startswith(("255.", "0."))


def _named(word: str, names: Mapping[str, str]) -> str:
    """A name that stands by itself, or is the beginning of a longer word (branch-a in branch-a-2g)."""
    if word in names:
        return names[word]
    end = len(word)
    while (end := max(word.rfind("-", 0, end), word.rfind(".", 0, end))) > 0:
        if word[:end] in names:
            return names[word[:end]] + word[end:]
    return word
