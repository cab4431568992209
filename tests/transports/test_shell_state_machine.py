"""The shell's state machine against a device that prints anything, cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.transports.ssh.shell import Answer, Rest, Shell
from tests.transports.shell_device import (
    LINES,
    SEIL8,
    Device,
    answered,
    bodies_of_lines,
    converse,
    converse_slowly,
    cuts,
    noise,
    plain_bodies,
)


@settings(deadline=None)
@given(bodies_of_lines, cuts)
def test_any_cut_of_the_stream_gives_the_same_answers(bodies: dict[str, list[bytes]], cuts: list[int]) -> None:
    assert converse(Device(bodies), LINES, cuts, hasty=True) == answered(bodies, LINES)


@settings(deadline=None)
@given(bodies_of_lines)
def test_one_byte_at_a_time_gives_the_same_answers(bodies: dict[str, list[bytes]]) -> None:
    assert converse(Device(bodies), LINES, [1] * 20_000, hasty=True) == answered(bodies, LINES)


@settings(deadline=None)
@given(
    bodies_of_lines,
    cuts,
    st.integers(1, 4),
    st.sampled_from([b"", b"\r        \r", b"\r\x1b[K", b"\x08" * 8 + b" " * 8 + b"\x08" * 8]),
)
def test_the_pager_is_answered_wherever_it_stops_and_leaves_no_trace(
    bodies: dict[str, list[bytes]], cuts: list[int], page: int, wipe: bytes
) -> None:
    device = Device(bodies, page=page, wipe=wipe)

    assert converse(device, LINES, cuts) == answered(bodies, LINES)
    assert device.pages_asked == sum((len(body) - 1) // page for body in bodies.values() if body)


@settings(deadline=None)
@given(bodies_of_lines, cuts, st.lists(st.tuples(st.sampled_from(LINES), st.integers(0, 7), noise), max_size=12))
def test_escape_noise_is_gone_and_nothing_else_is(
    bodies: dict[str, list[bytes]], cuts: list[int], places: list[tuple[str, int, bytes]]
) -> None:
    noisy = {line: list(body) for line, body in bodies.items()}
    for line, index, sequence in places:
        if index < len(noisy[line]):
            noisy[line][index] = sequence + noisy[line][index]

    assert converse(Device(noisy), LINES, cuts, hasty=True) == answered(bodies, LINES)


@settings(deadline=None)
@given(plain_bodies, cuts)
def test_a_device_that_does_not_echo_is_understood_by_its_resting_prompts(
    bodies: dict[str, list[bytes]], cuts: list[int]
) -> None:
    silent = {line: [b"\r\n", *body] for line, body in bodies.items()}  # what it prints for the typed return
    device = Device(silent, echo=False)

    assert [answer.body.removeprefix(b"\r\n") for answer in converse_slowly(device, cuts)] == [
        b"\r\n" + b"".join(bodies[line]) for line in LINES
    ]


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(1, 20), max_size=60))
def test_garbage_raises_nothing_and_stays_bounded(garbage: bytes, cuts: list[int]) -> None:
    shell = Shell(SEIL8, max_bytes=64)
    shell.feed(b"# ")
    shell.type("show log")
    at = 0
    for size in [*cuts, len(garbage)]:
        shell.feed(garbage[at : at + size])
        shell.quiet()
        at += size

    for answer in shell.give_up():
        assert len(answer.body) <= 64 + 4096


# ---------------------------------------------------------------- one by one


def at_prompt(*, max_bytes: int = 1 << 20) -> Shell:
    shell = Shell(SEIL8, max_bytes)
    shell.feed(b"welcome\r\n# ")
    assert shell.rest is Rest.PROMPT
    return shell


def test_a_line_is_sent_with_a_carriage_return() -> None:
    assert at_prompt().type("show log") == b"show log\r"


def test_the_body_is_what_stands_between_echo_and_prompt_byte_for_byte() -> None:
    shell = at_prompt()
    shell.type("show log")

    shell.feed(b"show log\r\n\r\n  a\xff\x00\tb \r\n\r\n# ")

    assert shell.quiet() == [Answer("show log", b"\r\n  a\xff\x00\tb \r\n\r\n", truncated=False, complete=True)]


def test_a_command_that_prints_nothing_has_an_empty_body() -> None:
    shell = at_prompt()
    shell.type("clear arp")

    shell.feed(b"clear arp\r\n# ")

    assert shell.quiet() == [Answer("clear arp", b"", truncated=False, complete=True)]


def test_a_prompt_inside_a_line_is_none() -> None:
    shell = at_prompt()
    shell.type("show log")

    shell.feed(b"show log\r\ncost: # ")

    assert shell.rest is Rest.NOTHING
    assert shell.quiet() == []


def test_output_that_quotes_the_next_line_does_not_end_the_answer() -> None:
    shell = at_prompt()
    shell.type("show log")
    shell.feed(b"show log\r\n# ")
    shell.type("show system")

    assert shell.feed(b"typed before:\r\nshow system\r\nx# show system\r\n# show systems\r\n") == []
    assert shell.feed(b"# show system\r\n") != []


def test_a_host_name_before_the_sign_makes_it_no_prompt() -> None:
    shell = Shell(SEIL8, 1 << 20)
    shell.feed(b"branch-a# ")

    assert shell.rest is Rest.NOTHING


def test_right_after_typing_the_old_prompt_counts_no_more() -> None:
    shell = at_prompt()
    shell.type("show log")

    assert shell.rest is Rest.NOTHING
    assert shell.quiet() == []


def test_a_slow_echo_is_waited_for_once_the_device_is_known_to_echo() -> None:
    shell = at_prompt()
    shell.type("show log")
    shell.feed(b"show log\r\nfirst\r\n# ")
    shell.type("show system")
    shell.feed(b"look-alike above\r\n# ")

    assert shell.quiet() == []
    assert shell.feed(b"show system\r\n") == [
        Answer("show log", b"first\r\n# look-alike above\r\n", truncated=False, complete=True)
    ]


def test_output_over_the_limit_is_cut_marked_and_read_to_its_end() -> None:
    shell = at_prompt(max_bytes=1 << 20)
    shell.type("show log")
    shell.feed(b"show log\r\n")
    for _ in range(3000):
        shell.feed(b"0123456789abcdef" * 64 + b"\r\n")
    shell.feed(b"# ")

    (answer,) = shell.quiet()

    assert isinstance(answer, Answer)
    assert answer.truncated
    assert answer.complete
    assert len(answer.body) == 1 << 20
    assert answer.body.startswith(b"0123456789abcdef" * 64 + b"\r\n0123")


def test_the_next_answer_after_a_cut_one_is_whole() -> None:
    shell = at_prompt(max_bytes=4)
    shell.type("show log")
    shell.feed(b"show log\r\n0123456789\r\n# ")
    shell.type("show system")

    events = shell.feed(b"show system\r\nab\r\n# ") + shell.quiet()

    assert events == [
        Answer("show log", b"0123", truncated=True, complete=True),
        Answer("show system", b"ab\r\n", truncated=False, complete=True),
    ]


def test_a_line_without_end_is_read_in_linear_time() -> None:
    shell = at_prompt()
    shell.type("show log")
    shell.feed(b"show log\r\n")
    for _ in range(400_000):  # minutes, if each byte were searched together with all before it
        shell.feed(b"x")
    shell.feed(b"\r\n# ")

    (answer,) = shell.quiet()

    assert isinstance(answer, Answer)
    assert answer.body == b"x" * 400_000 + b"\r\n"


def test_a_lost_session_keeps_what_was_printed() -> None:
    shell = at_prompt()
    shell.type("show log")
    shell.feed(b"show log\r\nline 1\r\nlin")

    assert shell.give_up() == [Answer("show log", b"line 1\r\nlin", truncated=False, complete=False)]


@pytest.mark.parametrize("echoed", [b"", b"show sy", b"show system", b"show system\r"])
def test_a_session_lost_right_after_the_next_line_was_typed_has_the_line_before_complete(echoed: bytes) -> None:
    shell = at_prompt()
    shell.type("show log")
    shell.feed(b"show log\r\nline 1\r\n# ")
    shell.type("show system")
    shell.feed(echoed)

    assert shell.give_up() == [
        Answer("show log", b"line 1\r\n", truncated=False, complete=True),
        Answer("show system", b"", truncated=False, complete=False, echoed=False),
    ]


def test_a_session_lost_in_the_middle_of_output_after_a_look_alike_has_no_complete_line() -> None:
    shell = at_prompt()
    shell.type("show log")
    shell.feed(b"show log\r\nline 1\r\n# ")
    shell.type("show system")
    shell.feed(b"more of line 2\r\nli")

    assert shell.give_up() == [
        Answer("show log", b"line 1\r\n# more of line 2\r\nli", truncated=False, complete=False),
        Answer("show system", b"", truncated=False, complete=False, echoed=False),
    ]


@pytest.mark.parametrize("echoed", [b"s", b"show log", b"show log\r"])
def test_half_an_echo_before_the_connection_was_lost_is_no_output(echoed: bytes) -> None:
    shell = at_prompt()
    shell.type("show log")
    shell.feed(echoed)

    assert shell.give_up() == [Answer("show log", b"", truncated=False, complete=False, echoed=False)]


def test_an_echo_that_never_came_still_keeps_what_was_printed() -> None:
    shell = at_prompt()
    shell.type("show log")
    shell.feed(b"\r\nline 1\r\nlin")

    assert shell.give_up() == [Answer("show log", b"\r\nline 1\r\nlin", truncated=False, complete=False, echoed=False)]
