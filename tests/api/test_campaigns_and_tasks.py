"""Campaigns, tasks and kept selections over HTTP, each by those who may."""

from __future__ import annotations

from datetime import timedelta

from controller.store import audit, claims
from tests.services.campaigning import fleet
from tests.services.outputs import campaign as finished_campaign
from tests.services.outputs import ran

__all__ = ["fleet"]


async def call(session, method: str, path: str, status: int = 200, **request):
    async with session.request(method, path, **request) as answer:
        body = await answer.json() if answer.content_type.endswith("json") else await answer.text()
        assert answer.status == status, body
        return body


async def run(session, fleet, **more):
    body = {"lines": ["show system"], "group": fleet.group} | more
    return await call(session, "POST", "campaigns", 202, json=body)


async def test_what_is_asked_for_is_shown_and_listed(client, fleet) -> None:
    entry, empty = await fleet.entry(), await fleet.entry(empty=True)
    olga = await client("olga")

    accepted = await run(olga, fleet, priority=3, at_once=2, reason="look")

    assert (accepted["tasks"], accepted["skipped"]) == (1, [empty])
    assert accepted["skips"] == [{"code": empty, "adapter": None, "why": "It holds no adapter."}]
    shown = await call(olga, "GET", f"campaigns/{accepted['campaign']}")
    assert {name: shown[name] for name in ("account", "state", "priority", "at_once", "waiting", "skipped")} == {
        "account": "olga",
        "state": "running",
        "priority": 3,
        "at_once": 2,
        "waiting": 1,
        "skipped": 1,
    }
    listed = await call(olga, "GET", "campaigns", params={"state": "running", "account": "olga", "limit": 1})
    assert [one["id"] for one in listed["items"]] == [accepted["campaign"]]
    tasks = await call(olga, "GET", "tasks", params={"campaign": accepted["campaign"]})
    assert [(one["code"], one["state"], one["waiting_for"]) for one in tasks["items"]] == [(entry, "waiting", "turn")]
    skips = await call(olga, "GET", f"campaigns/{accepted['campaign']}/skips")
    assert [one["code"] for one in skips["items"]] == [empty]


async def test_reasons_are_told_in_the_language_of_the_reader(client, fleet) -> None:
    await fleet.entry()
    await fleet.entry(empty=True)
    body = {"lines": ["show system"], "group": fleet.group}

    told = await call(await client("olga"), "POST", "campaigns/preview", json=body, headers={"Accept-Language": "ja"})

    assert (told["tasks"], told["kind"]) == (1, "status")
    assert [one["why"] for one in told["skips"]] == ["アダプタが登録されていません。"]


async def test_a_preview_leaves_nothing_behind(client, fleet) -> None:
    await fleet.entry()
    root = await client("root")
    newest = await call(root, "GET", "campaigns", params={"limit": 1})

    await call(root, "POST", "campaigns/preview", json={"lines": ["reboot"], "group": fleet.group})

    assert await call(root, "GET", "campaigns", params={"limit": 1}) == newest


async def test_it_is_paused_resumed_moved_and_aborted(client, fleet, registry) -> None:
    await fleet.entry()
    olga = await client("olga")
    path = f"campaigns/{(await run(olga, fleet))['campaign']}"
    at = registry.clock() + timedelta(hours=1)

    assert (await call(olga, "POST", f"{path}/pause", json={"reason": "wait"}))["why"] == "wait"
    (task,) = (await call(olga, "GET", "tasks", params={"campaign": path.split("/")[1]}))["items"]
    assert task["waiting_for"] == "campaign paused"
    assert (await call(olga, "POST", f"{path}/resume"))["state"] == "running"
    moved = await call(olga, "PATCH", path, json={"at": at.isoformat()})
    assert moved["due_at"] == at.isoformat().replace("+00:00", "Z")
    assert (await call(olga, "POST", f"{path}/abort"))["cancelled"] == 1
    refused = await call(olga, "POST", f"{path}/resume", 409)
    assert "aborted" in refused["detail"]


async def test_one_task_is_moved_and_taken_back(client, fleet, registry) -> None:
    await fleet.entry()
    olga = await client("olga")
    campaign = (await run(olga, fleet))["campaign"]
    (task,) = (await call(olga, "GET", "tasks", params={"campaign": campaign}))["items"]
    at = registry.clock() + timedelta(hours=1)

    moved = await call(olga, "PATCH", f"tasks/{task['id']}", json={"at": at.isoformat()})
    cancelled = await call(olga, "POST", f"tasks/{task['id']}/cancel", json={"reason": "no need"})

    assert moved["waiting_for"] == "time"
    assert (cancelled["state"], "no need" in cancelled["detail"]) == ("cancelled", True)
    await call(olga, "POST", f"tasks/{task['id']}/cancel", 409)


