"""Rollouts over HTTP: planned, listed, steered; who may see and start them (R4.2)."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from controller.services import firmware_rollout_turn
from tests.services.rollouts import Rollouts


@pytest.fixture
async def rollouts(registry, numbers) -> Rollouts:
    made = Rollouts(registry, numbers)
    await made.release()
    await made.load(4)
    return made


async def posted(session: aiohttp.ClientSession, path: str, body: Any, status: int = 200) -> Any:
    async with session.post(path, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def got(session: aiohttp.ClientSession, path: str, status: int = 200) -> Any:
    async with session.get(path) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


def order(rollouts: Rollouts, **more: Any) -> dict[str, Any]:
    wanted = {"series": "seil8", "version": rollouts.version, "selection": {"codes": rollouts.codes}, "canaries": 1}
    return {**wanted, "shares": [0.5], **more}


async def test_a_rollout_is_planned_started_and_followed(api, client, rollouts) -> None:
    """R4.2."""
    olga = await client("olga")
    (runs_it,) = await rollouts.load(1, runs=rollouts.version)
    window = {"opens": "00:00", "closes": "23:59", "days": ["mon", "sun"]}

    report = await posted(olga, "rollouts", order(rollouts, daily=window))
    number = report["rollout"]
    assert (report["codes"], report["skipped"], report["contract"]) == (4, 1, "C1")
    assert [(wave["upto"], wave["codes"]) for wave in report["waves"]] == [("1", 1), ("50%", 1), ("100%", 2)]
    assert [(row["why"], row["codes"]) for row in report["left_out"]] == [(f"It runs {rollouts.version} already.", 1)]

    started = await posted(olga, f"rollouts/{number}/start", {"reason": "advisory"})
    assert (started["state"], started["wave"], started["run_by"]) == ("running", 1, "olga")
    await firmware_rollout_turn.turn(api.context.db, now=api.context.clock())

    shown = await got(olga, f"rollouts/{number}")
    assert [wave["ordered"] for wave in shown["wave_list"]] == [1, 0, 0]
    assert shown["settings"]["daily"]["zone"] == "Asia/Tokyo"
    (item,) = (await got(olga, f"rollouts/{number}/items?state=ordered"))["items"]
    assert (item["wave"], item["running"], item["update_state"]) == (1, "3.10", "scheduled")
    (skipped,) = (await got(olga, f"rollouts/{number}/items?state=skipped"))["items"]
    assert skipped["code"] == runs_it
    assert (await got(olga, "rollouts?state=running"))["items"][0]["id"] == number

    paused = await posted(olga, f"rollouts/{number}/pause", {"reason": "lunch"})
    assert (paused["state"], paused["why"], paused["ordered"]) == ("paused", "lunch", 0)
    assert (await posted(olga, f"rollouts/{number}/resume", {}))["state"] == "running"
    assert (await posted(olga, f"rollouts/{number}/abort", {}))["cancelled"] == 4
    await posted(olga, f"rollouts/{number}/resume", {}, 409)


async def test_a_dry_run_keeps_nothing_and_shows_every_code(client, rollouts) -> None:
    olga = await client("olga")

    report = await posted(olga, "rollouts", order(rollouts, dry_run=True))

    assert report["rollout"] is None
    assert sorted(item["code"] for item in report["items"]) == sorted(rollouts.codes)
    again = await posted(olga, "rollouts", order(rollouts, dry_run=True))
    assert again["items"] == report["items"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": [0.5, 0.1]},
        {"shares": [0]},
        {"daily": {"opens": "01:00", "closes": "01:00"}},
        {"daily": {"opens": "01:00", "closes": "04:00", "zone": "Mars/Base"}},
        {"not_after": "2020-01-01T00:00:00Z"},
        {"newcomers": "join"},
        {"at_once": 0},
    ],
    ids=["shrinking", "nothing", "empty-window", "zone", "past", "newcomers", "none-at-once"],
)
async def test_what_makes_no_sense_is_refused_with_what_is_wrong(client, rollouts, wrong) -> None:
    problem = await posted(await client("olga"), "rollouts", order(rollouts, **wrong), 422)

    assert problem["errors"][0]["field"].startswith(next(iter(wrong)))


async def test_others_do_not_know_of_it_and_support_staff_only_look(client, rollouts) -> None:
    """R1.6, R2.3."""
    olga, otto, sato = await client("olga"), await client("otto"), await client("sato")
    number = (await posted(olga, "rollouts", order(rollouts)))["rollout"]

    await got(otto, f"rollouts/{number}", 404)
    await got(otto, f"rollouts/{number}/items", 404)
    await posted(otto, f"rollouts/{number}/start", {}, 404)
    assert (await got(sato, f"rollouts/{number}"))["id"] == number
    await posted(sato, f"rollouts/{number}/start", {}, 403)
