"""Parsers meet texts that nobody composed for them: a whole fleet's, other commands', garbage, and many at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.adapter import Adapter
from agent.generate import Recipe, generate
from agent.inventory import Row
from agent.lifecycle import Event
from agent.shell.commands import Shell
from controller.series import ALL, Command, Series, Unparsable, by_name, fields

NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
PARSED = [(series, command) for series in ALL for command in series.commands if command.parse]
FLEET = list(generate(Recipe(45, contracts=1, stock=5)))
ARGUMENTS = {
    "show status route dynamic bgp neighbor": "192.0.2.2",
    "ping": "198.51.100.7 count 2",
    "ping6": "2001:db8::1",
    "traceroute": "198.51.100.7",
}
GARBAGE = [
    "lorem ipsum dolor sit amet",
    "% unknown command: show system",
    "Error: permission denied",
    "# ",
    "--More--",
    "<html><body>Login</body></html>",
    "\x00\x01\x02\ufffd\ufffd",
    "1 2 3 4 5 6 7",
    "a: b\nc",
]


def identity(value: object) -> str:
    return value.name if isinstance(value, Series | Command) else repr(value)[:20]


def in_service(row: Row) -> Adapter:
    adapter = Adapter(row, 1, clock=lambda: NOW)
    adapter.forget()
    for event in (Event.POWER_ON, Event.APPLIED, Event.CHECKED):
        adapter.happen(event)
    adapter.apply(row.config.encode())
    return adapter


@pytest.mark.parametrize("row", FLEET, ids=lambda row: row.serial)
def test_whatever_an_emulated_adapter_prints_is_parsed(row: Row) -> None:
    shell, series = Shell(in_service(row)), by_name(row.series)

    for command in series.commands:
        if command.parse and (not command.models or row.model in command.models):
            text = shell.run(f"{command.name} {ARGUMENTS.get(command.name, '')}").text
            masked, _ = series.mask(text.encode("latin-1"))  # what is stored, and so what is parsed
            fields(command, masked.decode("utf-8"))


@pytest.mark.parametrize(("series", "command"), PARSED, ids=identity)
@pytest.mark.parametrize("text", GARBAGE, ids=identity)
def test_garbage_is_unparsable_and_says_where(series: Series, command: Command, text: str) -> None:
    with pytest.raises(Unparsable, match=r"^(show|ping|traceroute)[a-z0-9 -]*: ") as raised:
        fields(command, text)

    assert str(raised.value).isprintable()
    assert raised.value.sentence.params["what"] in str(raised.value)


@pytest.mark.parametrize(("series", "command"), PARSED, ids=identity)
def test_an_error_line_of_the_adapter_is_never_a_result(series: Series, command: Command) -> None:
    adapter = in_service(next(row for row in FLEET if row.series == series.name))

    with pytest.raises(Unparsable):
        fields(command, Shell(adapter).run("show nonsense").text)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_output_is_parsed_or_unparsable_and_nothing_else(data: st.DataObject) -> None:
    series, command = data.draw(st.sampled_from(PARSED))
    path = Path(__file__).parent / "recordings" / series.name / f"{command.name.replace(' ', '_')}.txt"
    text = path.read_text(encoding="utf-8")
    start, end = (data.draw(st.integers(0, len(text))) for _ in range(2))
    damaged = text[:start] + data.draw(st.text(max_size=8)) + text[end:]

    try:
        found = fields(command, damaged)
    except Unparsable as error:
        assert error.line <= damaged.count("\n") + 1
    else:
        json.dumps(found, allow_nan=False).encode("utf-8")


def test_threads_share_a_parser() -> None:
    command = next(command for command in by_name("seil3").commands if command.name == "show status route")
    heading = "Destination        Gateway            Interface Flags  Dist.\n"
    texts = [heading + f"10.{number}.0.0/16  lan0  lan0  C*  {number}\n" * 20 for number in range(40)]

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(partial(fields, command), texts))

    assert together == [fields(command, text) for text in texts]


def test_a_parser_that_failed_starts_afresh() -> None:
    command = next(command for command in by_name("seil3").commands if command.name == "show status interface")
    good = "interface lan0:\n  Link    : up\n"

    with pytest.raises(Unparsable):
        fields(command, "interface lan9:\n  Link    : up\n  %%\n")

    assert [row["name"] for row in fields(command, good)] == ["lan0"]
