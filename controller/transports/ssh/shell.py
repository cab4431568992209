"""What an interactive shell says, told apart: echo, output, pager, prompt. Sans-IO: bytes in, events out, no clock.

The difficulty is that a prompt is only a character at the start of a line, and output may contain the same. So a prompt
*ends* an answer in one of two ways only:

- the echo of the next line follows it (the driver may type ahead as soon as a prompt is the last thing received; if it
  was a look-alike, more output comes first, and that output still goes to the line it belongs to); or
- nothing follows it for a while (the driver has the clock and says `quiet()`); this also tells a pager from its like.

An adapter that does not echo is noticed when, after the first line, a prompt comes to rest and no echo was seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from controller.series import Series
from controller.transports.ssh.escapes import Escapes

_LONGEST_TAIL = 4096
"""An unfinished line longer than this is no prompt, pager or echo (a line is at most 2046 characters)."""

_LINE_END = re.compile(rb" {0,8}\r{0,4}\n")

# What a terminal is sent to wipe the pager's text away, after the answer; and what may still become that.
_WIPE = re.compile(rb"\r {1,512}\r(?!\n)|\r(?!\n)|\x08{1,512} {0,512}\x08{0,512}")
_WIPE_BEGINNING = re.compile(rb"\r {0,512}\r?|\x08{1,512} {0,512}\x08{0,512}")


class Rest(Enum):
    """What the last thing received looks like, that is: what the shell would be waiting for, if nothing follows."""

    NOTHING = "nothing"
    PROMPT = "prompt"
    PAGER = "pager"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one line printed. complete: its end was seen. truncated: more came than is kept. echoed: the adapter has
    certainly read it."""

    line: str
    body: bytes
    truncated: bool
    complete: bool
    echoed: bool = True


@dataclass(frozen=True, slots=True)
class NextPage:
    """The pager waits: send this key."""

    key: bytes


Event = Answer | NextPage


