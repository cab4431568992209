"""Keys in, lines out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.shell.lines import MAX_LINE, Key, LineEditor


def _type(editor: LineEditor, keys: bytes) -> list[tuple[Key | None, str]]:
    waiting = bytearray(keys)
    typed = []
    while waiting:
        came = editor.take(waiting)
        typed.append((came.key, came.text))
    return typed


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (b"show log\r", "show log"),
        (b"show lox\x7fg\r", "show log"),
        (b"show loxx\x08\x08g\r", "show log"),
        (b"nonsense\x15show log\r", "show log"),
        (b"show system\x17log\r", "show log"),
        (b"show log\x1b[C\r", "show log"),
        (b"sho\tlog\r", "show log"),
    ],
)
def test_editing_keys(keys, line):
    editor = LineEditor(lambda begun: "w " if begun == "sho" else "")

    assert _type(editor, keys) == [(Key.LINE, line)]


def test_arrow_keys_walk_through_what_was_typed_before():
    editor = LineEditor(lambda _: "")
    _type(editor, b"first\rsecond\r")

    assert _type(editor, b"\x1b[A\x1b[A\r") == [(Key.LINE, "first")]
    assert _type(editor, b"\x1b[A\x1b[A\x1b[A\x1b[B\r") == [(Key.LINE, "second")]


def test_question_mark_asks_for_help_and_keeps_the_line():
    editor = LineEditor(lambda _: "")

    assert _type(editor, b"show ?") == [(Key.HELP, "show ")]
    assert editor.shown == b"show "
    assert _type(editor, b"log\r") == [(Key.LINE, "show log")]


def test_question_mark_inside_quotes_is_text():
    assert _type(LineEditor(lambda _: ""), b'hostname "what?"\r') == [(Key.LINE, 'hostname "what?"')]


def test_interrupt_drops_the_line_and_end_of_input_counts_only_on_an_empty_one():
    editor = LineEditor(lambda _: "")

    assert _type(editor, b"half\x03") == [(Key.INTERRUPT, "")]
    assert _type(editor, b"x\x04\r") == [(Key.LINE, "x")]
    assert _type(editor, b"\x04") == [(Key.END, "")]


def test_line_takes_no_more_than_its_limit():
    assert _type(LineEditor(lambda _: ""), b"x" * (MAX_LINE + 10) + b"\r") == [(Key.LINE, "x" * MAX_LINE)]


def test_hidden_line_is_not_echoed():
    editor = LineEditor(lambda _: "")
    editor.hidden = True

    assert editor.take(bytearray(b"secret\r")).echo == b""


@given(st.lists(st.binary(max_size=8), max_size=20))
def test_cutting_the_keys_elsewhere_changes_nothing(pieces):
    whole, cut = LineEditor(lambda _: ""), LineEditor(lambda _: "")

    expected = [typed for typed in _type(whole, b"".join(pieces)) if typed[0]]
    got = [typed for piece in pieces for typed in _type(cut, piece) if typed[0]]

    assert got == expected
