"""Investigations through the API: opened by support staff, seen by the operator, allowing just R2.3; then they end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.rows import HEADER, csv_row


def report(*codes: str, **more) -> dict:
    asked = {"contract": "C1", "title": "Restarts", "observed": "At night.", "reported_by": "olga", "codes": codes}
    return asked | more


async def opened(client, *codes: str, **more) -> int:
    async with (await client("sato")).post("investigations", json=report(*codes, **more)) as answer:
        assert answer.status == 201, await answer.text()
        return (await answer.json())["investigation"]


async def shown(client, account: str, number: int) -> dict:
    async with (await client(account)).get(f"investigations/{number}") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_from_the_report_to_the_finding(client, placed, api) -> None:
    code, serial = placed
    sato = await client("sato")
    run = {"lines": ["show system"], "codes": [code], "reason": "case 7"}
    async with sato.post("campaigns", json=run) as before:
        refused = await before.json()
    number = await opened(client, code, inquiry="Q-1")

    async with sato.post("campaigns", json=run) as during:
        campaign = (await during.json())["campaign"]
    async with sato.post(f"adapters/{serial}/ping", json={"address": "192.0.2.1"}) as pinged:
        operation = (await pinged.json())["operation"]
    async with sato.post(f"investigations/{number}/close", json={"finding": "Fixed in 3.42."}) as ended:
        closed = await ended.json()
    async with sato.post("campaigns", json=run) as after:
        assert after.status == 403

    assert before.status == 403 and "R2.3" in refused["detail"] and "investigation open" in refused["next_step"]
    assert during.status == 202
    assert closed == {
        "aborted_campaigns": [campaign],
        "cancelled_tasks": 1,
        "cancelled_operations": [operation],
    }
    seen = await shown(client, "olga", number)
    assert (seen["state"], seen["finding"], seen["inquiry"]) == ("closed", "Fixed in 3.42.", "Q-1")
    assert [one["adapter"] for one in seen["adapters"]] == [serial]
    assert {(one["campaign"], one["operation"]) for one in seen["runs"]} == {(None, operation), (campaign, None)}


async def test_the_operator_sees_every_run_and_refusal_in_the_audit_trail(client, placed) -> None:
    code, serial = placed
    sato, olga = await client("sato"), await client("olga")
    await opened(client, code)

    async with sato.post(f"adapters/{serial}/md-command", json={"line": "reboot", "reason": "quick"}) as answer:
        problem = await answer.json()
    async with sato.post(f"adapters/{serial}/read-status", json={"lines": ["show system"]}) as done:
        assert done.status == 202
    async with olga.get("audit", params={"limit": 2}) as trail:
        rows = (await trail.json())["items"]

    assert answer.status == 403
    assert "R2.4" in problem["detail"] and "'reboot'" in problem["errors"][0]["message"]
    assert [(row["action"], row["outcome"], row["account"]) for row in rows] == [
        ("adapter.read-status", "done", "sato"),
        ("adapter.md-command", "refused", "sato"),
    ]


async def test_an_operators_results_are_withheld_until_they_are_named(client, placed, registry) -> None:
    code, serial = placed
    sato, olga = await client("sato"), await client("olga")
    number = await opened(client, code)
    async with olga.post(f"adapters/{serial}/read-status", json={"lines": ["show system"]}) as asked:
        operation = (await asked.json())["operation"]
    at = registry.clock()
    async with registry.db.transaction() as tx:  # as the adapter's answer would leave it
        await tx.execute(
            "UPDATE operation SET state = 'done', sent_at = $2, finished_at = $2, value = $3 WHERE id = $1",
            *(operation, at, {"success": 1}),
        )
        await tx.execute(
            "INSERT INTO operation_output (operation, position, module, result, body) VALUES ($1, 1, 0, 100, 'text')",
            operation,
        )

    async def read() -> tuple[bool, int, int]:
        async with sato.get(f"operations/{operation}") as answer:
            body = await answer.json()
        async with sato.get(f"operations/{operation}/outputs/0") as output:
            status = output.status
        async with sato.get("operations", params={"adapter": serial}) as listed:
            row = (await listed.json())["items"][0]
        assert row["withheld"] == body["withheld"] == (row["value"] is None)
        return body["withheld"], len(body["outputs"]), status

    assert await read() == (True, 0, 403)
    named = {"adapter": serial, "executed_at": at.isoformat()}
    async with olga.post(f"investigations/{number}/results", json=named) as pointed:
        assert (await pointed.json()) == {"tasks": [], "operations": [operation]}
    assert await read() == (False, 1, 200)
    async with olga.get("audit", params={"limit": 2}) as trail:
        assert [(row["action"], row["account"]) for row in (await trail.json())["items"]] == [
            ("operation.read", "sato")
        ] * 2
    assert [one["operation"] for one in (await shown(client, "sato", number))["results"]] == [operation]


async def test_it_is_widened_extended_and_listed(client, placed, registry, numbers) -> None:
    code, serial = placed
    other = numbers()
    await registry.load(HEADER + csv_row(f"E{other}", other))
    number = await opened(client, code, days=1)
    sato = await client("sato")

    async with sato.post(f"investigations/{number}/adapters", json={"serials": [f"SER{other:05d}"]}) as added:
        assert (await added.json())["adapters"] == [f"SER{other:05d}"]
    async with sato.post(f"investigations/{number}/extension", json={"days": 30, "reason": "goes on"}) as extended:
        ends = (await extended.json())["expires_at"]
    query = {"adapter": serial, "state": "open", "contract": "C1"}
    async with sato.get("investigations", params=query) as listed:
        items = (await listed.json())["items"]

    assert ends[:10] == f"{registry.clock() + timedelta(days=30):%Y-%m-%d}"
    assert [(one["id"], one["adapter_count"]) for one in items] == [(number, 2)]


async def test_to_another_contracts_operator_there_is_none(client, placed) -> None:
    number = await opened(client, placed[0])
    otto = await client("otto")

    async with otto.get(f"investigations/{number}") as answer:
        assert answer.status == 404
    async with otto.get("investigations", params={"contract": "C1"}) as listed:
        assert (await listed.json())["items"] == []
    body = {"adapter": placed[1], "executed_at": "2026-11-22T12:00:00+09:00"}
    async with otto.post(f"investigations/{number}/results", json=body) as pointed:
        assert pointed.status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"reported_by": "otto"},
        {"contract": "C9"},
        {"codes": ["E-none"]},
        {"days": 91},
        {"observed": ""},
    ],
)
async def test_a_report_that_is_none_opens_nothing(client, placed, wrong) -> None:
    async with (await client("sato")).post("investigations", json=report(placed[0], **wrong)) as answer:
        assert answer.status == 422
        assert (await answer.json())["next_step"]


async def test_presets_are_kept_shown_and_dropped(client) -> None:
    olga, sato, root = await client("olga"), await client("sato"), await client("root")
    content = {"kind": "diagnostic", "lines": ["ping ${address}", "show log"]}

    for session in (olga, sato):
        async with session.put("presets/Look around", json=content) as kept:
            assert kept.status == 204, await kept.text()
    async with olga.put("presets/Bad", json={"kind": "status", "lines": ["reboot"]}) as refused:
        assert refused.status == 422
    async with olga.get("presets/Look around") as answer:
        mine = await answer.json()
    async with root.get("presets", params={"contract": "C1"}) as listed:
        items = (await listed.json())["items"]
    async with root.put("presets/Other", params={"contract": "C9"}, json=content) as nowhere:
        assert nowhere.status == 404
    async with olga.delete("presets/Look around") as dropped:
        assert dropped.status == 204
    async with sato.get("presets/Look around") as answer:
        theirs = await answer.json()

    assert (mine["contract"], mine["kind"], mine["variables"]) == ("C1", "diagnostic", ["address"])
    assert [one["title"] for one in items] == ["Look around"]
    assert theirs["contract"] is None


async def test_naming_anothers_contract_shows_and_changes_nothing_of_the_own_one(client, placed) -> None:
    """What olga asks about C2 is answered about C2: there is nothing there for her. It was about C1, unsaid."""
    olga, elsewhere = await client("olga"), {"contract": "C2"}
    content = {"kind": "status", "lines": ["show log"]}
    async with olga.put("presets/Look around", json=content) as kept:
        assert kept.status == 204

    async with olga.put("presets/Look around", params=elsewhere, json=content | {"lines": ["show system"]}) as changed:
        assert changed.status == 404, await changed.text()
    async with olga.delete("presets/Look around", params=elsewhere) as dropped:
        assert dropped.status == 404
    lists = ("codes", "adapters", "presets", "exchanges", "investigations", "credentials", "host-keys", "transcripts")
    for path in lists:
        async with olga.get(path, params=elsewhere) as listed:
            assert (listed.status, (await listed.json()).get("items")) == (200, []), path
    async with olga.get("presets/Look around") as answer:
        mine = await answer.json()

    assert mine["lines"] == ["show log"]


async def test_the_provider_says_what_a_contracts_operators_may_run(client, placed) -> None:
    root, olga = await client("root"), await client("olga")
    ping = {"address": "192.0.2.1"}

    async with root.put("contracts/C1/policy", json={"command_classes": ["status"], "tasks_at_once": 5}) as changed:
        assert changed.status == 204
    async with olga.post(f"adapters/{placed[1]}/ping", json=ping) as refused:
        problem = await refused.json()
    async with olga.get("contracts") as listed:
        contract = (await listed.json())["items"][0]
    everything = {"command_classes": ["status", "clear", "diagnostic", "management"]}
    async with root.put("contracts/C1/policy", json=everything):
        pass
    async with olga.post(f"adapters/{placed[1]}/ping", json=ping) as allowed:
        assert allowed.status == 202

    assert (refused.status, contract["command_classes"], contract["tasks_at_once"]) == (403, ["status"], 5)
    assert "contract C1" in problem["detail"]


async def test_a_series_says_who_may_run_its_commands(client) -> None:
    async with (await client("sato")).get("series") as answer:
        series = {one["name"]: {c["name"]: c for c in one["commands"]} for one in await answer.json()}

    assert "support" in series["seil8"]["show system"]["roles"]
    assert "support" not in series["seil8"]["reboot"]["roles"]
    assert series["seil3"]["load-from stdin"]["roles"] == []
