"""Nothing but declared words with valid arguments ever passes: whatever else people or programs put into a line."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.series import ALL, Argument, Command, Series

NASTY = (
    "\n", "\r", "\r\n", "\x00", "\x08", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\u200b", "\u00a0",
    "\u3000", "\ufeff", ";", "|", "&", "&&", "`", "$", "$(x)", "<", ">", "'", '"', "\\", "*", "?", "~", "#", "!", "{",
    "}", "(", ")", "[", "]", "=", ",", "%", "@", "^", "+", "é", "あ", "１", "\U0001f600", "\udcff",
)  # fmt: skip
VALID = {
    "address": "192.0.2.1", "neighbor": "192.0.2.2", "interface": "lan0", "packets": "3", "function": "sshd",
    "which": "running", "mode": "smfv2", "where": "remote", "account": "admin", "algorithm": "md5",
    "compatibility": "on", "pager": "off", "columns": "80", "rows": "24", "timer": "300",
}  # fmt: skip
EVERY = [(series, command) for series in ALL for command in series.commands]
WITH_ARGUMENTS = [(series, command) for series, command in EVERY if command.arguments]


def word(command: Command, argument: Argument) -> str:
    choices = [VALID[argument.name], "2001:db8::1", "flashrom"]
    return next(choice for choice in choices if argument.accepts(choice))


def line_of(command: Command, *, last: str | None = None) -> str:
    """The command with all its arguments, the last one's word replaced."""
    words = [command.name]
    for argument in command.arguments:
        words += [argument.keyword] if argument.keyword else []
        words.append(word(command, argument))
    return " ".join(words if last is None else [*words[:-1], last])


@pytest.mark.parametrize(("series", "command"), EVERY, ids=lambda value: getattr(value, "name", ""))
def test_every_command_passes_with_all_its_arguments(series: Series, command: Command) -> None:
    assert series.find(line_of(command)) is command


@pytest.mark.parametrize(("series", "command"), EVERY, ids=lambda value: getattr(value, "name", ""))
def test_no_nasty_character_passes_anywhere_in_any_command(series: Series, command: Command) -> None:
    line = line_of(command)
    for nasty in NASTY:
        for spoilt in (line + nasty, nasty + line, line + nasty + "reboot", line.replace(" ", nasty, 1) + nasty):
            assert series.find(spoilt) is None, repr(spoilt)
        assert series.find(f"{line} {nasty}") is None


@pytest.mark.parametrize(("series", "command"), WITH_ARGUMENTS, ids=lambda value: getattr(value, "name", ""))
def test_one_more_word_or_a_long_one_is_no_argument(series: Series, command: Command) -> None:
    assert series.find(f"{line_of(command)} more") is None
    assert series.find(line_of(command, last="a" * 2000)) is None
    assert series.find(line_of(command, last="1" * 40)) is None
    assert series.find(line_of(command, last="../../etc")) is None
    assert series.find(line_of(command, last="-f")) is None


@pytest.mark.parametrize(("series", "command"), WITH_ARGUMENTS, ids=lambda value: getattr(value, "name", ""))
def test_a_required_argument_cannot_be_left_out(series: Series, command: Command) -> None:
    if not command.arguments[0].optional:
        assert series.find(command.name) is not command


HARMLESS = set(string.ascii_letters + string.digits + "_.:/- ")


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(EVERY), st.text(max_size=30), st.integers(0, 40))
@example((ALL[0], ALL[0].commands[0]), "\n", 11)
def test_whatever_is_put_into_a_line_only_harmless_words_pass(
    drawn: tuple[Series, Command], text: str, at: int
) -> None:
    series, command = drawn
    line = line_of(command)
    for tried in (line[:at] + text + line[at:], f"{line} {text}", line_of(command, last=text), text):
        if series.find(tried):
            assert set(tried) <= HARMLESS and len(tried) <= 2046
            assert tried == " ".join(tried.split())


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_an_address_is_an_address(text: str) -> None:
    from ipaddress import ip_address

    for series in ALL:
        if series.find(f"ping {text}"):
            assert ip_address(text.split(" ")[0])
