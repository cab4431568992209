"""`hikitsugi exchange bulk` against the real API: what a person reads, and what a script gets (R3.10)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from controller.cli.failures import Exit
from controller.services import bulk_turn
from tests.api.conftest import Api
from tests.cli.conftest import By
from tests.rows import HEADER, csv_row


@pytest.fixture
async def file(registry, numbers, tmp_path: Path) -> Path:
    """Two pairs of an office that moves."""
    made = [(numbers(), numbers()) for _ in range(2)]
    lines = (csv_row(f"E{a}", a) + csv_row(f"S{b}", b, kind="standby") for a, b in made)
    await registry.load(HEADER + "".join(lines))
    path = tmp_path / "move.csv"
    path.write_text("entry,standby,reason\n" + "".join(f"E{a},S{b},to Osaka\n" for a, b in made))
    return path


@pytest.fixture
async def turning(api: Api) -> AsyncIterator[None]:
    """A controller carries bulk exchanges out meanwhile."""
    context = api.context
    task = asyncio.create_task(bulk_turn.run(context.db, context.vault, context.clock, timedelta(days=1), lambda: None))
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_a_dry_run_is_a_report_of_every_row(by: By, file: Path) -> None:
    """R3.14: with the firmware target."""
    ended = await by("olga", "exchange", "bulk", "plan", str(file), "--dry-run")

    assert ended.code == Exit.OK, ended.err
    assert "goes out" in ended.out and "comes in" in ended.out and "firmware target" in ended.out
    assert "2 of 2 rows will be exchanged, 0 are refused." in ended.out
    assert "Nothing was kept (dry run)." in ended.out


@pytest.mark.usefixtures("turning")
async def test_a_plan_is_started_watched_and_shown(by: By, file: Path) -> None:
    planned = await by("olga", "exchange", "bulk", "plan", str(file), "--json")
    assert planned.code == Exit.OK, planned.err
    number = str(planned.json()["bulk"])
    assert [row["reason"] for row in planned.json()["plan"]] == ["to Osaka"] * 2

    started = await by("olga", "exchange", "bulk", "start", number)
    assert f"Bulk exchange {number} is running." in started.out
    assert f"hikitsugi exchange bulk watch {number}" in started.out
    watched = await by("olga", "exchange", "bulk", "watch", number, "--wait", "20")
    assert watched.code == Exit.OK, watched.err
    assert f"Bulk exchange {number} is finished. 2 exchanged, 0 failed" in watched.out
    assert "hikitsugi exchange list --state ordered" in watched.out

    shown = await by("olga", "exchange", "bulk", "show", number)
    assert "ordered 2" in shown.out
    rows = await by("olga", "exchange", "bulk", "rows", number, "--state", "exchanged", "--json")
    assert [row["exchange_state"] for row in rows.json()] == ["ordered", "ordered"]
    listed = await by("olga", "exchange", "bulk", "list", "--json")
    assert listed.json()[0]["id"] == int(number)


async def test_refused_rows_make_an_exit_code_of_their_own(by: By, file: Path) -> None:
    with file.open("a") as more:
        more.write("E0,S0,\n")

    ended = await by("olga", "exchange", "bulk", "plan", str(file))

    assert ended.code == Exit.SOME_FAILED
    assert "No code E0. Check the name." in ended.out
    assert "2 of 3 rows will be exchanged, 1 are refused." in ended.out
    assert "Start it: hikitsugi exchange bulk start" in ended.out


async def test_a_wrong_file_is_refused_line_by_line(by: By, tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("entry,standby\nE1,E1\n")

    ended = await by("olga", "exchange", "bulk", "plan", str(path))

    assert ended.code == Exit.REFUSED
    assert "2: standby: An adapter is exchanged for another one, not for itself." in ended.err


async def test_pause_resume_and_abort_say_how_it_stands(by: By, file: Path) -> None:
    number = str((await by("olga", "exchange", "bulk", "plan", str(file), "--at-once", "1", "--json")).json()["bulk"])
    await by("olga", "exchange", "bulk", "start", number)

    paused = await by("olga", "exchange", "bulk", "pause", number, "--reason", "lunch")
    assert f"Bulk exchange {number} is paused." in paused.out and "Why: lunch" in paused.out
    waiting = await by("olga", "exchange", "bulk", "watch", number, "--wait", "0")
    assert waiting.code == Exit.SOME_FAILED
    assert f"hikitsugi exchange bulk resume {number}" in waiting.out
    assert "is running" in (await by("olga", "exchange", "bulk", "resume", number)).out
    aborted = await by("olga", "exchange", "bulk", "abort", number, "--reason", "wrong building", "--json")
    assert (aborted.json()["state"], aborted.json()["cancelled"]) == ("aborted", 2)
    again = await by("olga", "exchange", "bulk", "start", number)
    assert again.code == Exit.REFUSED and "is aborted" in again.err


async def test_rows_as_csv_go_into_a_file_that_can_be_planned_again(by: By, file: Path, tmp_path: Path) -> None:
    number = str((await by("olga", "exchange", "bulk", "plan", str(file), "--json")).json()["bulk"])
    out = tmp_path / "rows.csv"

    assert (await by("olga", "exchange", "bulk", "rows", number, "--out", str(out))).code == Exit.OK

    again = await by("olga", "exchange", "bulk", "plan", str(out), "--dry-run", "--json")
    assert again.json()["to_exchange"] == 2


async def test_support_staff_may_look_but_not_start(by: By, file: Path) -> None:
    """R3.10: swaps are the operator's."""
    number = str((await by("olga", "exchange", "bulk", "plan", str(file), "--json")).json()["bulk"])

    assert (await by("sato", "exchange", "bulk", "show", number)).code == Exit.OK
    assert (await by("sato", "exchange", "bulk", "start", number)).code == Exit.REFUSED
