"""The console without any I/O: nothing that is typed breaks it, and how it is cut into pieces does not matter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.adapter import Adapter
from agent.generate import Recipe, generate
from agent.lifecycle import Event
from agent.shell.commands import Shell
from agent.shell.console import Console, Over, Show
from agent.shell.results import Leave

FAMILIES = ("seil3", "seil8", "seil6")
_ROWS = {row.series: row for row in reversed(list(generate(Recipe(15, contracts=1)))) if row.kind == "entry"}
_WORDS = (
    b"show ",
    b"config",
    b"system",
    b"status ",
    b"\r",
    b"\t",
    b"?",
    b" ",
    b"q",
    b"password",
    b"load-from stdin",
    b".",
)
_KEYS = st.one_of(st.sampled_from(_WORDS), st.binary(max_size=3))


def _console(series: str, rows: int = 5) -> Console:
    adapter = Adapter(_ROWS[series], 1)
    adapter.forget()
    for event in (Event.POWER_ON, Event.APPLIED, Event.CHECKED):
        adapter.happen(event)
    adapter.volatile.running = _ROWS[series].config.encode()
    return Console(Shell(adapter), rows=rows, columns=80)


def _shown(events: list[Show | Over]) -> bytes:
    return b"".join(event.data if isinstance(event, Show) else b"<over>" for event in events)


@pytest.mark.parametrize("series", FAMILIES)
@given(pieces=st.lists(_KEYS, max_size=25))
def test_nothing_typed_breaks_it_and_pieces_do_not_matter(series, pieces):
    whole, cut = _console(series), _console(series)

    expected = _shown(whole.feed(b"".join(pieces)))
    got = b"".join(_shown(cut.feed(piece)) for piece in pieces)

    assert got == expected


def test_help_lists_what_may_follow_and_brings_the_line_back():
    shown = _shown(_console("seil8", rows=0).feed(b"show status ?"))

    assert b"\r\n  arp\r\n  bridge\r\n" in shown
    assert shown.endswith(b"# show status ")


def test_tab_completes_a_word_that_can_be_only_one():
    assert _shown(_console("seil8").feed(b"sho\tsy\t")) == b"show system "


def test_interrupt_begins_a_new_line():
    assert _shown(_console("seil8").feed(b"show sys\x03")).endswith(b"^C\r\n\x1b[?1h\x1b=# ")


def test_interrupt_leaves_the_pager():
    console = _console("seil8")
    assert _shown(console.feed(b"show config\r")).endswith(b"--More--\x1b[m")

    assert _shown(console.feed(b"\x03")).endswith(b"# ")


def test_end_of_input_leaves():
    assert _console("seil3").feed(b"\x04") == [Over(Leave.EXIT)]


def test_after_exit_nothing_is_heard():
    console = _console("seil3")
    console.feed(b"exit\rshow system\r")

    assert console.feed(b"show system\r") == []


def test_line_that_wraps_counts_for_each_row_it_takes():
    console = _console("seil3", rows=3)
    console.feed(b"environment terminal column 20\r")

    page = _shown(console.feed(b"show config\r")).partition(b"\r\n")[2]

    assert page.startswith(b'hostname "')
    assert page.count(b"\r\n") <= 2