async def test_tasks_are_found_by_code_and_time(client, fleet, registry) -> None:
    code = await fleet.entry()
    first = await ran(registry, code, {"show system": b"a\r\n"})
    between = registry.clock() + timedelta(seconds=30)
    second = await ran(registry, code, {"show system": b"b\r\n"})
    olga = await client("olga")

    for query, found in (
        ({}, [second, first]),
        ({"until": between.isoformat()}, [first]),
        ({"since": between.isoformat()}, [second]),
        ({"state": "failed"}, []),
    ):
        listed = await call(olga, "GET", "tasks", params={"code": code, **query})
        assert [one["id"] for one in listed["items"]] == found


async def test_who_reads_what_was_printed_is_recorded(client, fleet, registry) -> None:
    task = await ran(registry, await fleet.entry(), {"show system": b"Hostname : a\r\n"})

    read = await call(await client("olga"), "GET", f"tasks/{task}")

    assert [(one["line"], one["text"]) for one in read["transcripts"]] == [("show system", "Hostname : a\r\n")]
    (noted,) = await audit.page(registry.db, contract="C1", subject=f"task {task}", before=None, limit=5)
    assert (noted["action"], noted["account"]) == ("transcript.read", "olga")


async def test_support_does_not_read_what_an_operator_ran_unless_pointed_at(client, fleet, registry) -> None:
    task = await ran(registry, await fleet.entry(), {"show system": b"Hostname : a\r\n"})

    refused = await call(await client("sato"), "GET", f"tasks/{task}", 403)

    assert "R2.2" in refused["detail"]


async def test_a_summary_is_for_people_of_the_contract(client, fleet, registry) -> None:
    made = await finished_campaign(registry)
    for printed in (b"a\r\n", b"a\r\n", b"a\r\n", b"b\r\n"):
        await ran(registry, await fleet.entry(), {"show system": printed}, in_campaign=made)

    told = await call(await client("olga"), "GET", f"campaigns/{made}/summary")

    assert told["campaign"]["done"] == 4
    assert [one["tasks"] for one in told["outcomes"]] == [4]
    assert [one["alike"] for one in told["spreads"]] == [3]
    assert len(told["odd"]) == 1
    assert (await call(await client("olga"), "GET", f"campaigns/{made}/summary?odd=0"))["odd"] == []
    await call(await client("otto"), "GET", f"campaigns/{made}/summary", 404)
    await call(await client("otto"), "GET", f"campaigns/{made}", 404)
    await call(await client("otto"), "POST", f"campaigns/{made}/abort", 404)


async def test_a_campaign_over_contracts_is_the_operators_part_to_its_operator(client, fleet) -> None:
    await fleet.entry()
    other = await fleet.entry(contract="C2")
    accepted = await run(await client("root"), fleet, codes=fleet.codes, group=None)

    shown = await call(await client("olga"), "GET", f"campaigns/{accepted['campaign']}")

    assert (shown["tasks"], shown["selection"]) == (1, {})
    assert other not in str(shown)
    listed = await call(await client("olga"), "GET", "campaigns", params={"limit": 1})
    assert listed["items"] == [shown]


async def test_selections_are_kept_used_and_dropped(client, fleet) -> None:
    entry = await fleet.entry(series="seil3")
    await fleet.entry()
    olga = await client("olga")
    name = f"pilot {fleet.group}"

    await call(olga, "PUT", f"selections/{name}", json={"group": fleet.group, "series": "seil3"})

    assert (await call(olga, "GET", f"selections/{name}"))["definition"] == {"group": fleet.group, "series": "seil3"}
    assert name in [one["name"] for one in (await call(olga, "GET", "selections"))["items"]]
    accepted = await run(olga, fleet, group=None, saved=name)
    (task,) = (await call(olga, "GET", "tasks", params={"campaign": accepted["campaign"]}))["items"]
    assert task["code"] == entry
    await call(olga, "DELETE", f"selections/{name}", 204)
    await call(olga, "GET", f"selections/{name}", 404)


async def test_a_task_under_way_is_told_to_stop(client, fleet, registry) -> None:
    await fleet.entry()
    olga = await client("olga")
    campaign = (await run(olga, fleet, priority=10))["campaign"]
    registry.clock.forward(seconds=1)
    (claimed,) = await claims.claim(registry.db, registry.clock(), timedelta(seconds=60), 1)
    (task,) = (await call(olga, "GET", "tasks", params={"campaign": campaign}))["items"]
    assert claimed["id"] == task["id"]

    assert (await call(olga, "POST", f"tasks/{task['id']}/cancel"))["state"] == "running"
    assert await claims.to_stop(registry.db, {claimed["id"]: claimed["fence"]})
