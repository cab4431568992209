"""What a file of pairs may say by itself: every fault is told with its line, and one refuses the file."""

from __future__ import annotations

import io

import pytest

from controller.domain.bulk_exchange import MAX_ROWS, Pair
from controller.domain.bulk_exchange_file import REPORTED, Reading, read_csv, read_json


def csv_file(text: str | bytes) -> Reading:
    body = text if isinstance(text, bytes) else text.encode()
    return read_csv(io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", newline=""))


def told(reading: Reading) -> list[tuple[int | None, str, str]]:
    return [(fault.line, fault.field, str(fault)) for fault in reading.faults]


def test_pairs_are_read_with_their_lines_reasons_and_faults() -> None:
    """R3.10: entry and standby; R3.13: a fault."""
    reading = csv_file("standby,entry,reason,fault\r\nS1,E1,move,\r\n\r\n S2 , E2 ,,LAN dead\r\n")

    assert reading.pairs == [Pair(2, "E1", "S1", "move"), Pair(4, "E2", "S2", "", "LAN dead")]
    assert not reading.faults


@pytest.mark.parametrize("mark", ["", "\N{BYTE ORDER MARK}"])
def test_with_and_without_a_byte_order_mark_and_in_japanese(mark: str) -> None:
    reading = csv_file(f"{mark}entry,standby,reason\nE1,S1,大阪支店の移転\n")

    assert reading.pairs == [Pair(2, "E1", "S1", "大阪支店の移転")]


@pytest.mark.parametrize("encoding", ["shift_jis", "utf-16"])
def test_another_encoding_is_named_as_such(encoding: str) -> None:
    reading = csv_file("entry,standby,reason\nE1,S1,移転\n".encode(encoding))

    assert "UTF-8" in told(reading)[0][2]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", (1, "entry", "This column is missing.")),
        ("entry,standby\n", (1, "", "There is no row to exchange.")),
        ("entry,standby,colour\nE1,S1,red\n", (1, "colour", "There is no such column; the columns are entry,")),
        ("entry,standby,entry\nE1,S1,E1\n", (1, "entry", "This column is there twice.")),
        ("entry,standby\nE1\n", (2, "", "This row has 1 cells, the header 2.")),
        ("entry,standby\nE1,\n", (2, "standby", "1 to 32 letters, digits, dots, dashes are wanted, not ''.")),
        ("entry,standby\nE 1,S1\n", (2, "entry", "1 to 32 letters")),
        ("entry,standby\nE1,E1\n", (2, "standby", "An adapter is exchanged for another one, not for itself.")),
        ("entry,standby\nE1,S1\nE2,S2\nE1,S1\n", (4, "entry", "E1 and S1 stand in line 2 already.")),
        ('entry,standby\n"E1,S1\n', (2, "", "This line is not CSV")),
        ("entry,standby,reason\nE1,S1," + "x" * 501 + "\n", (2, "reason", "Up to 500 characters")),
        ("entry,standby,fault\nE1,S1,a\x07b\n", (2, "fault", "Up to 2000 characters without control characters")),
    ],
)
def test_what_is_wrong_is_told_with_line_and_column(text: str, fault: tuple[int, str, str]) -> None:
    found = told(csv_file(text))[0]

    assert (found[0], found[1]) == fault[:2]
    assert found[2].startswith(fault[2])


def test_every_fault_of_a_file_is_told() -> None:
    reading = csv_file("entry,standby\n,S1\nE2,\nE3,S3\n")

    assert [(line, column) for line, column, _ in told(reading)] == [(2, "entry"), (3, "standby")]


def test_a_file_has_a_largest_number_of_rows() -> None:
    lines = "".join(f"E{n},S{n}\n" for n in range(MAX_ROWS + 1))
    reading = csv_file("entry,standby\n" + lines)

    assert told(reading) == [
        (MAX_ROWS + 2, "", "More than 20000 rows: exchange the others with another file."),
    ]
    assert not csv_file("entry,standby\n" + lines[: lines.rindex("E")]).faults


def test_the_rows_of_a_report_may_be_planned_again() -> None:
    head = ",".join(["entry", "standby", "reason", "fault", *REPORTED])
    reading = csv_file(f"{head}\nE1,S1,r,f{',x' * len(REPORTED)}\n")

    assert reading.pairs == [Pair(2, "E1", "S1", "r", "f")]


def test_json_rows_are_read_alike() -> None:
    reading = read_json(io.StringIO('[{"entry": "E1", "standby": "S1", "fault": null}, {"entry": "E2", "standby": 3}]'))

    assert reading.pairs == [Pair(1, "E1", "S1")]
    assert told(reading) == [(2, "standby", "A text is wanted here.")]


@pytest.mark.parametrize("text", ["{", '{"entry": "E1"}', "[3]", '[{"entry": "E1", "standby": "S1", "x": 1}]', "[]"])
def test_json_that_is_no_list_of_pairs_is_refused(text: str) -> None:
    assert read_json(io.StringIO(text)).faults
