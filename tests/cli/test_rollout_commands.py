"""`hikitsugi rollout` against the real API: what a person reads, and what a script gets (R4.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from enum import StrEnum

import pytest

from controller.cli.amounts import daily, seconds, share
from controller.cli.failures import CliError, Exit
from controller.domain.firmware_rollout import Newcomers
from controller.domain.firmware_update import Event, Failure, Start, State
from controller.services import firmware_rollout_turn
from controller.terms import word
from tests.api.conftest import Api
from tests.cli.conftest import By
from tests.services.rollouts import Rollouts


@pytest.fixture
async def rollouts(registry, numbers) -> Rollouts:
    made = Rollouts(registry, numbers)
    await made.release()
    await made.load(3)
    return made


@pytest.fixture
async def turning(api: Api) -> AsyncIterator[None]:
    """A controller carries rollouts out meanwhile."""
    task = asyncio.create_task(firmware_rollout_turn.run(api.context.db, api.context.clock))
    yield
    task.cancel()
    await asyncio.wait([task])


def asked(rollouts: Rollouts, *more: str) -> list[str]:
    codes = [word for code in rollouts.codes for word in ("--entry", code)]
    return ["rollout", "plan", "seil8", rollouts.version, *codes, *more]


async def test_a_plan_says_the_waves_who_is_left_out_and_what_to_do_next(by: By, rollouts: Rollouts) -> None:
    """R4.2: nothing is updated before somebody starts it."""
    await rollouts.load(1, runs=rollouts.version)

    ended = await by("olga", *asked(rollouts, "--canary", "1", "--wave", "50%"))

    assert ended.code == Exit.OK, ended.err
    assert f"It runs {rollouts.version} already." in ended.out
    assert f"3 codes will be updated to {rollouts.version}, 1 are left out." in ended.out
    assert "Nothing is updated yet. Start it: hikitsugi rollout start" in ended.out


async def test_a_plan_and_a_start_say_which_release_notes_to_read_and_who_is_not_connected(
    by: By, rollouts: Rollouts
) -> None:
    """R4.2: the decision is made from the release notes of every version that adapters pass."""
    adapter = "(SELECT adapter FROM registration WHERE code = $1)"
    await rollouts.fetch(f"UPDATE connection SET state = 'disconnected' WHERE adapter = {adapter}", rollouts.codes[0])
    before = (await by("olga", *asked(rollouts, "--dry-run", "--json"))).json()["running"]
    notes = f"hikitsugi firmware diff-notes seil8 {before[0]} {rollouts.version}"

    planned = await by("olga", *asked(rollouts))
    number = planned.out.rsplit("rollout start ", 1)[1].split()[0]
    started = await by("olga", "rollout", "start", number)

    assert notes in planned.out and notes in started.out
    (warned,) = [line for line in planned.out.splitlines() if "not connected" in line]
    assert warned.split()[0] == "1"


@pytest.mark.usefixtures("turning")
async def test_a_rollout_is_started_watched_approved_and_shown(by: By, rollouts: Rollouts) -> None:
    how = ("--canary", "1", "--soak", "0s", "--approval", "--window", "00:00-23:59", "--days", "mon,sun", "--json")
    number = str((await by("olga", *asked(rollouts, *how))).json()["rollout"])
    started = await by("olga", "rollout", "start", number)
    assert f"hikitsugi rollout watch {number}" in started.out

    async def ends() -> None:
        while True:
            await rollouts.end()
            await asyncio.sleep(0.05)

    ending = asyncio.create_task(ends())
    try:
        watched = await by("olga", "rollout", "watch", number, "--wait", "20")
        assert watched.code == Exit.OK, watched.err
        assert f"Begin the next wave: hikitsugi rollout approve {number}" in watched.out
        approved = await by("olga", "rollout", "approve", number, "--watch")
    finally:
        ending.cancel()
        await asyncio.wait([ending])
    assert approved.code == Exit.OK, approved.err

    shown = await by("olga", "rollout", "show", number)
    assert "waiting-approval" in shown.out, "for the third wave"
    items = (await by("olga", "rollout", "items", number, "--wave", "1", "--json")).json()
    assert [item["state"] for item in items] == ["good"]
    assert (await by("olga", "rollout", "ls", "--json")).json()[0]["id"] == int(number)


async def test_whom_it_means_must_be_said(by: By, rollouts: Rollouts) -> None:
    ended = await by("olga", "rollout", "plan", "seil8", rollouts.version)

    assert ended.code != Exit.OK
    assert "--all" in ended.err


@pytest.mark.parametrize(("text", "value"), [("10%", 0.1), ("0.5%", 0.005), ("100%", 1.0), ("0.25", 0.25), ("1", 1.0)])
def test_shares_are_written_in_percent_or_as_a_number(text: str, value: float) -> None:
    assert share(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "101%", "-1%", "ten", "1.5", "10 percent"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(CliError):
        share(text)


def test_lengths_of_time_have_a_unit() -> None:
    assert [seconds(text) for text in ("30s", "90m", "24h", "2d")] == [30, 5400, 86_400, 172_800]
    for text in ("", "24", "1w", "-1h"):
        with pytest.raises(CliError):
            seconds(text)


def test_a_window_is_from_one_time_of_the_day_to_another() -> None:
    assert daily("", "", "") is None
    assert daily("01:00-04:00", "", "") == {"opens": "01:00", "closes": "04:00", "days": [], "zone": "Asia/Tokyo"}
    assert daily("22:30-04:00", "Asia/Tokyo", "mon, TUE") == {
        "opens": "22:30",
        "closes": "04:00",
        "days": ["mon", "tue"],
        "zone": "Asia/Tokyo",
    }
    with pytest.raises(CliError):
        daily("at night", "Asia/Tokyo", "")


def test_days_without_a_window_are_refused_rather_than_taken_for_at_once() -> None:
    with pytest.raises(CliError, match="mon,tue"):
        daily("", "", "mon,tue")


def test_a_zone_without_a_window_and_a_window_without_length_are_refused() -> None:
    """R4.2: nobody is updated at once who was meant to be updated at night."""
    with pytest.raises(CliError, match="Europe/London belongs to a window"):
        daily("", "Europe/London", "")
    with pytest.raises(CliError, match="ends when it begins"):
        daily("01:00-01:00", "", "")


@pytest.mark.parametrize("family", [Event, Failure, Start, State, Newcomers], ids=lambda family: family.__name__)
def test_every_word_of_updates_has_a_japanese_one(family: type[StrEnum]) -> None:
    assert [each for each in family if word(family, each.value, "ja") == each.value] == []
