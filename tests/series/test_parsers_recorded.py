"""Recordings of what adapters print, each with the values it has: tests/series/recordings/<series>/<command>.txt/.json.

The texts are an emulated adapter's, with secrets masked as they are before anything is stored.
"""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from controller.series import ALL, Command, Unparsable, by_name, fields

RECORDINGS = Path(__file__).parent / "recordings"
TEXTS = sorted(RECORDINGS.glob("*/*.txt"))


def command_of(path: Path) -> Command:
    name = path.stem.replace("_", " ")
    return next(command for command in by_name(path.parent.name).commands if command.name == name)


def identity(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.parametrize("path", TEXTS, ids=identity)
class TestRecording:
    def test_it_has_the_values_it_should(self, path: Path) -> None:
        expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))

        assert fields(command_of(path), path.read_text(encoding="utf-8")) == expected

    def test_line_ends_and_blank_lines_around_it_do_not_matter(self, path: Path) -> None:
        text, command = path.read_text(encoding="utf-8"), command_of(path)

        crlf = "\r\n \r\n" + text.replace("\n", "\r\n") + "\r\n\r\n"
        assert fields(command, crlf) == fields(command, text) == fields(command, text.strip("\n"))

    def test_its_model_is_typed_all_the_way_to_json(self, path: Path) -> None:
        command = command_of(path)
        assert command.parse is not None
        parsed = command.parse(path.read_text(encoding="utf-8"))

        for row in parsed if isinstance(parsed, list) else [parsed]:
            assert is_dataclass(row)
            adapter = TypeAdapter(type(row))
            assert adapter.validate_json(adapter.dump_json(row)) == row

    @pytest.mark.parametrize("intruder", ["%% ?? !!", "Error: unknown command", "\x1b[7m--More--\x1b[m", "x" * 5000])
    @pytest.mark.parametrize("where", ["first", "last"])
    def test_a_line_that_does_not_belong_makes_it_unparsable(self, path: Path, intruder: str, where: str) -> None:
        text = path.read_text(encoding="utf-8")
        text = f"{intruder}\n{text}" if where == "first" else f"{text}\n{intruder}\n"

        with pytest.raises(Unparsable):
            fields(command_of(path), text)


def test_every_parser_has_a_recording() -> None:
    recorded = {(path.parent.name, path.stem.replace("_", " ")) for path in TEXTS}
    parsed = {(series.name, command.name) for series in ALL for command in series.commands if command.parse}

    assert parsed == recorded


def test_a_command_without_parser_has_no_fields() -> None:
    reboot = next(command for command in by_name("seil8").commands if command.name == "reboot")

    assert fields(reboot, "anything") is None
