"""Takes terminal control sequences out of a byte stream, wherever the stream happens to be cut.

Only what addresses a terminal goes: ECMA-48 control sequences and strings, and the two-byte escapes (`ESC =`, `ESC >`).
Carriage returns, backspaces and everything that is no escape stay.
"""

from __future__ import annotations

import re

# Every part is bounded, so that a lone ESC in binary output can neither hold back nor swallow more than this.
_SEQUENCE = re.compile(
    rb"\x1b(?:"
    rb"\[[0-?]{0,32}[ -/]{0,8}[@-~]"  # CSI: ESC[?1h, ESC[K
    rb"|[\]PX^_][^\x07\x1b]{0,256}(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC: up to BEL or ST
    rb"|[ -/]{0,8}[0-OQ-WYZ\\`-~]"  # ESC =, ESC >, ESC ( B
    rb")"
)
_BEGINNING = re.compile(rb"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}|[\]PX^_][^\x07\x1b]{0,256}\x1b?|[ -/]{0,8})")


class Escapes:
    """A filter: bytes in, bytes without escape sequences out. What may still become a sequence is held back."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The next part of the stream without its escape sequences; cutting the stream elsewhere changes nothing."""
        if not self._held and b"\x1b" not in data:
            return data
        return self._strip(self._held + data)

    def _strip(self, data: bytes) -> bytes:
        kept = []
        done = 0
        self._held = b""
        while (at := data.find(b"\x1b", done)) >= 0:
            kept.append(data[done:at])
            if sequence := _SEQUENCE.match(data, at):
                done = sequence.end()
            elif _BEGINNING.fullmatch(data, at):
                self._held = data[at:]
                return b"".join(kept)
            else:  # an ESC that begins nothing is output
                kept.append(b"\x1b")
                done = at + 1
        kept.append(data[done:])
        return b"".join(kept)
