"""The line editor of a terminal session: keys in; echo and finished lines out. Sans-IO.

Found: there are history, TAB completion, guidance on "?" and line editing, 2046 characters a line. Assumed: the keys
(Emacs-like, as NetBSD's editline).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

MAX_LINE = 2046
MAX_HISTORY = 50


class Key(Enum):
    LINE = "line"
    INTERRUPT = "interrupt"
    END = "end"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of one or more keys. echo: what the terminal shows. text: the line, or what stood before the "?"."""

    echo: bytes
    key: Key | None = None
    text: str = ""


class LineEditor:
    """One line at a time. complete: the rest of the word that a TAB adds, "" for none.

    instant: characters that finish an empty line by themselves. hidden: nothing is echoed (a password).
    """

    def __init__(self, complete: Callable[[str], str]) -> None:
        self._complete = complete
        self._line = ""
        self._escape = ""
        self._after_cr = False
        self._history: list[str] = []
        self._back = 0
        self.instant = ""
        self.hidden = False

    def take(self, waiting: bytearray) -> Typed:
        """Take keys off the front of `waiting` up to the end of a line, or all of them."""
        echo = bytearray()
        while waiting:
            char = chr(waiting.pop(0))
            if self._after_cr and char == "\n":
                self._after_cr = False
                continue
            self._after_cr = char == "\r"
            if self._escape:
                echo += self._escaped(char)
            elif char in "\r\n" or (char in self.instant and not self._line and self.instant):
                return self._finished(bytes(echo), char)
            elif char == "\x03":
                return self._emptied(bytes(echo) + b"^C", Key.INTERRUPT)
            elif char == "\x04" and not self._line:
                return self._emptied(bytes(echo), Key.END)
            elif char == "?" and not self.hidden and self._line.count('"') % 2 == 0:
                return Typed(bytes(echo), Key.HELP, self._line)
            else:
                echo += self._edited(char)
        return Typed(b"" if self.hidden else bytes(echo))

    @property
    def shown(self) -> bytes:
        """The unfinished line, to be shown again after the prompt."""
        return b"" if self.hidden else self._line.encode("latin-1")

    def _finished(self, echo: bytes, char: str) -> Typed:
        if char not in "\r\n":
            self._line = char
            echo += char.encode("latin-1")
        line = self._line
        if not self.hidden and line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-MAX_HISTORY:]
        return self._emptied(b"" if self.hidden else echo, Key.LINE, line)

    def _emptied(self, echo: bytes, key: Key, text: str = "") -> Typed:
        self._line, self._back = "", 0
        return Typed(echo, key, text)

    def _edited(self, char: str) -> bytes:
        match char:
            case "\x08" | "\x7f":
                return self._erase(1)
            case "\x15":
                return self._erase(len(self._line))
            case "\x17":
                return self._erase(len(self._line) - self._line.rstrip().rfind(" ") - 1)
            case "\t":
                return self._insert(self._complete(self._line))
            case "\x1b":
                self._escape = char
                return b""
            case _ if char < " ":
                return b""
        return self._insert(char)

    def _insert(self, text: str) -> bytes:
        if len(self._line) + len(text) > MAX_LINE:
            return b"\x07"
        self._line += text
        return text.encode("latin-1")

    def _erase(self, count: int) -> bytes:
        count = min(count, len(self._line))
        self._line = self._line[: len(self._line) - count]
        return b"\x08 \x08" * count

    def _escaped(self, char: str) -> bytes:
        """ESC [ A and ESC [ B walk through the history; every other sequence is swallowed."""
        self._escape += char
        if len(self._escape) == 2 and char in "[O":
            return b""
        if len(self._escape) > 2 and not "@" <= char <= "~" and len(self._escape) < 16:
            return b""
        sequence, self._escape = self._escape, ""
        step = {"A": 1, "B": -1}.get(sequence[-1], 0) if len(sequence) == 3 else 0
        return self._recall(step) if step else b""

    def _recall(self, step: int) -> bytes:
        self._back = min(max(self._back + step, 0), len(self._history))
        wiped = self._erase(len(self._line))
        return wiped + self._insert(self._history[-self._back] if self._back else "")
