"""Secrets in what adapters print: what they look like in the config languages and in status output, and how they are
taken out before anything is stored.

Each match of a pattern has one group, the secret; MASK replaces it. In doubt a word too many is masked: a secret that
was stored cannot be taken back. Everything is linear in the size of the text, whatever is in it: repetitions are
possessive or bounded, and what has matched is left behind.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

MASK = b"********"

_STEMS = (b"pass", b"key", b"secret", b"community", b"psk", b"://", b"$")
"""Where a secret is named, in lower case; each alternative of the pattern begins at one. Most outputs have none."""

_WIDTHS = frozenset((80, 132, 511))
"""Columns of a terminal: a line of exactly so many characters may go on in the next one. 511 is what we ask for."""
_MAYBE_WRAPPED = _WIDTHS | {width + 1 for width in _WIDTHS}  # with CR
_WRAP = re.compile(rb"(?m)^(?:[^\r\n]{511}|[^\r\n]{132}|[^\r\n]{80})(\r?\n)")

# A backslash and what follows are one. A quote still open at the end of its line was wrapped if it is closed within
# three lines, and cut off if it is not.
_QUOTED = r"""(?:[^"\\\r\n]|\\[^\r\n]?)*+ (?:(?:\r?\n(?:[^"\\\r\n]|\\[^\r\n]?)*+){1,3}+(?="))?"""
_WORD = rf"""(?:"{_QUOTED}"?|[^\s"]\S*+)"""

_PATTERN = rf"""
    # A key or label, a colon, the secret up to the end of the line.
    (?:pass(?:word|phrase|wd|key)|secret|community|psk|(?<!pub)(?<!public[ -])(?<!authorized-)(?<!host)key)
        (?!-authentication
          |[a-z0-9._-]{{0,64}}\.(?:identifier(?:\.[a-z]{{1,16}})?|address|algorithm|interface|service|type)[ \t]*:)
        [a-z0-9._-]{{0,64}}+ (?:"?[:=][ \t]*+|[ \t]++[:=][ \t]++|[ \t]++(?=[:=])) ([^\s][^\r\n]*+)
    # The secret for a peer; the peer is none.
  | (?<=preshared-)key[ \t]++add[ \t]++{_WORD}[ \t]++({_WORD})
    # A keyword and the secret. Quotes stay; words between the two (hex, md5) go. Some words are no secret but a log.
  | (?:pass(?:word|phrase|wd|key)(?:-long)?|secret|community|psk|(?<=-)(?<!authorized-)(?<!public-)key[0-9]?)[ \t]++
        (?:"({_QUOTED})"?
          |(?!(?:accepted|authentication|changed|expired|failed|failure|incorrect|mismatch|rejected)\b)
           ((?:(?:add|admin|user|ascii|hex|plain|encrypted|string|md5|sha1?|des|blowfish|[0-9]{{1,3}})[ \t]++){{1,3}}+
            {_WORD}|[^\s"]\S*+))
    # A key by itself, only where it looks like one: logs speak of keys, too.
  | (?<![a-z0-9-])key[0-9]?[ \t]++(?:(?:ascii|hex|md5|[0-9]{{1,3}})[ \t]++){{0,3}}+
        (?:"({_QUOTED})"?|((?:0x)?[0-9a-f]{{8,}}+))
    # A host key that stands in the config instead of being generated.
  | (?<=host)key(?:[ \t]++(?:rsa1?|dsa|ecdsa|ed25519))?+(?:[ \t]*:)?[ \t]++(?!(?:auto|none)\b)({_WORD})
    # A private key as a block of text, with its last line.
  | (?<!public[ ])key-----([a-z0-9+/=:,.\s]*+(?:-(?!----)[a-z0-9+/=:,.\s]*+)*+)(?:-----end[^\r\n]{{0,60}})?
    # A password's hash; a password in a URL.
  | \$(?:1|2[abxy]?|5|6|y)\$([./a-z0-9$=,]{{8,128}}+)
  | ://[^\s/:@"]{{1,64}}+:([^\s/"]{{1,128}})@
"""

SECRETS: tuple[re.Pattern[bytes], ...] = (re.compile(_PATTERN.encode(), re.VERBOSE),)
"""What all series print: statements, key-value lines, labels, keys. For texts in lower case."""


def mask(patterns: Sequence[re.Pattern[bytes]], text: bytes) -> tuple[bytes, int]:
    """The text with MASK in place of every secret, and how many there were. patterns: for texts in lower case.

    A secret that a terminal has wrapped, or that is cut off at the end, is masked as well.
    """
    wraps = _wraps(text)
    flat = _without(text, wraps).lower()
    stems = _stems(flat)
    if not stems:
        return text, 0
    found = _found(patterns, flat, stems)
    if wraps:
        places = _Places(wraps)
        found = [(places.start(start), places.end(end)) for start, end in found]
    return _replaced(text, found), len(found)


def _stems(flat: bytes) -> list[int]:
    found = []
    for stem in _STEMS:
        at = flat.find(stem)
        while at >= 0:
            found.append(at)
            at = flat.find(stem, at + 1)
    return sorted(found)


def _found(patterns: Sequence[re.Pattern[bytes]], flat: bytes, stems: Sequence[int]) -> list[tuple[int, int]]:
    """Where the secrets are; a stem within what has matched already counts no more."""
    found, done = [], 0
    for at in stems:
        if at < done:
            continue
        for pattern in patterns:
            if match := pattern.match(flat, at):
                found.append(match.span(match.lastindex or 0))
                done = match.end()
                break
    return found


def _replaced(text: bytes, found: Sequence[tuple[int, int]]) -> bytes:
    kept, last = [], 0
    for start, end in found:
        kept.append(text[last:start])
        last = end
    return MASK.join([*kept, text[last:]])


def _wraps(text: bytes) -> list[tuple[int, int]]:
    """The line ends that a terminal may have put in."""
    if _MAYBE_WRAPPED.isdisjoint(map(len, text.split(b"\n"))):
        return []
    return [match.span(1) for match in _WRAP.finditer(text)]


def _without(text: bytes, wraps: Sequence[tuple[int, int]]) -> bytes:
    if not wraps:
        return text
    starts = [0, *(end for _, end in wraps)]
    ends = [*(start for start, _ in wraps), len(text)]
    return b"".join(text[start:end] for start, end in zip(starts, ends, strict=True))


class _Places:
    """From places in the text without its wraps to those in the text with them."""

    def __init__(self, wraps: Sequence[tuple[int, int]]) -> None:
        self._left_out = [0, *accumulate(end - start for start, end in wraps)]
        self._wraps = [start - out for (start, _), out in zip(wraps, self._left_out, strict=False)]

    def start(self, at: int) -> int:
        """Of a first character: behind a wrap that stands there."""
        return at + self._left_out[bisect_right(self._wraps, at)]

    def end(self, at: int) -> int:
        """Of what follows a last character: before a wrap that stands there."""
        return at + self._left_out[bisect_left(self._wraps, at)]
