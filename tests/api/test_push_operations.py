"""Push operations, connections and config pushes through the API: what is accepted, shown, refused and taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.rows import HEADER, csv_row


async def test_an_operation_waits_for_its_adapter_and_says_so(client, placed) -> None:
    code, serial = placed
    olga = await client("olga")

    async with olga.post(f"adapters/{serial}/ping", json={"address": "192.0.2.1", "reason": "why"}) as answer:
        number = (await answer.json())["operation"]
    async with olga.get(f"operations/{number}") as shown:
        found = await shown.json()

    assert answer.status == 202
    assert (found["kind"], found["state"], found["connected"]) == ("ping", "waiting", False)
    assert (found["adapter"], found["code"], found["account"], found["reason"]) == (serial, code, "olga", "why")
    assert found["arguments"]["address"] == "192.0.2.1"
    assert found["outputs"] == []


async def test_a_waiting_operation_is_taken_back_once(client, placed) -> None:
    _, serial = placed
    olga = await client("olga")
    async with olga.post(f"adapters/{serial}/reboot", json={}) as answer:
        number = (await answer.json())["operation"]

    async with olga.post(f"operations/{number}/cancel") as first:
        cancelled = await first.json()
    async with olga.post(f"operations/{number}/cancel") as second:
        problem = await second.json()

    assert (first.status, cancelled["state"]) == (200, "cancelled")
    assert second.status == 409 and "cancelled" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("ping", {"address": "router.example"}),
        ("ping", {"address": "192.0.2.1", "count": 0}),
        ("traceroute", {"address": "192.0.2.1", "max_hop": 257}),
        ("read-storage", {"storage": "startup"}),
        ("pull-config", {"source": "moon"}),
        ("read-status", {"lines": ["show nothing"]}),
        ("read-status", {"lines": ["reboot"]}),
        ("read-status", {"lines": ["show system\nreboot"]}),
        ("clear-status", {"lines": ["show system"]}),
        ("md-command", {"line": "no such command"}),
    ],
)
async def test_what_an_adapter_could_not_take_is_refused_before_it_is_written(client, placed, path, body) -> None:
    _, serial = placed
    olga = await client("olga")

    async with olga.post(f"adapters/{serial}/{path}", json=body) as answer:
        assert answer.status == 422, await answer.text()
    async with olga.get("operations", params={"adapter": serial}) as listed:
        assert (await listed.json())["items"] == []


async def test_another_contracts_operations_do_not_exist(client, placed) -> None:
    _, serial = placed
    async with (await client("olga")).post(f"adapters/{serial}/ping", json={"address": "192.0.2.1"}) as answer:
        number = (await answer.json())["operation"]
    otto = await client("otto")

    async with otto.get(f"operations/{number}") as shown:
        assert shown.status == 404
    async with otto.post(f"operations/{number}/cancel") as cancelled:
        assert cancelled.status == 404
    async with otto.post(f"adapters/{serial}/ping", json={"address": "192.0.2.1"}) as asked:
        assert asked.status == 404
    async with otto.get("operations", params={"adapter": serial}) as listed:
        assert (await listed.json())["items"] == []


async def test_an_adapter_never_seen_is_disconnected_with_an_empty_boot(client, placed) -> None:
    _, serial = placed

    async with (await client("sato")).get(f"adapters/{serial}/connection") as answer:
        found = await answer.json()

    assert (found["state"], found["methods"], found["since"]) == ("disconnected", [], None)
    assert found["config_pulled_at"] is None and found["push_confirmed_at"] is None


async def test_a_dry_run_of_a_push_says_what_changes_and_orders_nothing(client, placed) -> None:
    code, serial = placed
    olga = await client("olga")
    text = {"Content-Type": "text/plain"}
    async with olga.put(f"codes/{code}/configs/0/working", data=b"hostname: b\n", headers=text) as written:
        assert written.status == 200

    async with olga.post(f"codes/{code}/pushes", json={"dry_run": True}) as answer:
        report = await answer.json()
    async with olga.get("operations", params={"code": code}) as listed:
        assert (await listed.json())["items"] == []

    assert (report["operation"], report["adapter"], report["connected"]) == (None, serial, False)
    assert [(m["module"], m["stage"]) for m in report["modules"]] == [(0, "working")]
    assert "+hostname: b" in report["modules"][0]["diff"]


async def test_a_push_may_be_for_later_and_is_cancelled_until_it_is_sent(client, placed, registry) -> None:
    code, _ = placed
    olga = await client("olga")
    at = (registry.clock() + timedelta(hours=8)).isoformat()

    async with olga.post(f"codes/{code}/pushes", json={"at": at, "reason": "tonight"}) as answer:
        report = await answer.json()
    async with olga.get(f"operations/{report['operation']}") as shown:
        found = await shown.json()
    async with olga.post(f"operations/{report['operation']}/cancel") as cancelled:
        after = await cancelled.json()

    assert (found["kind"], found["purpose"], found["state"]) == ("configure", "push", "waiting")
    assert found["due_at"][:16] == at[:16]
    assert after["state"] == "cancelled"


async def test_stages_are_compared_as_a_unified_diff(client, placed) -> None:
    code, _ = placed
    olga = await client("olga")
    text = {"Content-Type": "text/plain"}
    async with olga.put(f"codes/{code}/configs/0/working", data=b"hostname: b\n", headers=text):
        pass

    async with olga.get(f"codes/{code}/diffs/0", params={"old": "startup", "new": "working"}) as answer:
        changed = await answer.text()
    async with olga.get(f"codes/{code}/diffs/7") as missing:
        assert missing.status == 404

    assert "-hostname: a" in changed and "+hostname: b" in changed
    assert "startup" in changed and "working" in changed


async def test_push_method_and_warmth_belong_to_the_code(client, placed, registry, numbers) -> None:
    entry, _ = placed
    number = numbers()
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    olga = await client("olga")

    async with olga.put(f"codes/{entry}/push-method", json={"preferred": "https-simple"}) as answer:
        assert answer.status in (200, 204)
    async with olga.put(f"codes/S{number}/warm", json={"warm": True}) as answer:
        assert answer.status in (200, 204)
    async with olga.put(f"codes/{entry}/warm", json={"warm": True}) as answer:
        assert answer.status == 422
    async with olga.get(f"codes/{entry}") as answer:
        assert (await answer.json())["preferred_push_method"] == "https-simple"
    async with olga.get(f"codes/S{number}") as answer:
        assert (await answer.json())["warm"] is True
