"""What is printed: for people in JST and harmless, for programs as JSON, in pipes one line a row."""

import io
import json

import pytest

from controller.cli.output import Column, Output, plain, show

ROWS = [{"code": "tss00000001", "at": "2026-11-22T00:15:00Z", "note": None, "open": True, "n": 7}]
COLUMNS = [
    Column("Code", "code"),
    Column("At", "at"),
    Column("Note", "note"),
    Column("Open", "open"),
    Column("Twice", lambda row: row["n"] * 2, right=True),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(*, json: bool = False, terminal: bool = False) -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    return Output(json=json, out=out, err=err), out, err


def test_a_table_shows_times_in_jst_with_the_zone():
    output, out, _ = printed()
    output.table(ROWS, COLUMNS)

    head, row = out.getvalue().splitlines()
    assert head.split() == ["Code", "At", "Note", "Open", "Twice"]
    assert row.split() == ["tss00000001", "2026-11-22", "09:15:00", "JST", "-", "yes", "14"]


def test_json_keeps_times_as_they_are_stored():
    output, out, _ = printed(json=True)
    output.table(ROWS, COLUMNS)

    assert json.loads(out.getvalue()) == ROWS


def test_in_a_pipe_a_row_is_one_line_however_long_it_is():
    output, out, _ = printed()
    output.table([{"code": "x" * 5000}], COLUMNS[:1])

    assert len(out.getvalue().splitlines()) == 2


def test_no_rows_are_an_empty_list_for_programs_and_a_remark_for_people():
    output, out, err = printed()
    output.table([], COLUMNS)
    as_json, json_out, _ = printed(json=True)
    as_json.table([], COLUMNS)

    assert (out.getvalue(), err.getvalue()) == ("", "Nothing to show.\n")
    assert json.loads(json_out.getvalue()) == []


@pytest.mark.parametrize("terminal", [False, True])
def test_text_from_elsewhere_cannot_steer_the_terminal(terminal: bool):
    nasty = "a\x1b[2Jb\x07c\u202ed[bold]e"
    output, out, err = printed(terminal=terminal)
    output.table([{"code": nasty}], COLUMNS[:1])
    output.say(nasty)
    output.text(nasty)
    output.note(nasty)

    everything = out.getvalue() + err.getvalue()
    assert "\x1b[2J" not in everything
    assert "\x07" not in everything
    assert "\u202e" not in everything
    assert everything.count("\\x1b[2Jb\\x07c") == 4
    assert "[bold]" in everything


def test_with_json_sentences_and_remarks_are_left_out():
    output, out, err = printed(json=True)
    output.say("done")
    output.note("by the way")
    output.text("lines")

    assert (out.getvalue(), err.getvalue()) == ("", "")


def test_a_progress_bar_goes_to_stderr_and_only_where_a_person_watches():
    for terminal in (True, False):
        output, out, err = printed(terminal=terminal)
        with output.progress("collecting", 3) as advance:
            advance(3)

        assert out.getvalue() == ""
        assert ("collecting" in err.getvalue()) is terminal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (0, "0"),
        (False, "no"),
        ([], "-"),
        (["a", None, 2], "a, -, 2"),
        ("2026-11-22T00:15:00+00:00", "2026-11-22 09:15:00 JST"),
        ("2026-12-31T15:00:00.123456Z", "2027-01-01 00:00:00 JST"),
        ("2026-11-22T00:15:00", "2026-11-22T00:15:00"),
        ("2026-11-22Tnot a time at all", "2026-11-22Tnot a time at all"),
        ("2026-11-22", "2026-11-22"),
    ],
)
def test_values_are_shown_as_people_read_them(value: object, text: str):
    assert show(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (["show log", "拠点"], '["show log", "拠点"]'),
        ({"open": True, "n": 1}, '{"open": true, "n": 1}'),
        ("as it is", "as it is"),
        ("\x1b[2J", "\\x1b[2J"),
    ],
)
def test_a_value_of_whatever_shape_is_shown_as_json_and_not_as_python(value: object, text: str):
    assert plain(value) == text
