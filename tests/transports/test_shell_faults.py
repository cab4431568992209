"""Everything that goes wrong between an adapter and the shell's state machine, all of it at once, cut anywhere."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.transports.ssh.shell import Answer, Event, NextPage, Rest, Shell
from tests.transports.shell_device import (
    LINES,
    SEIL8,
    Device,
    answered,
    bodies_of_lines,
    converse,
    cuts,
    noise,
    plain_bodies,
)

pages = st.integers(0, 4)
wipes = st.sampled_from([b"", b"\r        \r", b"\r\x1b[K", b"\x08" * 8 + b" " * 8 + b"\x08" * 8])


class Noisy(Device):
    """Sends escape sequences between any two bytes of whatever it sends: echo, output, pager text and prompt."""

    def __init__(self, bodies: dict[str, list[bytes]], places: list[tuple[int, bytes]], page: int, wipe: bytes) -> None:
        super().__init__(bodies, page=page, wipe=wipe)
        self._places = places
        self._receive_all(b"")

    def receive(self, data: bytes) -> None:
        before = bytes(self.out)
        super().receive(data)
        said = self.out[len(before) :]
        self.out = bytearray(before)
        self._receive_all(bytes(said))

    def _receive_all(self, said: bytes) -> None:
        for place, sequence in sorted(self._places, reverse=True):
            if place < len(said) and said[place : place + 1] not in b"\x1b[K":  # not into one of its own sequences
                said = said[:place] + sequence + said[place:]
        self.out += said


@settings(deadline=None)
@given(bodies_of_lines, st.lists(st.tuples(st.integers(0, 60), noise), max_size=10), cuts, pages, wipes)
def test_escape_noise_between_any_two_bytes_of_any_page_changes_nothing(
    bodies: dict[str, list[bytes]], places: list[tuple[int, bytes]], cuts: list[int], page: int, wipe: bytes
) -> None:
    assert converse(Noisy(bodies, places, page, wipe), LINES, cuts) == answered(bodies, LINES)


@settings(deadline=None)
@given(bodies_of_lines, st.integers(1, 4), wipes)
def test_a_pager_that_comes_byte_by_byte_leaves_no_trace(
    bodies: dict[str, list[bytes]], page: int, wipe: bytes
) -> None:
    assert converse(Device(bodies, page=page, wipe=wipe), LINES, [1] * 20_000) == answered(bodies, LINES)


@settings(deadline=None)
@given(plain_bodies, cuts, pages, wipes)
def test_a_device_without_echo_is_paged_through_too(
    bodies: dict[str, list[bytes]], cuts: list[int], page: int, wipe: bytes
) -> None:
    device = Device(bodies, page=page, wipe=wipe, echo=False)
    shell, answers, sizes = Shell(SEIL8, max_bytes=1 << 20), [], deque(cuts)
    for line in (None, *LINES):
        if line:
            device.receive(shell.type(line))
        while device.out or shell.rest is Rest.PAGER:
            size = sizes.popleft() if sizes else max(len(device.out), 1)
            shell.feed(bytes(device.out[:size]))
            del device.out[:size]
            if not device.out:
                for event in shell.quiet():
                    if isinstance(event, NextPage):
                        device.receive(event.key)
                    else:
                        answers.append(event)

    assert [(answer.line, answer.body.removeprefix(b"\r\n")) for answer in answers] == [
        (line, b"".join(bodies[line])) for line in LINES
    ]


@settings(deadline=None)
@given(plain_bodies, cuts)
def test_a_pause_anywhere_but_at_a_prompt_or_pager_ends_nothing(
    bodies: dict[str, list[bytes]], cuts: list[int]
) -> None:
    """However slowly the bytes come: the clock says `quiet` after each piece."""
    device, shell, sizes = Device(bodies), Shell(SEIL8, max_bytes=1 << 20), deque([1] * 30 + cuts)
    answers: list[Event] = []
    for line in (None, *LINES):
        if line:
            device.receive(shell.type(line))
        while device.out:
            size = sizes.popleft() if sizes else 3
            answers += shell.feed(bytes(device.out[:size]))
            del device.out[:size]
            answers += shell.quiet()

    assert answers == answered(bodies, LINES)


@settings(deadline=None)
@given(bodies_of_lines, st.integers(0, 400), cuts)
def test_a_device_that_hangs_up_anywhere_leaves_whole_answers_and_one_beginning(
    bodies: dict[str, list[bytes]], lives: int, cuts: list[int]
) -> None:
    """It logs out by itself after any byte: nothing is invented, nothing that came is lost, and no end is claimed."""
    device, shell, sizes = Device(bodies), Shell(SEIL8, max_bytes=1 << 20), deque(cuts)
    waiting, answers = deque(LINES), list[Answer]()
    while lives and device.out:
        size = min(sizes.popleft() if sizes else 7, lives)
        answers += [event for event in shell.feed(bytes(device.out[:size])) if isinstance(event, Answer)]
        lives -= len(device.out[:size])
        del device.out[:size]
        if waiting and not device.out and shell.rest is Rest.PROMPT and not shell.awaits_echo:
            device.receive(shell.type(waiting.popleft()))
    answers += shell.give_up()

    wanted = answered(bodies, LINES)
    ended = [answer for answer in answers if answer.complete]
    assert ended == wanted[: len(ended)]
    for answer, whole in zip(answers[len(ended) :], wanted[len(ended) :], strict=False):
        assert answer.line == whole.line
        assert (whole.body + b"# ").startswith(answer.body)


@pytest.mark.parametrize("size", [511, 4_096, 65_537])
def test_a_mebibyte_that_is_no_text_comes_whole_in_pieces_of_any_size(size: int) -> None:
    body = (b"\xff\xfe# \x80 binary\r\n" * 100_000)[: (1 << 20) - 2] + b"\r\n"

    assert converse(Device({"show log": [body]}), ("show log",), [size] * (len(body) // size + 1)) == [
        Answer("show log", body, truncated=False, complete=True)
    ]
