"""On-site exchange through the API: what the driver waits for is shown, and nobody collects before it for nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.rows import HEADER, distribution_id


@pytest.fixture
async def desk(client) -> aiohttp.ClientSession:
    return await client("sato")


@pytest.fixture
async def changed(client, desk, placed, registry, numbers) -> AsyncIterator[int]:
    """An on-site exchange whose registration has changed; nothing is plugged in."""
    number = numbers()
    await registry.load(
        HEADER + f",,,SER{number:05d},seil8,SEIL/X4,{distribution_id(number)},ls-{number},pw-{number},\r\n"
    )
    option = {"delivery_address": "1-2-3 Fujimi, Tokyo", "ultra_send_back": True}
    await (await client("root")).put("contracts/C1/maintenance", json=option)
    report = {"kind": "on-site", "code": placed[0], "fault": "does not power on", "reported_by": "olga"}
    exchange = (await posted(desk, "exchanges", report))["exchange"]
    for event, more in (
        ("recognise", {}),
        ("assign-driver", {"adapter": f"SER{number:05d}", "driver": "Yamada"}),
        ("change-registration", {}),
    ):
        await posted(desk, f"exchanges/{exchange}/advance", {"event": event, **more})
    yield exchange


async def posted(session: aiohttp.ClientSession, path: str, body: dict, status: int = 200) -> dict:
    async with session.post(path, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def test_what_a_normal_boot_lacks_is_shown_until_it_is_confirmed(desk, changed) -> None:
    """R3.17: config pulled, applied, reachable, heartbeat seen since the change."""
    async with desk.get(f"exchanges/{changed}") as answer:
        seen = await answer.json()

    assert len(seen["boot_lacks"]) == 4
    assert (seen["driver"], seen["waits_for"]["who"]) == ("Yamada", "desk")


async def test_a_boot_that_nobody_saw_is_not_confirmed(desk, changed) -> None:
    """R3.17."""
    problem = await posted(desk, f"exchanges/{changed}/advance", {"event": "confirm-boot"}, 409)

    assert "it has not pulled the config since the change" in problem["detail"]


async def test_collecting_without_a_confirmed_boot_needs_a_reason_and_keeps_it(desk, changed) -> None:
    """R3.17: closing without a confirmed boot is refused unless a reason is recorded."""
    step = {"event": "collect"}
    problem = await posted(desk, f"exchanges/{changed}/advance", step, 422)
    done = await posted(desk, f"exchanges/{changed}/advance", {**step, "reason": "The line is down."})

    assert [one["field"] for one in problem["errors"]] == ["reason"]
    assert done["to_state"] == "collected"
    async with desk.get(f"exchanges/{changed}") as answer:
        seen = await answer.json()
    assert (seen["why"], seen["moves"][-1]["data"]["reason"]) == ("The line is down.", "The line is down.")


async def test_an_on_site_exchange_is_reported_by_phone(desk, placed) -> None:
    """R3.15."""
    report = {
        "kind": "on-site",
        "code": placed[0],
        "fault": "does not power on",
        "reported_by": "olga",
        "channel": "web",
    }

    problem = await posted(desk, "exchanges", report, 422)

    assert "channel" in [one["field"] for one in problem["errors"]]
