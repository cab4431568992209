"""A swap that names a fault of an adapter that can be asked: it waits for evidence, and may be ordered or withdrawn."""

from __future__ import annotations

import pytest

from tests.services import outgoing

FAULT = "restarts by itself"


@pytest.fixture
async def pair(registry, numbers) -> tuple[str, str]:
    """An entry whose adapter is connected, and a standby."""
    return await outgoing.connected(registry, numbers), await outgoing.adapter(registry, numbers, kind="standby")


async def swapped(client, pair: tuple[str, str], **more) -> dict:
    body = {"standby": pair[1], "fault": FAULT, **more}
    async with (await client("olga")).post(f"codes/{pair[0]}/swap", json=body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def advanced(client, account: str, number: int, event: str, **more) -> tuple[int, dict]:
    body = {"event": event, **more}
    async with (await client(account)).post(f"exchanges/{number}/advance", json=body) as answer:
        return answer.status, await answer.json()


async def shown(client, number: int) -> dict:
    async with (await client("olga")).get(f"exchanges/{number}") as answer:
        return await answer.json()


async def test_it_says_when_it_is_ordered_at_the_latest_and_wakes_the_workers(client, api, pair) -> None:
    """R3.12: the config stays with the code; what only the old adapter knows is collected before it goes."""
    api.context.wake.clear()

    report = await swapped(client, pair)

    assert (report["state"], report["order_by"] is not None, api.context.wake.is_set()) == ("pre-flight", True, True)
    seen = await shown(client, report["exchange"])
    assert (seen["evidence"]["state"], seen["waits_for"]["who"]) == ("collecting", "clock")
    assert {one["event"] for one in seen["possible"] if one["yours"]} == {"order", "withdraw"}


async def test_at_once_does_not_wait(client, pair) -> None:
    """R3.11."""
    report = await swapped(client, pair, at_once=True)

    assert (report["state"], report["order_by"]) == ("ordered", None)


async def test_its_operator_orders_it_without_waiting_any_longer(client, pair) -> None:
    """R3.10."""
    number = (await swapped(client, pair))["exchange"]

    planned, plan = await advanced(client, "olga", number, "order", dry_run=True)
    still = (await shown(client, number))["state"]
    status, ordered = await advanced(client, "olga", number, "order")
    again, repeated = await advanced(client, "olga", number, "order")

    assert (planned, plan["to_state"], still) == (200, "ordered", "pre-flight")
    assert any(pair[0] in finding for finding in plan["findings"])
    assert (status, ordered["to_state"], ordered["already"]) == (200, "ordered", False)
    assert (again, repeated["already"]) == (200, True)
    assert (await shown(client, number))["return_exchange"] is not None


async def test_its_operator_withdraws_it_with_a_reason(client, pair) -> None:
    number = (await swapped(client, pair))["exchange"]

    refused, problem = await advanced(client, "olga", number, "withdraw")
    status, done = await advanced(client, "olga", number, "withdraw", reason="It works again.")

    assert (refused, [one["field"] for one in problem["errors"]]) == (422, ["reason"])
    assert (status, done["to_state"], done["ended"]) == (200, "withdrawn", True)
    assert (await shown(client, number))["why"] == "It works again."


@pytest.mark.parametrize("event", ["order", "withdraw"])
async def test_support_staff_do_neither(client, pair, event: str) -> None:
    """R3.10."""
    number = (await swapped(client, pair))["exchange"]

    status, problem = await advanced(client, "sato", number, event, reason="x")

    assert (status, (await shown(client, number))["state"]) == (403, "pre-flight")
    assert problem["next_step"]


async def test_an_order_that_expects_another_state_is_refused(client, pair) -> None:
    number = (await swapped(client, pair))["exchange"]

    status, _ = await advanced(client, "olga", number, "order", expect="ordered")

    assert (status, (await shown(client, number))["state"]) == (409, "pre-flight")


async def test_a_swap_is_replaced_only_by_ordering_another(client, pair) -> None:
    """An exchange that ended without one would leave its entry to an adapter that nobody waits for (R3.10)."""
    number = (await swapped(client, pair, at_once=True))["exchange"]

    status, problem = await advanced(client, "olga", number, "replaced")

    assert (status, (await shown(client, number))["state"]) == (409, "ordered")
    assert "hikitsugi swap" in problem["next_step"]
