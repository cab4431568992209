"""A device for the shell's state machine: no sockets and no clock, only what it prints and what it is sent."""

from __future__ import annotations

from collections import deque

from hypothesis import strategies as st

from controller.series import by_name
from controller.transports.ssh.shell import Answer, Event, NextPage, Rest, Shell

SEIL8 = by_name("seil8")
LINES = ("show system", "show log", "show status arp")

# ---------------------------------------------------------------- a device with a line editor and a pager


class Device:
    """Prints a greeting and a prompt; reads a line only at its prompt, echoes it, prints its body page by page."""

    def __init__(self, bodies: dict[str, list[bytes]], *, page: int = 0, wipe: bytes = b"", echo: bool = True) -> None:
        self.out = bytearray(b"Last login: yesterday\r\n\r\n# ")
        self._bodies = bodies
        self._page, self._wipe, self._echo = page, wipe, echo
        self._typed = bytearray()
        self._rest: deque[bytes] = deque()
        self._paging = False
        self.pages_asked = 0

    def receive(self, data: bytes) -> None:
        self._typed += data
        while self._paging or b"\r" in self._typed:
            if self._paging:
                if not self._typed:
                    return
                del self._typed[:1]
                self._paging = False
                self.pages_asked += 1
                self.out += self._wipe
            else:
                line, _, rest = bytes(self._typed).partition(b"\r")
                self._typed = bytearray(rest)
                self.out += (line if self._echo else b"") + b"\r\n"
                self._rest = deque(self._bodies.get(line.decode().strip(), []))
            self._print_page()

    def _print_page(self) -> None:
        for _ in range(self._page or len(self._rest)):
            if self._rest:
                self.out += self._rest.popleft()
        if self._rest:
            self.out += b"--More--"
            self._paging = True
        else:
            self.out += b"# "


def converse(device: Device, lines: tuple[str, ...], cuts: list[int], *, hasty: bool = False) -> list[Answer]:
    """Type the lines and deliver the device's output, cut as told.

    hasty: type as soon as a prompt is the last thing received, even in the middle of output. A pager would take the
    first character of such a line for its key, so with one, as in the engine, a prompt must have come to rest.
    """
    shell = Shell(SEIL8, max_bytes=1 << 20)
    waiting = deque(lines)
    sizes = deque(cuts)
    answers: list[Answer] = []
    for _ in range(100_000):
        events: list[Event] = []
        if device.out:
            size = sizes.popleft() if sizes else len(device.out)
            events = shell.feed(bytes(device.out[:size]))
            del device.out[:size]
        elif not (waiting and shell.rest is Rest.PROMPT):
            events = shell.quiet()
            if not events:
                return answers
        for event in events:
            if isinstance(event, NextPage):
                device.receive(event.key)
            else:
                answers.append(event)
        if waiting and shell.rest is Rest.PROMPT and not shell.awaits_echo and (hasty or not device.out):
            device.receive(shell.type(waiting.popleft()))
    raise AssertionError("the conversation does not end")


def answered(bodies: dict[str, list[bytes]], lines: tuple[str, ...]) -> list[Answer]:
    return [Answer(line, b"".join(bodies[line]), truncated=False, complete=True) for line in lines]


# ---------------------------------------------------------------- what a device may print

look_alikes = st.sampled_from(
    [
        b"# ",
        b"#",
        b"> ",
        b"# show",
        b"# show logs",
        b"show system",
        b"x# show log",
        b"--More--",
        b"#show system #",
        b"",
        b" ",
    ]
)
plain = st.binary(max_size=30).map(lambda data: data.translate(None, b"\n\r\x08\x1b"))
printed_line = st.one_of(plain, look_alikes, st.tuples(look_alikes, plain).map(b"".join)).map(
    lambda line: line + b"\r\n"
)
printed = st.lists(
    printed_line.filter(lambda line: not any(b" ".join([b"#", s.encode()]) in line for s in LINES)), max_size=8
)
bodies_of_lines = st.fixed_dictionaries(dict.fromkeys(LINES, printed))
cuts = st.lists(st.integers(1, 40), max_size=400)
noise = st.sampled_from(
    [b"\x1b[?1h", b"\x1b=", b"\x1b>", b"\x1b[K", b"\x1b(B", b"\x1b]0;title\x07", b"\x1b[0;1m", b"\x1bP1$r\x1b\\"]
)

plain_bodies = st.fixed_dictionaries(
    {line: st.lists(plain.map(lambda text: b"=" + text + b"\r\n"), max_size=6) for line in LINES}
)


def converse_slowly(device: Device, cuts: list[int]) -> list[Answer]:
    """Without an echo to rely on, each line is typed only after the one before came to rest."""
    shell = Shell(SEIL8, max_bytes=1 << 20)
    answers: list[Answer] = []
    sizes = deque(cuts)
    for line in (None, *LINES):
        if line:
            device.receive(shell.type(line))
        while device.out:
            size = sizes.popleft() if sizes else len(device.out)
            assert shell.feed(bytes(device.out[:size])) == []
            del device.out[:size]
        answers += [event for event in shell.quiet() if isinstance(event, Answer)]
    return answers
