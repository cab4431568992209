"""`hikitsugi calendar`: offline on a machine that has never seen a controller, and against the real API."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cli.app import root, run
from controller.cli.groups import ALL
from tests.cli.conftest import By, Ended

YEAR_END = ("calendar", "delivery", "--received", "2026-12-28T12:00+09:00")


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command line without saying where a controller is."""

    def call(*arguments: str) -> Ended:
        code = run(root(ALL), arguments)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return call


def test_the_estimate_needs_nothing_but_the_program(tmp_path: Path) -> None:
    """R3.4 on a machine without home, profile, server and database."""
    program = Path(sys.executable).with_name("hikitsugi")

    ended = subprocess.run(
        [program, *YEAR_END, "--offline", "--json"], env={}, cwd=tmp_path, capture_output=True, timeout=60, check=True
    )

    estimate = json.loads(ended.stdout)
    assert (estimate["received_on"], estimate["arrives"]) == ("2026-12-28", "2027-01-07")
    assert [day["day"][5:] for day in estimate["days"] if day["counts"]] == ["01-04", "01-05", "01-06", "01-07"]
    assert [day["why"] for day in estimate["days"]][:4] == ["year-end and new year"] * 3 + ["New Year's Day"]
    assert list(tmp_path.iterdir()) == []


async def test_offline_and_the_controller_reckon_alike(by: By, here: Callable[..., Ended]) -> None:
    """R3.4: the same answer, member by member."""
    there = (await by("olga", *YEAR_END, "--json")).json()
    offline = here(*YEAR_END, "--offline", "--json").json()

    assert there == offline


def test_people_read_the_days_and_the_weekday_of_arrival(here: Callable[..., Ended]) -> None:
    """R3.4."""
    ended = here(*YEAR_END, "--offline")

    assert "The replacement arrives on 2027-01-07 (Thu)." in ended.out
    assert "year-end and new year" in ended.out


def test_a_combination_that_does_not_exist_is_refused_offline_too(here: Callable[..., Ended]) -> None:
    """R1.3."""
    ended = here(*YEAR_END, "--offline", "--channel", "web", "--topic", "on-site")

    assert (ended.code, ended.out) == (2, "")
    assert "It takes it by: phone." in ended.err


def test_a_year_that_nobody_knows_is_refused_offline_too(here: Callable[..., Ended]) -> None:
    ended = here("calendar", "delivery", "--received", "2126-12-28T12:00", "--offline", "--json")

    assert ended.code == 2
    assert "2000 to 2099" in json.loads(ended.err)["error"]["detail"]


def test_the_estimate_for_a_report_of_this_moment_needs_no_time(here: Callable[..., Ended]) -> None:
    """R3.4."""
    estimate = here("calendar", "delivery", "--offline", "--json").json()

    assert estimate["arrives"] > estimate["received_on"] >= estimate["received"][:10]


async def test_an_administrator_keeps_and_drops_a_day_of_the_company(by: By) -> None:
    """R1.3: company holidays are data, editable."""
    kept = await by("root", "calendar", "holiday", "add", "2027-05-06", "bridge day")
    shown = await by("olga", "calendar", "show", "--since", "2027-05-06", "--until", "2027-05-06", "--json")
    listed = await by("olga", "calendar", "holiday", "ls", "--json")
    refused = await by("olga", "calendar", "holiday", "rm", "2027-05-06")
    dropped = await by("root", "calendar", "holiday", "rm", "2027-05-06")
    again = await by("root", "calendar", "holiday", "rm", "2027-05-06")

    assert (kept.code, kept.out) == (0, "2027-05-06 is a holiday.\n")
    assert [day["why"] for day in shown.json()] == ["bridge day"]
    assert {row["day"] for row in listed.json()} >= {"12-29", "01-03", "2027-05-06"}
    assert (refused.code, dropped.code, again.code) == (2, 0, 2)
    assert "hikitsugi calendar holiday ls" in again.err


async def test_the_hours_are_a_table_for_people(by: By) -> None:
    """R1.3."""
    hours = (await by("sato", "calendar", "hours", "--at", "2026-06-06T12:00")).out

    assert "24 h, every day" in hours
    assert "09:00-19:00, every day" in hours
    assert "09:00-17:30, business days" in hours
    assert "2026-06-08 09:00:00 JST" in hours
