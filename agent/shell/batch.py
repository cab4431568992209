"""A session without a person at it: an exec request, or a shell without a terminal. Sans-IO.

Inferred for seil3 from the vendor's own tool: every line of output begins with eight hex digits, colon, blank, and the
session says `success` and `exit(N).` in lines of their own; "00" at the beginning means that the command is done. What
the other digits mean is not known: here they count lines. Assumed: the other series print plainly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.shell.commands import Shell
from agent.shell.results import Ask, Leave, Result

_OUTPUT = 0x0100_0000
_DONE = 0x0000_0000
_GOODBYE = 0x0200_0000


@dataclass(slots=True)
class Batch:
    """Runs whole lines. prefixed: the seil3 form. Read `leaving` after each line: set when the session is over."""

    shell: Shell
    prefixed: bool
    leaving: Leave | None = None
    failed: bool = False
    _lines: int = 0
    _ask: Ask | None = field(default=None)

    def run(self, line: str) -> bytes:
        """One line (or one answer); returns what is printed."""
        result = self._ask.then(line) if self._ask else self.shell.run(line)
        self._ask = result.then if isinstance(result.then, Ask) else None
        if isinstance(result.then, Leave):
            self.leaving = result.then
        self.failed = not result.ok
        return self._printed(result)

    @property
    def asking(self) -> bool:
        """Whether the next line will be taken for an answer."""
        return self._ask is not None

    def goodbye(self) -> bytes:
        """What the session says at its end."""
        return self._prefix(_GOODBYE, f"exit({int(self.failed)}).\n") if self.prefixed else b""

    def _printed(self, result: Result) -> bytes:
        if not self.prefixed:
            return _crlf(result.text)
        text = b"".join(self._numbered(line) for line in result.text.splitlines())
        if result.then is None and result.ok:
            text += self._prefix(_DONE, "success\n")
        return text

    def _numbered(self, line: str) -> bytes:
        self._lines += 1
        return self._prefix(_OUTPUT + self._lines, f"{line}\n")

    def _prefix(self, number: int, line: str) -> bytes:
        return f"{number:08x}: ".encode("ascii") + _crlf(line)


def _crlf(text: str) -> bytes:
    return text.encode("latin-1", "replace").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
