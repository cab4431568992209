"""`hikitsugi code holder`, `adapter life`, `exchange stats`, `exchange overdue-returns`, `search`, on the real API."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import By, Ended
from tests.rows import HEADER, csv_row


def ok(ended: Ended) -> str:
    assert ended.code == 0, ended.err
    return ended.out


@pytest.fixture
async def swapped(registry, numbers, by: By) -> tuple[str, str, str, str]:
    """Entry, standby, the adapter that went out, the one that came in."""
    entry, standby = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{entry}", entry) + csv_row(f"S{standby}", standby, kind="standby"))
    registry.clock.forward(hours=1)
    ok(await by("olga", "swap", f"E{entry}", f"S{standby}", "--reason", "a loud fan"))
    return f"E{entry}", f"S{standby}", f"SER{entry:05d}", f"SER{standby:05d}"


async def test_the_holder_now_and_then_is_told_with_why(swapped, registry, by: By) -> None:
    """R3.10"""
    entry, _, old, new = swapped
    then = (registry.clock() - timedelta(minutes=30)).isoformat()

    now_told = ok(await by("olga", "code", "holder", entry))
    then_told = ok(await by("olga", "code", "holder", entry, "--at", then))

    assert new in now_told and f"in place of {old}." in now_told and "a loud fan" in now_told
    assert f"root put {old} on {entry}: import." in then_told


async def test_a_life_is_told_line_by_line_also_by_the_code_that_holds_the_unit(swapped, by: By) -> None:
    """R3.13"""
    entry, standby, old, _ = swapped

    told = ok(await by("olga", "adapter", "life", old))

    lines = [line for line in told.splitlines() if "registered on" in line]
    assert f"It was registered on {entry}: import." in lines[0] and f"on {standby} by exchange" in lines[1]
    assert ok(await by("olga", "adapter", "life", standby)) == told


async def test_exchanges_are_counted_as_a_table_and_as_a_file_by_its_ending(swapped, by: By, tmp_path: Path) -> None:
    assert "SEIL/X4" in ok(await by("olga", "exchange", "stats"))
    assert ok(await by("olga", "exchange", "stats", "--csv", "--by", "model")).startswith("period,model,firmware")
    counted = (await by("olga", "exchange", "stats", "--by", "kind", "--step", "year", "--json")).json()
    assert {(row["kind"], row["model"]) for row in counted} >= {("swap", "")}

    for ending, beginning in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("csv", b"period,")):
        out = tmp_path / f"chart.{ending}"
        assert f"Written to {out}." in ok(await by("olga", "exchange", "stats", "--out", str(out)))
        assert out.read_bytes().startswith(beginning)
    wrong = await by("olga", "exchange", "stats", "--out", str(tmp_path / "chart.pdf"))
    assert wrong.code != 0 and "name the file so" in wrong.err


async def test_overdue_returns_are_listed_and_printed_as_csv(swapped, registry, by: By) -> None:
    """R3.9"""
    _, standby, old, _ = swapped
    async with registry.db.connection() as connection:
        await connection.execute(
            """INSERT INTO exchange (kind, contract, standby, old_adapter, state, ordered_at, account, return_due_at)
               VALUES ('return', 'C1', $1, $2, 'overdue', $3, 'root', $3)""",
            *(standby, old, registry.clock() - timedelta(days=2)),
        )

    assert old in ok(await by("olga", "exchange", "overdue-returns"))
    assert old in ok(await by("olga", "exchange", "overdue-returns", "--csv"))
    assert old not in ok(await by("otto", "exchange", "overdue-returns"))


async def test_anything_is_found_by_a_part_of_its_label(swapped, by: By) -> None:
    _, standby, old, _ = swapped

    told = ok(await by("olga", "search", old[-5:].lower()))
    assert old in told and standby in told
    more = await by("olga", "search", "SER", "--limit", "1")
    assert "There is more" in more.err
    assert (await by("olga", "search", "nothing-is-called-so", "--json")).json() == {"items": [], "more": False}