class Shell:
    """One interactive session. `type` a line when `rest` is PROMPT, `feed` what arrives, say `quiet` when nothing does.

    At most two lines are under way: the current one, whose output is being read, and the next one, typed ahead when
    the current one seemed to have ended.
    """

    def __init__(self, series: Series, max_bytes: int) -> None:
        self._series = series
        self.max_bytes = max_bytes
        self._escapes = Escapes()
        self._tail = b""  # the unfinished last line
        self._inside_long_line = False
        self._wiping = False  # the pager was answered; the wipe may follow
        self._body = bytearray()
        self._truncated = False
        self._current: str | None = None  # None: the greeting, or nothing under way
        self._next: str | None = None
        self._typed_at = 0  # length of the body when the next line was typed
        self._heard_since = False
        self.echoes = False
        """An echo was seen, so echoes can be relied on."""

    @property
    def awaits_echo(self) -> bool:
        """A line was typed and its echo has not come yet."""
        return self._next is not None

    @property
    def printing(self) -> bool:
        """Output of a line has begun to come, and nothing has been typed since."""
        return self._next is None and bool(self._body or self._tail)

    @property
    def rest(self) -> Rest:
        """What the shell seems to wait for. NOTHING also right after typing, until something is heard."""
        if self._inside_long_line or self._wiping or (self._next is not None and not self._heard_since):
            return Rest.NOTHING
        shown = self._tail[self._tail.rfind(b"\r") + 1 :]
        if self._series.prompt.fullmatch(shown):
            return Rest.PROMPT
        return Rest.PAGER if self._series.pager.fullmatch(shown) else Rest.NOTHING

    def type(self, line: str) -> bytes:
        """Begin a line; returns the bytes to send. Only at a prompt, and with no line typed ahead."""
        assert self._next is None
        self._next = line
        self._typed_at = len(self._body)
        self._heard_since = False
        return line.encode("ascii") + b"\r"

    def feed(self, data: bytes) -> list[Event]:
        """What arrived. The same bytes in other pieces give the same events (`quiet` apart)."""
        text = self._escapes.feed(data)
        if not text:
            return []
        self._heard_since = True
        text = self._take_up(self._tail + text)
        end = text.rfind(b"\n") + 1
        lines, self._tail = text[:end], text[end:]
        events: list[Event] = []
        if self._next is not None and (echo := self._find_echo(lines)):
            self._keep(lines[: echo[0]])
            events = self._ended()
            self._begin_next()
            self.echoes = True
            lines = lines[echo[1] :]
        self._keep(lines)
        self._bound_tail()
        return events

    def quiet(self) -> list[Event]:
        """Nothing has come for a while: whatever the shell seems to wait for, it does."""
        match self.rest:
            case Rest.PAGER:
                self._tail = b""
                self._wiping = True
                return [NextPage(self._series.pager_answer)]
            case Rest.PROMPT if self._next is None:
                return self._ended()
            case Rest.PROMPT if not self.echoes:
                return self._ended_without_echo()
            case _:
                return []

    def give_up(self) -> list[Answer]:
        """The session is over or out of time: what is known of the lines under way, in order."""
        seen = bytes(self._body)
        answers = []
        if self._current is not None and self._nothing_but_an_echo_came():
            answers.append(Answer(self._current, seen, self._truncated, complete=True))
            seen = b""
        elif self._current is not None:
            answers.append(
                Answer(self._current, (seen + self._tail)[: self.max_bytes], self._truncated, complete=False)
            )
            seen = b""
        if self._next is not None:
            answers.append(Answer(self._next, self._unechoed(seen), False, complete=False, echoed=False))
        self._current = self._next = None
        return answers

    def _unechoed(self, seen: bytes) -> bytes:
        """What came for the next line without an echo, where none can be relied on yet. Half an echo is not that."""
        assert self._next is not None
        if self.echoes or not self._heard_since:
            return b""
        text = self._without_prompt(seen[self._typed_at :] + self._tail)
        return b"" if self._next.encode("ascii").startswith(text.rstrip(b"\r")) else text

    def _nothing_but_an_echo_came(self) -> bool:
        """A next line was typed at a prompt, and so far nothing says that it was none."""
        if self._next is None or len(self._body) != self._typed_at:
            return False
        tail = self._tail.rstrip(b"\r")  # of the echo's own end, which is not whole yet
        shown = tail[tail.rfind(b"\r") + 1 :]
        prompt = self._series.prompt.match(shown)
        return prompt is not None and self._next.encode("ascii").startswith(shown[prompt.end() :])

    def _without_prompt(self, text: bytes) -> bytes:
        prompt = self._series.prompt.match(text)
        return text[prompt.end() :] if prompt else text

    def _take_up(self, text: bytes) -> bytes:
        """The text from a line's start on: the pager's wipe is gone, the rest of an overlong line is in the body."""
        if self._wiping and not _WIPE_BEGINNING.fullmatch(text):
            wipe = _WIPE.match(text)
            text = text[wipe.end() :] if wipe else text
            self._wiping = False
        if self._inside_long_line and b"\n" in text:
            end = text.index(b"\n") + 1
            self._keep(text[:end])
            text = text[end:]
            self._inside_long_line = False
        return text

    def _bound_tail(self) -> None:
        if self._inside_long_line or len(self._tail) > _LONGEST_TAIL:
            self._keep(self._tail)
            self._tail = b""
            self._inside_long_line = True

    def _find_echo(self, lines: bytes) -> tuple[int, int] | None:
        """Where a prompt followed by the next line's text stands in these whole lines: (its start, after its end)."""
        assert self._next is not None
        typed = self._next.encode("ascii")
        at = lines.find(typed)
        while at >= 0:
            start = max(lines.rfind(b"\n", 0, at), lines.rfind(b"\r", 0, at)) + 1
            prompt = self._series.prompt.match(lines[start:at])
            after = _LINE_END.match(lines, at + len(typed))
            if prompt and after and not lines[start + prompt.end() : at].strip(b" "):
                return start, after.end()
            at = lines.find(typed, at + 1)
        return None

    def _keep(self, data: bytes) -> None:
        room = self.max_bytes - len(self._body)
        self._truncated |= len(data) > room
        self._body += data[:room] if len(data) > room else data

    def _begin_next(self) -> None:
        self._current, self._next = self._next, None
        self._body = bytearray()
        self._truncated = False

    def _ended(self) -> list[Event]:
        """The current line has ended; the prompt stays in the tail, for the next line's echo."""
        if self._current is None:
            return []
        answer = Answer(self._current, bytes(self._body), self._truncated, complete=True)
        self._current = None
        self._body = bytearray()
        self._truncated = False
        return [answer]

    def _ended_without_echo(self) -> list[Event]:
        """The prompt rests again, and the echo of the line never came: its output begins where it was typed."""
        before, after = bytes(self._body[: self._typed_at]), bytes(self._body[self._typed_at :])
        self._body = bytearray(before)
        events = self._ended()
        self._begin_next()
        self._body += self._without_prompt(after)
        return events + self._ended()
