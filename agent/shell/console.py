"""An interactive session as the terminal sees it: greeting, prompt, echo, pager, questions. Sans-IO.

Found or inferred (device reference §2): the bare "# " of admin at the start of a line, CR LF, the last-login and
copyright lines and the warning about a missing password on seil3, and escape noise around the line editor.
Assumed: "> " for user, the pager's text and keys, 24 lines where the terminal does not say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.shell.commands import Shell
from agent.shell.lines import Key, LineEditor
from agent.shell.results import Ask, Leave, Result

_EDITOR_ON = b"\x1b[?1h\x1b="
_EDITOR_OFF = b"\x1b[?1l\x1b>"
_MORE = b"\x1b[7m--More--\x1b[m"
_WIPE = b"\r        \r"
_ROWS = 24

_COPYRIGHT = """\
Copyright (c) 1996, 1997, 1998, 1999, 2000, 2001, 2002, 2003, 2004, 2005
    The NetBSD Foundation, Inc.  All rights reserved.
Copyright (c) 1982, 1986, 1989, 1991, 1993
    The Regents of the University of California.  All rights reserved.

"""
_NO_PASSWORD = "  Warning! Do not forget to set admin password.\n\n"  # noqa: S105 (a warning's text)


@dataclass(frozen=True, slots=True)
class Show:
    """Bytes for the terminal. output: they are what a command printed, not echo or prompt."""

    data: bytes
    output: bool = False


@dataclass(frozen=True, slots=True)
class Over:
    """The session ends here; the bytes before are still to be shown."""

    why: Leave


Event = Show | Over


class Console:
    """One session. Feed it what is typed; show what it says."""

    def __init__(self, shell: Shell, *, rows: int, columns: int) -> None:
        """rows, columns: of the terminal, 0 where it does not say."""
        self._shell = shell
        self._rows, self._columns = rows, columns
        self._editor = LineEditor(shell.completion)
        self._waiting = bytearray()
        self._more = b""  # what the pager holds back
        self._ask: Ask | None = None
        self._over = False

    def resize(self, rows: int, columns: int) -> None:
        self._rows, self._columns = rows, columns

    def greet(self, last_login: str) -> list[Event]:
        """What is shown before anything is typed. last_login: "Tue Sep 23 01:05:15 2025 on console", or ""."""
        text = ""
        if self._shell.adapter.row.series == "seil3":
            text = f"Last login: {last_login}\n" if last_login else ""
            text += _COPYRIGHT
            if not self._shell.adapter.row.ssh_password:
                text += _NO_PASSWORD
        return [Show(_terminal(text) + self._prompt())]

    def feed(self, data: bytes) -> list[Event]:
        """What the terminal sent, in any pieces."""
        self._waiting += data
        events: list[Event] = []
        while self._waiting and not self._over:
            events += self._page() if self._more else self._line()
        return events

    def _line(self) -> Iterator[Event]:
        typed = self._editor.take(self._waiting)
        match typed.key:
            case None:
                yield Show(typed.echo)
            case Key.INTERRUPT:
                self._settle()
                yield Show(typed.echo + b"\r\n" + self._prompt())
            case Key.END:
                yield from self._end(Leave.EXIT)
            case Key.HELP:
                words = self._shell.words_after(typed.text)
                yield Show(typed.echo + b"?\r\n" + _terminal("".join(f"  {word}\n" for word in words)) + self._prompt())
                yield Show(self._editor.shown)
            case Key.LINE:
                yield from self._entered(typed.echo, typed.text)

    def _entered(self, echo: bytes, line: str) -> Iterator[Event]:
        if self._ask:
            yield Show(echo + (b"" if self._ask.hidden or self._ask.instant else b"\r\n"))
            if not self._ask.hidden and self._ask.instant:
                yield Show(b"\r\n")
            yield from self._done(self._ask.then(line))
        else:
            yield Show(echo + _EDITOR_OFF + b"\r\n")
            yield from self._done(self._shell.run(line))

    def _done(self, result: Result) -> Iterator[Event]:
        """Print, then ask, leave or prompt; a pager in between comes back here when it is through."""
        self._settle()
        if isinstance(result.then, Ask):
            self._ask = result.then
            self._editor.hidden, self._editor.instant = result.then.hidden, result.then.instant
            yield Show(_terminal(result.text), output=True)
            yield Show(_terminal(result.then.prompt))
        elif isinstance(result.then, Leave):
            yield Show(_terminal(result.text), output=True)
            yield from self._end(result.then)
        else:
            self._more = _terminal(result.text)
            yield from self._turn(self._page_rows())

    def _settle(self) -> None:
        self._ask = None
        self._editor.hidden, self._editor.instant = False, ""

    def _turn(self, rows: int) -> Iterator[Event]:
        """Show this many rows of what is held back, then the pager's text or the prompt."""
        page, self._more = self._cut(rows)
        if page:
            yield Show(page, output=True)
        if self._more:
            yield Show(_MORE)
        else:
            line_end = b"\r\n" if page and not page.endswith(b"\n") else b""
            yield Show(line_end + self._prompt())

    def _page(self) -> Iterator[Event]:
        key = chr(self._waiting.pop(0))
        if key in " f":
            yield Show(_WIPE)
            yield from self._turn(self._page_rows())
        elif key in "\r\nj":
            yield Show(_WIPE)
            yield from self._turn(1)
        elif key in "qQ\x03":
            self._more = b""
            yield Show(_WIPE + self._prompt())

    def _page_rows(self) -> int:
        """Rows of one page, 0 for all there is: one less than the terminal has, for the pager's own line."""
        settings = self._shell.settings
        return max(1, (settings.rows or self._rows or _ROWS) - 1) if settings.pager else 0

    def _cut(self, rows: int) -> tuple[bytes, bytes]:
        """The held-back bytes after so many rows, a line that wraps counted for each row it takes."""
        if rows == 0:
            return self._more, b""
        width = self._shell.settings.columns or self._columns or 80
        end = used = 0
        while used < rows and end < len(self._more):
            next_end = self._more.find(b"\n", end) + 1 or len(self._more)
            used += max(1, -(-(next_end - end - 2) // width))
            end = next_end
        return self._more[:end], self._more[end:]

    def _prompt(self) -> bytes:
        return _EDITOR_ON + (b"# " if self._shell.privileged else b"> ")

    def _end(self, why: Leave) -> Iterator[Event]:
        self._over = True
        yield Over(why)


def _terminal(text: str) -> bytes:
    """Text as a terminal gets it: every line ended by CR LF, a CR that was there not doubled."""
    return text.encode("latin-1", "replace").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
